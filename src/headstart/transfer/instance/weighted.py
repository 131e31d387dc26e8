"""Any estimator with weights, without a weight being lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.labels import labelled
from headstart.results import DataError
from headstart.transfer.instance._rows import Floats
from headstart.transfer.instance.size import effective_sample_size


def fit_weighted(estimator: Any, X: Floats, y: NDArray[Any], weights: Floats) -> Any:
    """Fit ``estimator`` with ``weights`` and return it; of a pipeline, its last step gets them.

    Raises
    ------
    DataError
        If it takes none: fitted without, it would learn from the source as it is.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    last, name = estimator, "sample_weight"
    while isinstance(last, Pipeline):
        step, last = last.steps[-1]
        name = f"{step}__{name}"
    if not has_fit_parameter(last, "sample_weight"):
        raise DataError(
            f"{type(last).__name__} takes no sample_weight, so the source's weights would be lost: "
            "give an estimator whose fit takes them, such as LogisticRegression"
        )
    return estimator.fit(X, y, **{name: weights})


def with_labelled(
    Xs: Floats, ys: NDArray[Any], weights: Floats, Xt: Floats, yt: NDArray[Any] | None
) -> tuple[Floats, NDArray[Any], Floats]:
    """Return source and labelled target rows together, with their weights, whose mean is 1.

    A weighted source tells as much as its effective sample size of unweighted rows, so it weighs that in all, and a
    target row 1. Without labels the source's weights stay as they are.
    """
    if yt is None:
        return Xs, ys, weights
    X, y = joined(Xs, ys, Xt, yt)
    size = effective_sample_size(weights)
    both = np.concatenate([weights * (size / weights.sum()), np.ones(len(y) - len(ys))])
    return X, y, both / both.mean()


def joined(Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
    """Return the source's rows and labels with those of the target that have a label."""
    known = labelled(yt, ys)
    # By way of a list, labels of objects get the type that they share with the source's.
    return np.vstack([Xs, Xt[known]]), np.concatenate([ys, np.asarray(yt[known].tolist())])

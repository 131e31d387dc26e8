"""Metrics that are functions of the confusion matrix alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import Codes, Floats, checked_codes


def confusion(y: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix: entry (i, j) counts the examples of class i that were predicted as class j.

    Parameters
    ----------
    y, predicted : array_like of int, shape (n,)
        True and predicted class of each example, from 0 to ``n_classes`` - 1.
    n_classes : int
        Number of classes k.

    Returns
    -------
    ndarray of int64, shape (k, k)

    Raises
    ------
    DataError
        If a class index is out of range.

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    cell = checked_codes(y, n_classes) * n_classes + checked_codes(predicted, n_classes, "predicted")
    return np.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes)


def weighted_confusion(y: Codes, predicted: Codes, n_classes: int, weights: Floats) -> Floats:
    """Return one confusion matrix for each row of ``weights`` (b, n), as an array (b, k, k)."""
    cell = y * n_classes + predicted
    flat = np.stack([np.bincount(cell, weights=weight, minlength=n_classes**2) for weight in weights])
    return np.asarray(flat.reshape(len(weights), n_classes, n_classes), dtype=np.float64)


def by_class(matrix: NDArray[Any]) -> dict[str, Floats]:
    """Return precision, recall and F1 (..., k) of confusion matrices (..., k, k).

    Undefined is NaN: the precision of a class that is never predicted, the recall of one without examples, the F1 of
    one that has neither.
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    support, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return {
        "precision": share(hits, predicted),
        "recall": share(hits, support),
        "f1": share(2 * hits, support + predicted),
    }


def share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Return ``part / whole``, NaN where ``whole`` is 0."""
    out = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=out, where=np.asarray(whole) > 0)
    return out


def mean_defined(values: Floats) -> Floats:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return share(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))

"""What every adapter is: a scikit-learn estimator that also sees a source."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y, validate_data

from headstart.data.labels import labelled
from headstart.results import DataError, HeadstartWarning
from headstart.transfer.domain import Domain

Kind = Literal["instances", "features", "parameters", "relations"]
Difference = Literal["covariate", "label", "conditional", "feature_space", "label_space"]
Floats = NDArray[np.float64]
ADAPTERS: dict[str, type[Adapter]] = {}


class Adapter(BaseEstimator):  # type: ignore[misc]
    """Base of the adapters; a subclass gives ``_adapt`` and is registered by its name.

    ``fit(Xs, ys, Xt, yt)`` takes the source first. Where a pipeline may only call ``fit(X, y)``, the source is given to
    the constructor and X, y are the target's. Steps of the pipeline before the adapter see the target only: give
    them a source that has gone through the same steps (``Domain.map``).

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
        What learns in the end; logistic regression by default.
    source : Domain, optional
    random_state : int

    Attributes
    ----------
    kind : str
        What is carried over: "instances", "features", "parameters" or "relations".
    mends : frozenset of str
        The differences between source and target that the method is made for.
    needs_labels : bool
        Whether it needs labelled target examples.
    estimator_ : estimator
        The fitted one.
    """

    kind: ClassVar[Kind]
    mends: ClassVar[frozenset[Difference]] = frozenset({"covariate"})
    needs_labels: ClassVar[bool] = False

    def __init__(self, estimator: Any = None, *, source: Domain | None = None, random_state: int = 0) -> None:
        self.estimator = estimator
        self.source = source
        self.random_state = random_state

    def __init_subclass__(cls, **more: Any) -> None:
        """Register it, unless its name says that it is a base."""
        super().__init_subclass__(**more)
        if not cls.__name__.startswith("_") and not cls.__name__.endswith("Adapter"):
            ADAPTERS[cls.__name__] = cls

    def fit(self, Xs: ArrayLike, ys: ArrayLike | None = None, Xt: ArrayLike | None = None,
            yt: ArrayLike | None = None) -> Adapter:  # fmt: skip
        """Adapt the source to the target, and learn.

        Parameters
        ----------
        Xs : array-like, shape (ns, d)
            The source; the target where the constructor was given a source.
        ys : array-like, shape (ns,)
            Its labels; of the target, optional, where the constructor was given a source.
        Xt : array-like, shape (nt, d)
            The target. Without one the source is its own target, with a warning.
        yt : array-like, shape (nt,), optional
            Labels of the target; -1 (integers), NaN (floats) or ``None`` (objects) where a row has none.

        Returns
        -------
        Adapter
            Itself.

        Raises
        ------
        DataError
            If something is missing or does not fit together.
        """
        raise NotImplementedError

    def _both(self, Xs: Any, ys: Any, Xt: Any, yt: Any) -> tuple[Floats, NDArray[Any], Floats, NDArray[Any] | None]:
        """Return checked source and target, whichever way they were given."""
        name = type(self).__name__
        if self.source is not None:
            if Xt is not None:
                raise DataError(f"{name} was given a source twice: in its constructor and in fit")
            Xs, ys, Xt, yt = self.source.X, self.source.y, Xs, ys
        elif Xt is None:
            message = f"{name}: no target was given, so the source is taken for it: call fit(Xs, ys, Xt)"
            warnings.warn(message, HeadstartWarning, stacklevel=3)
        if ys is None:
            raise DataError(f"{name} needs the source's labels: fit(Xs, ys, Xt)")
        estimator = self._fresh()
        Xs, ys = check_X_y(Xs, ys, dtype=np.float64, y_numeric=not is_classifier(estimator))
        if Xt is None:
            Xt, yt = Xs, ys if self.needs_labels else None
        Xt = check_array(Xt, dtype=np.float64)
        validate_data(self, Xt, skip_check_array=True)
        if yt is not None:
            yt = np.asarray(yt)
            if yt.shape != (len(Xt),):
                raise DataError(f"{len(Xt)} target rows but labels of shape {yt.shape}: give one label each")
            if not labelled(yt, ys).any():
                yt = None
        if yt is None and self._needs_labels():
            raise DataError(f"{name} needs some labelled target rows: give yt, with -1, NaN or None for the others")
        return Xs, ys, Xt, yt

    def _needs_labels(self) -> bool:
        """Return whether target labels are needed as it is set up."""
        return self.needs_labels

    def _fresh(self) -> Any:
        return LogisticRegression(max_iter=1000) if self.estimator is None else clone(self.estimator)

    def settled(self) -> Adapter:
        """Return an unfitted one that keeps what this one chose by cross-validation."""
        again: Adapter = clone(self)
        return again

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return what is said of each target row, (n,)."""
        rows = self._seen(X)
        return np.asarray(self.estimator_.predict(rows))

    @available_if(lambda self: hasattr(self._fresh(), "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each class, (n, k), in the order of ``classes_``."""
        rows = self._seen(X)
        return np.asarray(self.estimator_.predict_proba(rows))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy on target rows, or R² where numbers are learned."""
        measure = accuracy_score if is_classifier(self) else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, sorted."""
        return np.asarray(self.estimator_.classes_)

    def seen(self, X: ArrayLike) -> Floats:
        """Return target rows (n, d) as the fitted ``estimator_`` takes them, (n, k)."""
        return self._seen(X)

    def _seen(self, X: ArrayLike) -> Floats:
        """Return target rows as the fitted estimator takes them."""
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        own = get_tags(self._fresh())
        tags.estimator_type = own.estimator_type
        tags.classifier_tags = own.classifier_tags
        tags.regressor_tags = own.regressor_tags
        tags.target_tags = own.target_tags
        return tags

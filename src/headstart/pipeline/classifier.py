"""The scikit-learn face: pictures, paths or features in, classes out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart.results import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headstart.data.pictures import PictureSet


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A logistic head on the last tap of a pretrained source, as a scikit-learn estimator.

    Parameters
    ----------
    source : str
        See ``headstart.sources.get``; plain features (n, d) do not need it.
    C : float or "auto"
        Inverse strength of the head's L2 penalty; ``"auto"`` cross-validates it.
    input_fit : {"own", "crop", "squash", "pad"}
        How a picture is fitted into the input; ``"own"`` is the way the source was trained.
    backend, device : str
        Engine and device, ``"auto"`` by default.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    head_ : LogisticHead
        The fitted head.
    C_ : float
        The strength that was used.
    n_features_in_ : int
        Number of features the head was fitted on.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> float(TransferClassifier().fit(X, y).score(X, y)) > 0.9
    True
    """

    def __init__(
        self,
        source: str = "lite0",
        *,
        C: float | str = "auto",
        input_fit: str = "own",
        backend: str = "auto",
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.source = source
        self.C = C
        self.input_fit = input_fit
        self.backend = backend
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> TransferClassifier:
        """Fit the head.

        Parameters
        ----------
        X : array-like
            Features (n, d), or n pictures: paths, bytes, PIL pictures, arrays (n, h, w, 3).
        y : array-like of shape (n,)
            Labels.
        """
        from headstart.training import LogisticHead

        features, y = self._features(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}")
        self.C_ = self._choose(features, codes) if self.C == "auto" else float(self.C)
        self.head_ = LogisticHead(C=self.C_).fit(features, codes)
        return self

    def _choose(self, features: NDArray[Any], codes: NDArray[np.int64]) -> float:
        """Return the cross-validated C; a middling one where a class has too few examples to be left out."""
        from headstart.data.splits import stratified_group_folds
        from headstart.training import choose

        if np.bincount(codes).min() < 2:
            return 0.01
        folds = stratified_group_folds(codes, np.arange(len(codes)), n_folds=5, random_state=self.random_state)
        return choose(features, codes, folds, n_classes=len(self.classes_)).C

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), in the order of ``classes_``."""
        check_is_fitted(self)
        return np.asarray(self.head_.predict_proba(self._features(X)[0]))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more."""
        check_is_fitted(self)
        return np.asarray(self.head_.decision_function(self._features(X)[0]))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each example."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.head_.predict(self._features(X)[0])])

    def _features(self, X: Any, y: Any = "no_validation") -> tuple[NDArray[Any], Any]:
        """Return features (n, d), and ``y`` checked where it is given."""
        fitting = not isinstance(y, str)
        pictures = as_pictures(X)
        if pictures is not None:
            X = self._activations(pictures)
            if not fitting and X.shape[1] != self.n_features_in_:
                raise DataError(f"fitted on {self.n_features_in_} features, not on pictures: give features")
        result = validate_data(self, X, y, reset=fitting, dtype=[np.float64, np.float32])
        return result if fitting else (result, None)

    def _activations(self, pictures: PictureSet) -> NDArray[np.float32]:
        from headstart.features.activations import compute
        from headstart.sources import get

        source = get(self.source)
        if self.input_fit != "own":
            changed = dataclasses.replace(source.preprocessing, fit=self.input_fit)  # type: ignore[arg-type]
            source = dataclasses.replace(source, preprocessing=changed)
        return compute(pictures, source, taps=["last"], backend=self.backend, device=self.device)["last"]


def as_pictures(X: Any) -> PictureSet | None:
    """Return ``X`` as pictures, or ``None`` where it is a table of numbers.

    Pictures are an array of four axes, or a sequence of paths, bytes, PIL pictures or arrays of two or three axes.
    """
    from headstart.data.pictures import PictureSet
    from headstart.data.readers.items import picture_item, shows_picture

    if isinstance(X, np.ndarray):
        if X.ndim == 4:
            return PictureSet(list(X))
        if X.dtype.kind not in "OSU" or X.ndim != 1:
            return None
    elif not isinstance(X, (list, tuple)):
        return None
    items = list(X)
    if not items or not shows_picture(items[0]):
        return None
    return PictureSet([picture_item(item, Path()) for item in items])

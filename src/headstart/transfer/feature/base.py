"""What the feature adapters share: source and target brought into one space, then an estimator that learns there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin, is_classifier
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from headstart.data.labels import labelled
from headstart.results import DataError
from headstart.transfer.adapter import Adapter, Floats, Kind


class FeatureAdapter(TransformerMixin, Adapter):  # type: ignore[misc]
    """Base of the feature adapters; a subclass gives ``_align``, ``_map_source`` and ``_map_target``.

    The estimator learns from the mapped source, and from those mapped target rows that have a label.

    Attributes
    ----------
    n_features_source_ : int
        Features of the source.
    """

    kind: ClassVar[Kind] = "features"

    def fit(self, Xs: ArrayLike, ys: ArrayLike | None = None, Xt: ArrayLike | None = None,
            yt: ArrayLike | None = None) -> FeatureAdapter:  # fmt: skip
        """Learn both maps, then the estimator; see :meth:`headstart.transfer.Adapter.fit`."""
        rows_s, labels_s, rows_t, labels_t = self._both(Xs, ys, Xt, yt)
        self._check_spaces(rows_s.shape[1], rows_t.shape[1])
        self.n_features_source_ = rows_s.shape[1]
        self._align(rows_s, labels_s, rows_t, labels_t)
        self.estimator_ = self._learned(rows_s, labels_s, rows_t, labels_t)
        return self

    def _learned(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> Any:
        """Return the estimator, fitted in the shared space."""
        X, y = pooled(self._map_source(Xs), ys, self._map_target(Xt), yt)
        estimator = self._fresh()
        if is_classifier(estimator):
            self._check_classes(y)
        return estimator.fit(X, y)

    def _check_classes(self, y: NDArray[Any]) -> None:
        if len(np.unique(y)) < 2:
            only = y[:1].tolist()[0]
            raise DataError(f"all labels are of one class, {only!r}: {type(self).__name__} needs at least two")

    def transform(self, X: ArrayLike) -> Floats:
        """Return target rows (n, d) in the shared space, (n, k)."""
        return self._seen(X)

    def transform_source(self, X: ArrayLike) -> Floats:
        """Return source rows (n, ds) in the shared space, (n, k)."""
        check_is_fitted(self)
        rows = check_array(X, dtype=np.float64)
        if rows.shape[1] != self.n_features_source_:
            raise DataError(f"source rows have {rows.shape[1]} features: the fitted ones had {self.n_features_source_}")
        return self._map_source(rows)

    def _seen(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        return self._map_target(np.asarray(validate_data(self, X, reset=False, dtype=np.float64)))

    def _check_spaces(self, source: int, target: int) -> None:
        if source != target:
            raise DataError(
                f"the source has {source} features, the target {target}: {type(self).__name__} needs the same ones; "
                "SharedLatentSpace takes different ones"
            )

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        """Learn what the maps need."""
        raise NotImplementedError

    def _map_source(self, X: Floats) -> Floats:
        raise NotImplementedError

    def _map_target(self, X: Floats) -> Floats:
        raise NotImplementedError


def pooled(Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> tuple[Floats, NDArray[Any]]:
    """Return the source's rows and, below them, the target's labelled ones, with their labels.

    >>> X, y = pooled(np.ones((2, 1)), np.array([0, 1]), np.zeros((3, 1)), np.array([1.0, np.nan, 0.0]))
    >>> X.ravel().tolist(), y.tolist()
    ([1.0, 1.0, 0.0, 0.0], [0, 1, 1, 0])
    """
    if yt is None:
        return Xs, ys
    there = labelled(yt, ys)
    known = np.array(yt[there].tolist())  # what is left of an array of objects has a type of its own
    if ys.dtype.kind in "iu" and known.dtype.kind == "f" and (known == known.round()).all():
        known = known.astype(ys.dtype)  # floats because of the NaN of others
    return np.vstack([Xs, Xt[there]]), np.concatenate([ys, known])


def varies(X: Floats) -> bool:
    """Return whether the rows differ by more than rounding.

    >>> varies(np.full((3, 2), 0.1)), varies(np.eye(2)), varies(np.eye(1))
    (False, True, False)
    """
    return bool((np.ptp(X, axis=0) > 1e-12 * np.abs(X).max(axis=0)).any())

"""Source and target rows as the weightings take them: checked, in one scale, in an order that is their own."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError, HeadstartWarning

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_CELLS = 4_000_000  # kernel values or distances that are held at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Both domains, standardized together and sorted by content.

    Whatever is drawn, dealt into folds or summed up after that does not depend on the order in which rows were given,
    so that permuting the source's rows permutes their weights, to the bit.

    Attributes
    ----------
    source, target : ndarray, shape (ns, d) and (nt, d)
    place : ndarray, shape (ns,)
        Where each sorted source row was.
    """

    source: Floats
    target: Floats
    place: Places

    @classmethod
    def of(cls, Xs: ArrayLike, Xt: ArrayLike, *, scale: bool = True) -> Rows:
        """Check both sides; standardize each feature by all rows of both, where ``scale``."""
        source, target = (
            checked_rows(X, len(np.asarray(X)), name).astype(np.float64) for X, name in ((Xs, "Xs"), (Xt, "Xt"))
        )
        for side, name in ((source, "source"), (target, "target")):
            if not len(side):
                raise DataError(f"the {name} has no rows: give at least one")
        if source.shape[1] != target.shape[1]:
            raise DataError(
                f"the source has {source.shape[1]:,} features and the target {target.shape[1]:,}: "
                "weights compare rows in one feature space; choose common features"
            )
        place = content_order(source)
        source, target = source[place], target[content_order(target)]
        if scale:
            from sklearn.preprocessing import StandardScaler

            scaler = StandardScaler().fit(np.vstack([source, target]))
            source, target = scaler.transform(source), scaler.transform(target)
        return cls(source, target, place)

    def weights(self, found: Floats) -> Floats:
        """Return weights of the sorted source rows in the order of the given ones, with mean 1; copies get the same."""
        if not np.isfinite(found).all() or found.sum() <= 0:
            message = "no source row is like any target row, so that all weigh the same: is it the same feature space?"
            warnings.warn(message, HeadstartWarning, stacklevel=3)
            found = np.ones(len(found))
        _, row, copies = np.unique(contents(self.source), return_inverse=True, return_counts=True)
        weights = np.empty(len(found))
        weights[self.place] = (np.bincount(row, found) / copies)[row] / found.mean()
        return weights


def content_order(X: NDArray[np.float64]) -> Places:
    """Return the row indices that sort rows by their bytes, an order that rows keep however they are given.

    >>> X = np.array([[3.0, 1.0], [0.0, 2.0], [3.0, 0.0]])
    >>> X[content_order(X)].tolist() == X[[2, 0, 1]][content_order(X[[2, 0, 1]])].tolist()
    True
    """
    return np.asarray(np.argsort(contents(X), kind="stable"))


def contents(X: NDArray[np.float64]) -> NDArray[np.void]:
    """Return each row as one value that can be compared, (n,)."""
    table = np.ascontiguousarray(X) + 0.0  # -0.0 is 0.0
    return table.view(np.dtype((np.void, table.itemsize * table.shape[1]))).ravel()


def blocks(n: int, width: int) -> Iterator[slice]:
    """Yield slices of ``n`` rows, such that a table of so many rows and ``width`` columns stays small."""
    step = max(1, _CELLS // max(1, width))
    for start in range(0, n, step):
        yield slice(start, start + step)

"""Ranks in place of values: what a column's quantiles make of it, as arrays that an exported graph can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]

SCALINGS = ("standard", "robust", "quantile")
KNOTS = 100
_CHUNK = 2**24  # values at a time


def checked_scaling(scaling: str) -> str:
    """Return ``scaling``, or say what there is."""
    if scaling not in SCALINGS:
        raise DataError(f"no scaling {scaling!r}: choose {', '.join(SCALINGS)}")
    return scaling


@dataclass(frozen=True, eq=False)
class Ranks:
    """The share of the training rows that lies below a value, column by column, by lines between some quantiles.

    ``sum_j rises_j clip((x - starts_j) slopes_j, 0, 1)``: from 0 for the smallest training value and below to 1 for the
    largest and above, less what ties at either end take. A value that many rows share gets the middle of their ranks.
    Each term stays between 0 and its rise, so that single precision is enough.

    Attributes
    ----------
    starts, slopes, rises : ndarray, shape (d, q)
        Where each of a column's lines begins, one over its width, and its height; lines that a column does not need
        have rise 0.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [10.0], [1000.0], [1e6]])
    >>> Ranks.of(X).transform(np.array([[-5.0], [1.0], [5.5], [1e7]]))[:, 0]
    array([0.   , 0.25 , 0.375, 1.   ])
    """

    starts: Floats
    slopes: Floats
    rises: Floats

    @classmethod
    def of(cls, X: NDArray[Any], knots: int = KNOTS) -> Ranks:
        """Return the ranks of the columns of ``X`` (n, d), by at most so many quantiles."""
        levels = np.linspace(0, 1, min(knots, len(X)))
        quantiles = np.quantile(np.asarray(X, dtype=np.float64), levels, axis=0)
        shape = (X.shape[1], max(1, len(levels) - 1))
        starts, slopes, rises = np.zeros(shape), np.ones(shape), np.zeros(shape)
        for column, values in enumerate(quantiles.T):
            places, inverse = np.unique(values, return_inverse=True)
            middle = np.bincount(inverse, levels) / np.bincount(inverse)
            lines = len(places) - 1
            starts[column, :lines] = places[:-1]
            slopes[column, :lines] = 1 / np.maximum(np.diff(places), np.finfo(np.float32).tiny)
            rises[column, :lines] = np.diff(middle)
        return cls(starts, slopes, rises)

    def transform(self, X: NDArray[Any]) -> Floats:
        """Return the ranks (n, d) of ``X`` (n, d)."""
        found = np.empty(X.shape)
        step = max(1, _CHUNK // self.starts.size)
        for start in range(0, len(X), step):
            x = np.asarray(X[start : start + step], dtype=np.float64)[:, :, None]
            found[start : start + step] = (np.clip((x - self.starts) * self.slopes, 0, 1) * self.rises).sum(axis=2)
        return found

    def to_arrays(self) -> dict[str, Floats]:
        """Return the arrays by name."""
        return {"starts": self.starts, "slopes": self.slopes, "rises": self.rises}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Ranks | None:
        """Return what ``to_arrays`` was called on; ``None`` where it is not among ``arrays``."""
        if "starts" not in arrays:
            return None
        return cls(*(np.asarray(arrays[name], dtype=np.float64) for name in ("starts", "slopes", "rises")))

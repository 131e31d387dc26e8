"""A set of feature vectors in a few numbers: mean and covariance, the latter by its principal directions."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import Floats, checked_rows


@dataclasses.dataclass(frozen=True, eq=False)
class Sketch:
    """A set of feature vectors, by its mean and its covariance ``factor.T @ factor``.

    Attributes
    ----------
    mean : ndarray of float64, shape (d,)
    factor : ndarray of float64, shape (r, d)
        Principal directions, each as long as the standard deviation along it, the longest first.
    variance : float
        The trace of the whole covariance, of which ``factor`` may keep a part.
    n : int
        Vectors that were looked at.
    """

    mean: Floats
    factor: Floats
    variance: float
    n: int

    @property
    def kept(self) -> float:
        """Share of the variance that ``factor`` keeps."""
        return float((self.factor**2).sum() / self.variance) if self.variance else 1.0


def sketch(features: ArrayLike, *, rank: int | None = None) -> Sketch:
    """Return mean and covariance of ``features`` (n, d), the latter to at most ``rank`` principal directions."""
    rows = np.asarray(features)
    X = checked_rows(rows, len(rows) if rows.ndim else 0, "features").astype(np.float64)
    mean = X.mean(axis=0)
    _, values, directions = np.linalg.svd((X - mean) / np.sqrt(len(X)), full_matrices=False)
    kept = values[:rank, None] * directions[:rank]
    return Sketch(mean, kept, float((values**2).sum()), len(X))

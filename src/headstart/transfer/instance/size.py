"""How many examples a weighted set is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError


def effective_sample_size(weights: ArrayLike) -> float:
    """Return how many equally weighted examples tell as much as these do: ``(Σ w)² / Σ w²``, from 1 to n.

    Parameters
    ----------
    weights : array_like, shape (n,)
        0 or more, not all 0.

    Raises
    ------
    DataError
        If there is no weight above 0, or one below.

    References
    ----------
    Kish (1965), Survey sampling, section 8.2.

    Examples
    --------
    >>> effective_sample_size([1, 1, 1, 1]), effective_sample_size([2, 2, 0, 0]), effective_sample_size([4, 0, 0, 0])
    (4.0, 2.0, 1.0)
    """
    given = np.asarray(weights, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any() or not (given > 0).any():
        raise DataError(f"weights have shape {given.shape}: give finite numbers of 0 or more, at least one above 0")
    share = given / given.max()  # squares of very small or large weights would leave the range of floats
    return float(share.sum() ** 2 / (share**2).sum())

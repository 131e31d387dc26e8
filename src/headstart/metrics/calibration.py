"""Whether a probability means what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import Codes, Floats, checked
from headstart.metrics.counts import share

N_BINS = 15


@dataclass(frozen=True, eq=False)
class Calibration:
    """Examples sorted into bins of confidence, the probability of the predicted class.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
        Bin i holds confidences above ``edges[i]`` and up to ``edges[i + 1]``; the first holds its lower edge too.
    count : ndarray of int64, shape (bins,)
    confidence, accuracy : ndarray, shape (bins,)
        Mean confidence and share of right predictions in each bin; NaN in an empty one.
    ece : float
        Expected calibration error: mean over the examples of their bin's ``|accuracy - confidence|``.
    """

    edges: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats
    ece: float


def calibration(y: ArrayLike, probabilities: ArrayLike, *, n_bins: int = N_BINS, adaptive: bool = False) -> Calibration:
    """Return the top-label reliability of probabilities, and their expected calibration error.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each example.
    probabilities : array_like, shape (n, k)
        The predicted class of each example is its most probable one.
    n_bins : int
        Number of bins.
    adaptive : bool
        Bins of (nearly) equal counts instead of equal widths.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599, equation 3.

    Examples
    --------
    >>> found = calibration([0, 1], [[0.8, 0.2], [0.9, 0.1]])
    >>> round(found.ece, 6)  # 0.8 was right, 0.9 was wrong: (0.2 + 0.9) / 2
    0.55
    """
    codes, table = checked(y, probabilities)
    confidence, right = table.max(axis=1), table.argmax(axis=1) == codes
    edges = np.linspace(0, 1, n_bins + 1)
    if adaptive:
        edges = np.append(0.0, np.quantile(confidence, edges[1:]))
    place = bin_of(confidence, edges)
    count = np.bincount(place, minlength=n_bins)
    said = share(np.bincount(place, confidence, n_bins), count)
    true = share(np.bincount(place, right, n_bins), count)
    ece = float(np.nansum(count * np.abs(true - said)) / len(codes))
    return Calibration(edges, count, said, true, ece)


def calibrated_ece(
    probabilities: ArrayLike, *, n_draws: int = 200, random_state: int | np.random.Generator = 0
) -> float:
    """Return the mean calibration error that these probabilities would show if they were perfectly calibrated.

    The expected calibration error is above 0 for every finite test set. This is the floor to compare it with: the
    labels are drawn ``n_draws`` times so that each prediction is right with just its own confidence.

    Examples
    --------
    >>> round(calibrated_ece(np.full((50, 2), 0.5)), 2), round(calibrated_ece(np.full((5000, 2), 0.5)), 3)
    (0.06, 0.006)
    """
    confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    rng = np.random.default_rng(random_state)
    place = bin_of(confidence, np.linspace(0, 1, N_BINS + 1))
    total = 0.0
    for _ in range(n_draws):
        gap = confidence - (rng.random(len(confidence)) < confidence)
        total += float(np.abs(np.bincount(place, weights=gap, minlength=N_BINS)).sum())
    return total / (n_draws * len(confidence))


def bin_of(confidence: Floats, edges: Floats) -> Codes:
    """Return the bin of each confidence: ``edges[i] < confidence <= edges[i + 1]``, as in Guo et al."""
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def weighted_ece(y: Codes, probabilities: Floats, weights: Floats) -> Floats:
    """Return the expected calibration error (b,) for each row of ``weights`` (b, n), in 15 bins of equal width."""
    confidence = probabilities.max(axis=1)
    gap = confidence - (probabilities.argmax(axis=1) == y)
    place = bin_of(confidence, np.linspace(0, 1, N_BINS + 1))
    gaps = np.stack([np.bincount(place, weights=weight * gap, minlength=N_BINS) for weight in weights])
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))

"""Ordinal normalization: how good each source is for a target, from how often it beats the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
CLIP = 0.001  # Zamir et al. clip win rates to [0.001, 0.999], "as a form of Laplace smoothing"
_SQUARINGS, _POLISHING = 60, 20


def ahp(win_rates: ArrayLike, *, clip: float = CLIP) -> Floats:
    """Return the principal eigenvector of the pairwise ratios of a tournament, summing to 1: the affinities.

    Losses of different tasks have no common unit, but on every task it can be counted on how many examples one source
    beats another. The ratio ``W'[i, j] = W[i, j] / W[j, i]`` says how many times better i is than j, and the principal
    eigenvector of W' is the one set of weights that agrees with all ratios on average (the analytic hierarchy
    process). It is a ratio scale: a source with twice the affinity wins about twice as often as it loses.

    Parameters
    ----------
    win_rates : array_like, shape (..., n, n)
        ``[i, j]`` is the share of examples, 0 to 1, on which source i has a lower loss than source j; the diagonal is
        ignored. NaN stands for a pair that was never compared, as long as every source is linked to every other
        through pairs that were: such pairs are left out of the average (Harker's method). Leading axes are targets.
    clip : float
        Win rates are clipped to [clip, 1 - clip], so that no ratio is infinite; more than 0 and less than 0.5.

    Returns
    -------
    ndarray of float64, shape (..., n)
        Positive, higher is better; comparable within a target only.

    Raises
    ------
    DataError
        If the matrix is not square, a rate is outside of 0 to 1, or the comparisons fall into unconnected parts.

    References
    ----------
    Zamir et al. (2018), Taskonomy, CVPR, section 3.3, arXiv 1804.08328; Saaty (1987), The analytic hierarchy process;
    Harker (1987), Incomplete pairwise comparisons in the analytic hierarchy process.

    Examples
    --------
    >>> strength = np.array([4.0, 2.0, 1.0])
    >>> ahp(strength[:, None] / (strength[:, None] + strength)).round(6)
    array([0.571429, 0.285714, 0.142857])
    """
    comparisons = _harker(ratios(win_rates, clip=clip))
    power = comparisons / comparisons.max(axis=(-2, -1), keepdims=True)
    # Squaring converges however close the second eigenvalue is, and adds positive numbers only: each component keeps
    # its relative precision, also one that is a millionth of the largest, where a dense solver loses it.
    for _ in range(_SQUARINGS):
        power = power @ power
        power /= power.max(axis=(-2, -1), keepdims=True)
        columns = power / power.sum(axis=-2, keepdims=True)
        weights = columns.mean(axis=-1, keepdims=True)
        if (np.abs(columns - weights) <= 1e-14 * weights).all():
            break
    for _ in range(_POLISHING):
        weights = comparisons @ weights
        weights /= weights.sum(axis=-2, keepdims=True)
    result: Floats = weights[..., 0]
    return result


def ratios(win_rates: ArrayLike, *, clip: float = CLIP) -> Floats:
    """Return how many times better each source is than each other one, ``W[i, j] / W[j, i]`` after clipping.

    Parameters
    ----------
    win_rates : array_like, shape (..., n, n)
        As in ``ahp``; a pair is missing where either of its two rates is.
    clip : float
        As in ``ahp``.

    Returns
    -------
    ndarray of float64, shape (..., n, n)
        Positive and reciprocal, ones on the diagonal, NaN where a pair was never compared.

    Raises
    ------
    DataError
        As ``ahp``, but for what is unconnected.
    """
    wins = np.array(win_rates, dtype=np.float64)
    if wins.ndim < 2 or wins.shape[-1] != wins.shape[-2] or wins.shape[-1] == 0:
        raise DataError(f"win rates have shape {wins.shape}: give a square matrix, one row and one column a source")
    if not 0 < clip < 0.5:
        raise DataError(f"clip is {clip}: give a number above 0 and below 0.5")
    itself = np.eye(wins.shape[-1], dtype=bool)
    wins[..., itself] = 0.5
    wrong = (wins < 0) | (wins > 1)
    if wrong.any():
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        raise DataError(f"win rate {wins[place]:g} at {place} is outside of 0 to 1: give shares, not percentages")
    clipped = wins.clip(clip, 1 - clip)
    result: Floats = clipped / np.swapaxes(clipped, -1, -2)
    return result


def inconsistency(win_rates: ArrayLike, *, clip: float = CLIP) -> Floats:
    """Return Saaty's consistency index, (λ - n) / (n - 1): 0 where all ratios agree, larger where they contradict.

    Parameters
    ----------
    win_rates, clip
        As in ``ahp``.

    Returns
    -------
    ndarray of float64, shape (...)
        0 for fewer than three sources.

    Raises
    ------
    DataError
        As ``ahp``.

    Examples
    --------
    >>> print(inconsistency([[0.5, 0.8, 0.2], [0.2, 0.5, 0.8], [0.8, 0.2, 0.5]]).round(3))  # rock, paper, scissors
    1.125
    """
    weights = ahp(win_rates, clip=clip)
    comparisons = _harker(ratios(win_rates, clip=clip))
    n = weights.shape[-1]
    largest = (comparisons @ weights[..., None])[..., 0].sum(axis=-1)
    result: Floats = np.maximum(largest - n, 0) / max(n - 1, 1)
    return result


def geometric(win_rates: ArrayLike, *, clip: float = CLIP) -> Floats:
    """Return the geometric mean of each source's ratios, summing to 1: AHP by least squares on logarithms.

    It equals ``ahp`` on consistent ratios and on up to three sources, needs every pair, and is the simplest
    normalization on the same scale.

    Parameters
    ----------
    win_rates, clip
        As in ``ahp``, without NaN.

    Returns
    -------
    ndarray of float64, shape (..., n)

    Raises
    ------
    DataError
        As ``ahp``, and if a pair is missing.

    References
    ----------
    Crawford and Williams (1985), A note on the analysis of subjective judgment matrices.
    """
    logs = np.log(ratios(win_rates, clip=clip))
    if np.isnan(logs).any():
        raise DataError("a pair of sources was never compared: use ahp, or compare it")
    weights = np.exp(logs.mean(axis=-1))
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


def mean_win_rate(win_rates: ArrayLike) -> Floats:
    """Return how often each source beats another one on average (a Borda count): bounded, so it saturates.

    Parameters
    ----------
    win_rates : array_like, shape (..., n, n)
        As in ``ahp``; pairs that were never compared do not count.

    Returns
    -------
    ndarray of float64, shape (..., n)
        0 to 1; NaN for a source that was compared with none.

    Raises
    ------
    DataError
        If the matrix is not square or a rate is outside of 0 to 1.
    """
    ratios(win_rates)
    wins = np.array(win_rates, dtype=np.float64)
    wins[..., np.eye(wins.shape[-1], dtype=bool)] = np.nan
    known = ~np.isnan(wins)
    total = np.where(known, wins, 0.0).sum(axis=-1)
    count = known.sum(axis=-1)
    result: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return result


def _harker(comparisons: Floats) -> Floats:
    """Put a zero for each missing pair, and one for it on the diagonal, which leaves a consistent answer as it is."""
    missing = np.isnan(comparisons)
    if not missing.any():
        return comparisons
    from scipy.sparse.csgraph import connected_components

    n = comparisons.shape[-1]
    for known in ~missing.reshape(-1, n, n):
        parts, label = connected_components(known, directed=False)
        if parts > 1:
            alone = np.flatnonzero(label != label[0])
            raise DataError(f"sources {alone[:5].tolist()} were never compared with source 0, nor through others")
    result = np.where(missing, 0.0, comparisons)
    result[..., np.arange(n), np.arange(n)] += missing.sum(axis=-1)
    return result

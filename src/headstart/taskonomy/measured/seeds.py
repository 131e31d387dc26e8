"""Intervals over repetitions with other seeds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics.intervals import Interval
from headstart.taskonomy.ahp import ahp

Floats = NDArray[np.float64]
_LEVEL = 0.95


def over_seeds(values: ArrayLike) -> Interval:
    """Return the mean of one figure a repetition with its Student-t interval; NaN ends for a single repetition.

    Repetitions share pictures, so the interval covers training, drawing and dealing, not another set of pictures.

    >>> print(over_seeds([0.5, 0.6, 0.7]))
    0.600 (0.352–0.848)
    """
    given = np.asarray(values, dtype=np.float64)
    mean, n = float(given.mean()), len(given)
    if n < 2:
        return Interval(mean, math.nan, math.nan, _LEVEL)
    reach = _t(n) * float(given.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - reach, mean + reach, _LEVEL)


def affinity_over_seeds(win_rates: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return affinities of the mean tournament, and their interval by the jackknife over repetitions.

    Affinities are ratios: the jackknife works on their logarithms, so that an interval is positive; it is cut at 1.

    Parameters
    ----------
    win_rates : array_like, shape (k, n, n)
        A tournament a repetition.

    Returns
    -------
    values, low, high : ndarray of float64, shape (n,)
        ``values`` sum to 1; the ends are NaN for a single repetition.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 11.5; Zamir et al. (2018), Taskonomy, CVPR,
    section 3.3.
    """
    wins = np.asarray(win_rates, dtype=np.float64)
    k = len(wins)
    values = ahp(wins.mean(axis=0))
    if k < 2:
        missing = np.full(len(values), np.nan)
        return values, missing, missing.copy()
    without = np.log(ahp((wins.sum(axis=0) - wins) / (k - 1)))
    error = np.sqrt((k - 1) / k * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    factor = np.exp(_t(k) * error)
    return values, values / factor, np.minimum(values * factor, 1.0)


def _t(n: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.5 + _LEVEL / 2))

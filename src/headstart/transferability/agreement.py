"""How well a ranking beforehand agrees with the truth afterwards."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What following a score would have meant.

    Attributes
    ----------
    tau : float
        Weighted Kendall τ, -1 to 1: pairs near the top count more (hyperbolic weights, the mean over both rankings).
        NaN where all scores or all truths are the same.
    regret : float
        How much better the best source is than the one with the highest score, in the unit of the truth.
    recall : tuple of float
        For k = 1, 2, ...: whether the best source is among the k with the highest scores, 0 or 1.
    """

    tau: float
    regret: float
    recall: tuple[float, ...]


def agreement(scores: ArrayLike, truth: ArrayLike) -> Agreement:
    """Compare scores of sources with how good they turned out to be.

    Where scores tie, the regret is the mean over what may be picked, and recall the chance that the best one is in.

    Parameters
    ----------
    scores, truth : array_like, shape (m,)
        One number for each source, higher is better.

    Raises
    ------
    DataError
        If shapes differ, a number is missing, or there are fewer than two sources.

    References
    ----------
    Vigna (2015), A weighted correlation index for rankings with ties, WWW.

    Examples
    --------
    >>> agreement([3, 2, 1], [0.9, 0.8, 0.7])
    Agreement(tau=1.0, regret=0.0, recall=(1.0, 1.0, 1.0))
    >>> agreement([3, 2, 1], [0.75, 0.5, 1.0]).regret
    0.25
    """
    from scipy.stats import weightedtau

    told, true = (np.asarray(values, dtype=np.float64) for values in (scores, truth))
    if told.shape != true.shape or told.ndim != 1 or len(told) < 2:
        raise DataError(f"scores have shape {told.shape} and truth {true.shape}: give one number a source, two or more")
    if not (np.isfinite(told).all() and np.isfinite(true).all()):
        raise DataError("a score or a truth is missing: leave the source out, or say how it is to rank")
    picked = told == told.max()
    best = int(true.argmax())
    above, level = int((told > told[best]).sum()), int((told == told[best]).sum())
    recall = tuple(float(np.clip((k - above) / level, 0, 1)) for k in range(1, len(told) + 1))
    varied = np.ptp(told) > 0 and np.ptp(true) > 0
    tau = float(weightedtau(told, true).statistic) if varied else float("nan")
    return Agreement(tau, float(true.max() - true[picked].mean()), recall)

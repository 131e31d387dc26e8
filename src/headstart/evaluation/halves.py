"""Paired means of random halves of the pictures, and what seeds add to their spread."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from headstart.metrics import Interval

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Seed = int | np.random.Generator | None

_TAIL = 0.025
_CELLS = 4_000_000  # numbers that one chunk of half-samples may hold
_LUCK = 0.3  # share of the variance between seeds that stays even where the pictures could explain all of it
_DIGITS = 10  # what lies beyond is rounding, and equal means must be equal


def half_samples(
    differences: Floats,
    weight: Floats,
    groups: Codes,
    *,
    n_boot: int,
    random_state: Seed,
) -> Floats:
    """Return weighted means of random halves of the groups, each half beside its complement.

    Parameters
    ----------
    differences : ndarray, shape (m, n)
        One row for each comparison; all are drawn alike.
    weight : ndarray, shape (n,)
        Positive weight of each picture.
    groups : ndarray of int64, shape (n,)
        From 0 on without a gap.
    n_boot : int
        Half-samples in all.
    random_state : int or Generator
        Seed.

    Returns
    -------
    ndarray, shape (m, at most n_boot)
        A half that holds no group is left out.
    """
    rng = np.random.default_rng(random_state)
    n_groups = int(groups.max()) + 1
    sums = np.stack([np.bincount(groups, row * weight, n_groups) for row in (*differences, np.ones(len(weight)))])
    total = sums.sum(axis=1, keepdims=True)
    parts = []
    left = n_boot // 2
    while left:
        size = min(left, max(1, _CELLS // n_groups))
        half = sums @ rng.integers(0, 2, (n_groups, size), dtype=np.int8).astype(np.float64)
        parts += [half, total - half]
        left -= size
    drawn = np.concatenate(parts, axis=1)
    drawn = drawn[:, drawn[-1] > weight.min() / 2]
    return np.asarray(drawn[:-1] / drawn[-1])


def seed_noise(
    transfer: Floats,
    baseline: Floats,
    weight: Floats,
    groups: Codes,
    *,
    size: int,
    random_state: Seed,
) -> Floats:
    """Return draws (size,) of how far other seeds may shift the gain, beyond what the pictures explain.

    See :func:`transfer_verdict`; all 0 where both sides have one seed.
    """
    rng = np.random.default_rng(random_state)
    noise = np.zeros(size)
    for own, other in ((transfer, baseline), (baseline, transfer)):
        if len(own) > 1:
            between, by_chance = seed_variances(own, weight, groups)
            variance, freedom = max(between - by_chance, _LUCK * between), len(own) - 1
        elif len(other) > 1:
            (variance, _), freedom = seed_variances(other, weight, groups), len(other) - 1
        else:
            continue
        noise += math.sqrt(variance / len(own)) * rng.standard_t(freedom, size)
    return noise


def seed_variances(scores: Floats, weight: Floats, groups: Codes) -> tuple[float, float]:
    """Return the variance between the seeds' means, and the part of it that the choice of pictures explains.

    The part is estimated from what is left of each score when its seed's and its picture's mean are taken away,
    summed by group.

    Parameters
    ----------
    scores : ndarray, shape (s, n)
        Two seeds or more.
    weight : ndarray, shape (n,)
        Weight of each picture.
    groups : ndarray of int64, shape (n,)
        From 0 on without a gap, two or more.
    """
    share = weight / weight.sum()
    means = scores @ share
    rest = scores - means[:, None] - scores.mean(axis=0) + means.mean()
    n_groups = int(groups.max()) + 1
    sums = np.stack([np.bincount(groups, row * share, n_groups) for row in rest])
    by_chance = (sums**2).sum() / (len(scores) - 1) * n_groups / (n_groups - 1)
    return float(means.var(ddof=1)), float(by_chance)


def interval(figure: float, drawn: Floats, reach: float) -> Interval:
    """Return the percentiles of ``drawn``, half of what is tied with an end on either side of it.

    With ``reach``, see :func:`unseen`, the ends are at least where that share of pictures would bring the figure if
    each of them differed by 1, either way.
    """
    scale = float(np.abs(drawn).max()) or 1.0
    values, counts = np.unique(np.round(drawn / scale, _DIGITS), return_counts=True)
    below = (np.cumsum(counts) - counts / 2) / len(drawn)
    low = float(values[np.searchsorted(below, _TAIL)]) * scale
    high = float(values[np.searchsorted(below, 1 - _TAIL, side="right") - 1]) * scale
    if reach:
        low, high = min(low, (1 - reach) * figure - reach), max(high, (1 - reach) * figure + reach)
    return Interval(figure, low, high)


def unseen(weight: Floats, groups: Codes) -> float:
    """Return the largest share of pictures that may differ, at 97.5 %, where none of the groups does.

    It is ``1 - 0.025 ** (1 / m)`` (Clopper and Pearson) for as many equally heavy groups as these are worth (Kish).
    """
    held = np.bincount(groups, weight)
    return float(1 - _TAIL ** ((held**2).sum() / held.sum() ** 2))

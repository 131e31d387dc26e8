"""Offsets added to the log probabilities of the classes: how a threshold for each class is found."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.imbalance._counted import Objective
from headstart.imbalance._labels import Codes, Floats

_TINY = float(np.finfo(np.float64).tiny)
_EQUAL = 1e-12
_SWEEPS = 100


def decide(probabilities: ArrayLike, offsets: ArrayLike) -> Codes:
    """Return the class with the highest log probability plus offset, (n,); the first of equals.

    >>> decide([[0.8, 0.2], [0.6, 0.4]], [0.0, 1.0]).tolist()
    [0, 1]
    """
    return np.asarray((_logs(probabilities) + np.asarray(offsets, dtype=np.float64)).argmax(axis=1), dtype=np.int64)


def best_offsets(y: Codes, probabilities: Floats, objective: Objective) -> Floats:
    """Return offsets (k,) of mean 0 that make ``objective`` as high as coordinate ascent gets it on these rows.

    One class at a time all thresholds between neighbouring examples are tried, the other offsets being held; that is
    repeated until no class can gain. With two classes this is the exact optimum. With more it is a local one, the best
    of two starts: no offsets, and those that give each class the same weight. Among thresholds that are equally good
    the one nearest to the present is taken.

    Parameters
    ----------
    y : ndarray of int64, shape (n,)
    probabilities : ndarray, shape (n, k)
    objective : Objective
    """
    logs, k = _logs(probabilities), probabilities.shape[1]
    counts = np.bincount(y, minlength=k)
    starts = [np.zeros(k), -np.log(np.maximum(counts, 1) / len(y))]
    found = [_ascend(y, logs, objective, start - start.mean()) for start in (starts[:1] if k == 2 else starts)]
    offsets, _ = max(found, key=lambda pair: pair[1])
    return np.asarray(offsets - offsets.mean())


def _ascend(y: Codes, logs: Floats, objective: Objective, start: Floats) -> tuple[Floats, float]:
    offsets, k = start.copy(), logs.shape[1]
    value = -np.inf
    for _ in range(_SWEEPS):
        before = value
        for code in [1] if k == 2 else range(k):
            offsets[code], value = _best_of_class(y, logs, objective, offsets, code)
        if not value > before + _EQUAL:
            break
    return offsets, value


def _best_of_class(y: Codes, logs: Floats, objective: Objective, offsets: Floats, code: int) -> tuple[float, float]:
    """Return the best offset of one class, the others being held, and the objective that it gives.

    An example is given to the class where the offset is above a gap of its own, so from the sorted gaps every
    threshold's counts are cumulative sums: O(n log n) whatever k is.
    """
    n, k = logs.shape
    if k == 1:
        return float(offsets[code]), float(objective.of_matrix(np.array([[float(n)]])))
    rest = logs + offsets
    rest[:, code] = -np.inf
    other = rest.argmax(axis=1)
    gap = rest[np.arange(n), other] - logs[:, code]
    order = np.argsort(gap, kind="stable")
    gap, other, true = gap[order], other[order], y[order]
    values = _along(true, other, objective, code, k)
    places = np.concatenate([[gap[0] - 1], (gap[:-1] + gap[1:]) / 2, [gap[-1] + 1]])
    apart = np.concatenate([[True], np.diff(gap) > _EQUAL * (1 + np.abs(gap[1:])), [True]])
    values = np.where(apart, values, -np.inf)
    good = np.flatnonzero(values >= values.max() - _EQUAL)
    now = int(np.searchsorted(gap, offsets[code]))  # thresholds at or below it are passed
    if now in good and apart[now]:
        return float(offsets[code]), float(values[now])
    chosen = good[np.abs(places[good] - offsets[code]).argmin()]
    return float(places[chosen]), float(values[chosen])


def _along(true: Codes, other: Codes, objective: Objective, code: int, k: int) -> Floats:
    """Return the objective (n + 1,) where the first t rows are given to the class and the rest to their best other."""
    if objective.cost is not None:
        gained = np.cumsum(objective.cost[true, other] - objective.cost[true, code])
        return np.asarray((np.append(0.0, gained) - objective.cost[true, other].sum()) / len(true))
    support = np.bincount(true, minlength=k).astype(np.float64)
    said = np.bincount(other, minlength=k).astype(np.float64)
    right = np.bincount(other[other == true], minlength=k).astype(np.float64)
    start = objective.terms(right, said, support, np.arange(k))
    gone, missed = _before(other, np.ones(len(true)), k), _before(other, other == true, k)
    left, kept = said[other] - gone, right[other] - missed
    after = objective.terms(kept - (other == true), left - 1, support[other], other)
    lost = after - objective.terms(kept, left, support[other], other)
    hits = np.append(0.0, np.cumsum(true == code))
    mine = objective.terms(hits, np.arange(len(true) + 1.0), support[code], np.full(len(hits), code))
    rest = start.sum(axis=0) - start[code]
    return objective.of_sums(np.vstack([rest[None], rest + np.cumsum(lost, axis=0)]) + mine)


def _before(group: Codes, values: Floats | NDArray[np.bool_], k: int) -> Floats:
    """Return the sum of ``values`` (n,) over earlier rows of the same group, (n,)."""
    order = np.argsort(group, kind="stable")
    running = np.cumsum(values[order], dtype=np.float64) - values[order]
    starts = np.searchsorted(group[order], np.arange(k))
    found = np.empty(len(group))
    found[order] = running - running[np.minimum(starts, len(group) - 1)][group[order]]
    return found


def _logs(probabilities: ArrayLike) -> Floats:
    return np.asarray(np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _TINY)))

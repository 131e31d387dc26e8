"""ROC-AUC and average precision of many weightings at once."""

from __future__ import annotations

import numpy as np

from headstart.metrics._arrays import Codes, Floats
from headstart.metrics.counts import share


def ranking(y: Codes, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return ROC-AUC and average precision of each class against the rest, for each row of ``weights``.

    Examples with equal probability share one threshold. Average precision is the step-wise sum of precision times
    gain in recall, without interpolation. Both are NaN where a class has no positive weight; ROC-AUC also where the
    rest has none.

    Parameters
    ----------
    y : ndarray of int64, shape (n,)
        Class of each example.
    probabilities : ndarray, shape (n, k)
        Score of each class.
    weights : ndarray, shape (b, n)
        Weightings of the examples, none negative.

    Returns
    -------
    roc_auc, average_precision : ndarray, shape (b, k)
    """
    b, k = len(weights), probabilities.shape[1]
    auc, precision = np.full((2, b, k), np.nan)
    columns = np.ascontiguousarray(weights.T)
    for code in np.unique(y):
        auc[:, code], precision[:, code] = _one_class(y == code, probabilities[:, code], columns)
    return auc, precision


def _one_class(positive: Codes, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return ROC-AUC and average precision (b,) of one class for ``weights`` (n, b).

    Only thresholds that let in a positive matter, so the sorted examples are summed in the stretches between the
    first and the last row of each such threshold: one pass over the weights instead of a cumulative sum.
    """
    from scipy.sparse import csr_array

    order = np.argsort(-score, kind="stable")
    n = len(order)
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))
    tie = np.cumsum(np.bincount(starts, minlength=n)) - 1  # threshold of each sorted row
    kept = np.unique(tie[positive[order]])
    first, last = starts[kept], np.append(starts[1:], n)[kept]
    bounds = np.ravel([first, last], order="F")
    stretches = csr_array((np.ones(n), order, np.append(np.append(0, bounds), n)), shape=(len(bounds) + 1, n))
    chosen = np.cumsum(stretches @ weights, axis=0)  # before, within, before, within, ..., after
    before, through, total = chosen[0:-1:2], chosen[1::2], chosen[-1]
    mine = order[positive[order]]
    place = np.searchsorted(kept, tie[positive[order]])
    gather = csr_array((np.ones(len(mine)), (place, mine)), shape=(len(kept), n))
    gain = gather @ weights
    hits = np.cumsum(gain, axis=0)
    positives = hits[-1]
    false_before, false_through = before - (hits - gain), through - hits
    area = (gain * (total - positives - (false_before + false_through) / 2)).sum(axis=0)  # a tie counts one half
    steps = (gain * np.divide(hits, through, out=np.zeros_like(hits), where=through > 0)).sum(axis=0)
    return share(area, positives * (total - positives)), share(steps, positives)

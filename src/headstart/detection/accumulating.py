"""From matches to average precision, for many resamples of the pictures at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.detection.matching import Matches

Floats = NDArray[np.float64]

RECALLS = np.linspace(0, 1, 101)


def weighted_precision(matches: Matches, weights: Floats) -> tuple[Floats, Floats]:
    """Return average precision and recall of each class where picture i counts ``weights[:, i]`` times.

    With w_j the weight of the picture of found box j, boxes being in the order of their scores, precision and recall
    down to box j are P_j = sum_{i<=j} w_i right_i / sum_{i<=j} w_i counted_i and R_j = sum_{i<=j} w_i right_i / N,
    N being the weighted number of objects. AP is the mean, over r = 0, 0.01, ..., 1, of max {P_j : R_j >= r}, 0 where
    no j reaches r (Lin et al. 2014, Microsoft COCO, with 101 points in place of Pascal VOC's eleven).

    Parameters
    ----------
    matches : Matches
        At t thresholds of IoU.
    weights : ndarray, shape (b, n)

    Returns
    -------
    precision : ndarray, shape (b, t, k)
        NaN where the pictures drawn have no object of the class.
    recall : ndarray, shape (b, k)
        Share of the objects that are found at the lowest threshold.
    """
    totals = weights @ matches.objects.astype(np.float64)
    n_ious, k = len(matches.right), matches.objects.shape[1]
    precision = np.zeros((len(weights), n_ious, k))
    recall = np.zeros((len(weights), k))
    ends = np.searchsorted(matches.labels, np.arange(k + 1))
    for code in range(k):
        mine = slice(ends[code], ends[code + 1])
        right, counted = matches.right[:, mine], matches.counted[:, mine]
        last = int(np.flatnonzero(right.any(axis=0))[-1]) + 1 if right.any() else 0  # what comes later changes nothing
        drawn = weights[:, matches.picture[mine][:last]]
        total = totals[:, code]
        with np.errstate(divide="ignore", invalid="ignore"):
            for t in range(n_ious):
                hits = np.flatnonzero(right[t, :last])
                if not len(hits):
                    continue
                found = np.cumsum(drawn[:, hits], axis=1)
                said = np.cumsum(drawn * counted[t, :last], axis=1)[:, hits]
                exact = np.divide(found, said, out=np.zeros_like(found), where=said > 0)
                best = np.maximum.accumulate(exact[:, ::-1], axis=1)[:, ::-1]
                reached = np.searchsorted(RECALLS, found / total[:, None], side="right")
                precision[:, t, code] = (best * np.diff(reached, prepend=0, axis=1)).sum(axis=1) / len(RECALLS)
                if t == 0:
                    recall[:, code] = found[:, -1] / total
    nothing = totals == 0
    recall[nothing] = np.nan
    precision.transpose(0, 2, 1)[nothing] = np.nan
    return precision, recall


def precision_curve(matches: Matches, code: int) -> Floats:
    """Return the best precision at the lowest threshold of IoU from each of 101 recalls on; NaN without objects."""
    total = int(matches.objects[:, code].sum())
    if not total:
        return np.full(len(RECALLS), np.nan)
    mine = matches.labels == code
    right, counted = matches.right[0, mine], matches.counted[0, mine]
    found, said = np.cumsum(right), np.cumsum(counted)
    exact = np.divide(found, said, out=np.zeros(len(found)), where=said > 0)
    best = np.append(np.maximum.accumulate(exact[::-1])[::-1], 0.0)
    return np.asarray(best[np.searchsorted(found / total, RECALLS)], dtype=np.float64)

"""From which score on a box is said, and how right a picture is then: one number a picture, to compare detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.detection.boxes import Boxes
from headstart.detection.matching import match_boxes
from headstart.results import DataError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_IOU = 0.5
_ALL = 1_000_000
_UNKNOWN = 0.5  # the score asked for where nothing says a better one


def best_thresholds(truth: Sequence[Boxes], found: Sequence[Boxes], n_classes: int, *, iou: float = _IOU) -> Floats:
    """Return the score from which on boxes of a class should be said: there F1 over all pictures is highest.

    Choose it on the validation part, never on the test part.

    Parameters
    ----------
    truth, found : sequence of Boxes, length n
    n_classes : int
    iou : float
        From which overlap on an object is found.

    Returns
    -------
    ndarray, shape (k,)
        The highest of equals; 0.5 for a class without objects, or of which none was found.

    Examples
    --------
    >>> truth = [Boxes(np.array([[0.0, 0, 9, 9]]), np.array([0]))]
    >>> found = [Boxes(np.array([[0.0, 0, 9, 9], [20, 20, 29, 29]]), np.array([0, 0]), np.array([0.7, 0.3]))]
    >>> best_thresholds(truth, found, 1).tolist()
    [0.7]
    """
    matches = match_boxes(truth, found, n_classes, ious=(iou,), most=_ALL)
    thresholds = np.full(n_classes, _UNKNOWN)
    for code in range(n_classes):
        mine = matches.labels == code
        scores = matches.scores[mine]
        right, said = np.cumsum(matches.right[0, mine]), np.cumsum(matches.counted[0, mine])
        if not len(scores) or not right[-1]:
            continue
        f1 = 2 * right / (said + matches.objects[:, code].sum())
        f1[:-1][scores[1:] == scores[:-1]] = -1  # boxes of one score are said together
        thresholds[code] = scores[np.argmax(f1)]
    return thresholds


def picture_scores(
    truth: Sequence[Boxes], found: Sequence[Boxes], thresholds: ArrayLike, n_classes: int, *, iou: float = _IOU
) -> Floats:
    """Return how right each picture is, from 0 to 1: F1 of each class in it, averaged.

    Of a class that is annotated or said in a picture, F1 = 2 TP / (2 TP + FP + FN); the mean over these classes lets a
    rare one count as much as a common one. A picture in which nothing is and nothing is said scores 1. Give the scores
    of two detectors to :func:`headstart.evaluation.transfer_verdict`, each with its own thresholds, chosen on the
    validation part by :func:`best_thresholds`.

    The average precision of a single picture would not do. It ranks boxes across pictures, and within one a false
    alarm that is less sure than all right boxes costs nothing; it does not exist where there is no object, so that
    false alarms in empty pictures would be free; nor does it judge what is shown at a threshold (Oksuz et al. 2018). F1
    counts each miss and each false alarm of what a person gets to see.

    Parameters
    ----------
    truth, found : sequence of Boxes, length n
    thresholds : array_like, shape (k,) or a number
        Score from which on a box is said.
    n_classes : int
    iou : float
        From which overlap on an object is found.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    DataError
        If ``truth`` and ``found`` do not belong together.

    References
    ----------
    Oksuz, Cam, Akbas and Kalkan (2018), Localization recall precision (LRP): a new performance metric for object
    detection, ECCV, arXiv:1807.01696.

    Examples
    --------
    >>> truth = [Boxes(np.array([[0.0, 0, 9, 9]]), np.array([0])), Boxes(np.empty((0, 4)), np.empty(0, int))]
    >>> found = [Boxes(np.array([[0.0, 0, 9, 9], [20, 20, 29, 29]]), np.array([0, 0]), np.array([0.7, 0.6]))] * 2
    >>> picture_scores(truth, found, 0.5, 1).round(3).tolist()
    [0.667, 0.0]
    """
    said = kept(found, thresholds, n_classes)
    matches = match_boxes(truth, said, n_classes, ious=(iou,), most=_ALL)
    right, boxes = (
        np.bincount(
            matches.picture * n_classes + matches.labels,
            weights=flags.astype(np.float64),
            minlength=len(truth) * n_classes,
        ).reshape(-1, n_classes)
        for flags in (matches.right[0], matches.counted[0])
    )
    sizes = (boxes + matches.objects).astype(np.float64)
    f1 = np.divide(2 * right, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    there = (sizes > 0).sum(axis=1)
    return np.where(there > 0, f1.sum(axis=1) / np.maximum(there, 1), 1.0)


@dataclass(frozen=True, eq=False)
class Judged:
    """What became of the boxes of one picture.

    Attributes
    ----------
    found : Boxes
        Those that are said, of which ``right`` found an object and ``alarms`` are false; the others lie on something
        that is to be ignored.
    right, alarms : ndarray of bool
        One value for each of ``found``.
    missed : ndarray of bool
        One value for each annotated box.
    """

    found: Boxes
    right: Flags
    alarms: Flags
    missed: Flags

    @property
    def mistakes(self) -> int:
        """Misses and false alarms."""
        return int(self.alarms.sum() + self.missed.sum())


def judge(
    truth: Sequence[Boxes], found: Sequence[Boxes], thresholds: ArrayLike, n_classes: int, *, iou: float = _IOU
) -> list[Judged]:
    """Return for each picture which of the boxes that are said are right, and which objects were missed."""
    said = kept(found, thresholds, n_classes)
    matches = match_boxes(truth, said, n_classes, ious=(iou,), most=_ALL)
    right = [np.zeros(len(one), bool) for one in said]
    alarms = [np.zeros(len(one), bool) for one in said]
    missed = [~_ignored(one) for one in truth]
    for i, (row, place) in enumerate(zip(matches.picture.tolist(), matches.index.tolist(), strict=True)):
        right[row][place] = matches.right[0, i]
        alarms[row][place] = matches.counted[0, i] and not matches.right[0, i]
        if matches.right[0, i]:
            missed[row][matches.partner[i]] = False
    return [Judged(*one) for one in zip(said, right, alarms, missed, strict=True)]


def kept(found: Sequence[Boxes], thresholds: ArrayLike, n_classes: int) -> list[Boxes]:
    """Return the boxes of each picture whose score reaches the threshold of their class.

    Raises
    ------
    DataError
        If there is neither one threshold nor one a class, or boxes have no scores.
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape not in ((), (n_classes,)):
        raise DataError(
            f"thresholds have shape {limits.shape} for {n_classes} classes: give one a class, or one number"
        )
    limits = np.broadcast_to(limits, (n_classes,))
    result = []
    for row, one in enumerate(found):
        if one.scores is None:
            raise DataError(f"picture {row} has boxes without scores: give found boxes, not annotated ones")
        rows = np.flatnonzero(one.scores >= limits[one.labels])
        result.append(Boxes(one.xyxy[rows], one.labels[rows], one.scores[rows]))
    return result


def _ignored(boxes: Boxes) -> Flags:
    return np.zeros(len(boxes), bool) if boxes.ignore is None else boxes.ignore

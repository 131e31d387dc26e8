"""Which found boxes are right, by COCO's rule, decided once for all thresholds."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.detection.boxes import Boxes
from headstart.results import DataError

IOUS = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())
MOST = 100  # found boxes of a class in a picture that count

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matches:
    """m found boxes, class by class, within a class the surest first (of equals, in the order of pictures and boxes).

    Attributes
    ----------
    picture, index : ndarray of int64, shape (m,)
        Where a found box stands: its picture, and its place among the found boxes there.
    labels : ndarray of int64, shape (m,)
    scores : ndarray of float64, shape (m,)
    right : ndarray of bool, shape (t, m)
        Whether it found an object, at each of t thresholds of IoU.
    counted : ndarray of bool, shape (t, m)
        False where it lies on something that is to be ignored.
    partner : ndarray of int64, shape (m,)
        Place of the object that it found at the lowest threshold, among those of its picture; -1 without.
    objects : ndarray of int64, shape (n, k)
        Objects of each class in each picture that are to be found.
    """

    picture: Rows
    index: Rows
    labels: Rows
    scores: NDArray[np.float64]
    right: Flags
    counted: Flags
    partner: Rows
    objects: Rows


def match_boxes(
    truth: Sequence[Boxes],
    found: Sequence[Boxes],
    n_classes: int,
    *,
    ious: Sequence[float] = IOUS,
    most: int = MOST,
) -> Matches:
    """Match found boxes with objects, by pycocotools.

    In each picture and class the surest box goes first and takes the free object that it overlaps most, if their IoU
    reaches the threshold. An object that is to be ignored (a crowd, or a difficult one) may be taken any number of
    times, but only by a box that finds no other; of it the share of the found box that lies inside is asked, not the
    IoU, as COCO does for crowds.

    Parameters
    ----------
    truth, found : sequence of Boxes, length n
        Of the same pictures in the same order; ``found`` with scores.
    n_classes : int
    ious : sequence of float
        Thresholds, ascending.
    most : int
        Boxes of a class in a picture that count, the surest ones.

    Raises
    ------
    DataError
        If the two do not belong together, or a found box has no score, no finite edges, or a class that is not there.
    """
    check_boxes(truth, found, n_classes)
    evaluator = evaluated(truth, found, n_classes, ious=ious, most=most)
    places = [row for row, one in enumerate(found) for _ in range(len(one))]
    starts = np.cumsum([0, *map(len, found)])
    truth_starts = np.cumsum([0, *map(len, truth)])
    parts: list[tuple[Any, ...]] = []
    objects = np.zeros((len(truth), n_classes), dtype=np.int64)
    for one in evaluator.evalImgs:
        if one is None:
            continue
        row, label = one["image_id"], one["category_id"]
        objects[row, label] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
        ids = np.asarray(one["dtIds"], dtype=np.int64) - 1
        if not len(ids):
            continue
        taken, out = np.asarray(one["dtMatches"]), np.asarray(one["dtIgnore"], dtype=bool)
        right = (taken > 0) & ~out
        partner = np.where(right[0], taken[0].astype(np.int64) - 1 - truth_starts[row], -1)
        parts.append((ids, np.full(len(ids), label), np.asarray(one["dtScores"], float), right, ~out, partner))
    if not parts:
        none = np.empty(0, np.int64)
        flags = np.empty((len(ious), 0), bool)
        return Matches(none, none, none, np.empty(0), flags, flags, none, objects)
    ids, labels, scores = (np.concatenate([part[i] for part in parts]) for i in range(3))
    right, counted = (np.concatenate([part[i] for part in parts], axis=1) for i in (3, 4))
    partner = np.concatenate([part[5] for part in parts])
    picture = np.asarray(places, dtype=np.int64)[ids]
    order = np.lexsort((-scores, labels))  # stable, so equals stay in the order of pictures
    return Matches(
        picture[order],
        (ids - starts[picture])[order],
        labels[order],
        scores[order],
        right[:, order],
        counted[:, order],
        partner[order],
        objects,
    )


def check_boxes(truth: Sequence[Boxes], found: Sequence[Boxes], n_classes: int) -> None:
    """Raise a DataError unless found boxes can be compared with annotated ones."""
    if len(truth) != len(found):
        raise DataError(f"{len(truth):,} pictures with annotations and {len(found):,} with found boxes: give the same")
    for row, one in enumerate([*truth, *found]):
        what = f"picture {row % max(len(truth), 1)}"
        if np.shape(one.xyxy) != (len(one.labels), 4) or not np.isfinite(one.xyxy).all():
            raise DataError(
                f"{what} has edges that are not {len(one.labels)} x 4 finite numbers: give left, top, right, bottom"
            )
        if len(one) and not (np.min(one.labels) >= 0 and np.max(one.labels) < n_classes):
            raise DataError(
                f"{what} has a box of class {int(np.max(one.labels))}: there are {n_classes} classes, from 0"
            )
        if row >= len(truth) and (
            one.scores is None or np.shape(one.scores) != (len(one),) or not np.isfinite(one.scores).all()
        ):
            raise DataError(f"{what} has found boxes without a finite score each: they are ranked by it")


def evaluated(
    truth: Sequence[Boxes], found: Sequence[Boxes], n_classes: int, *, ious: Sequence[float], most: int
) -> Any:
    """Return pycocotools' evaluator after its ``evaluate``, without what it prints. Pictures and classes count from 0.

    Ids of boxes count from 1, over all pictures, for to pycocotools 0 says "no match".
    """
    from pycocotools.coco import COCO  # type: ignore[import-untyped]
    from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

    def index(entries: list[dict[str, Any]]) -> Any:
        coco = COCO()
        coco.dataset = {
            "images": [{"id": row} for row in range(len(truth))],
            "categories": [{"id": code} for code in range(n_classes)],
            "annotations": entries,
        }
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(index(_entries(truth)), index(_entries(found)), "bbox")
        evaluator.params.iouThrs = np.asarray(ious, dtype=np.float64)
        evaluator.params.maxDets = [most]
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e12]], ["all"]
        evaluator.params.imgIds, evaluator.params.catIds = list(range(len(truth))), list(range(n_classes))
        evaluator.evaluate()
    return evaluator


def _entries(boxes: Sequence[Boxes]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for row, one in enumerate(boxes):
        crowd = np.zeros(len(one), bool) if one.ignore is None else one.ignore
        scores = np.zeros(len(one)) if one.scores is None else one.scores
        sides = one.xyxy[:, 2:] - one.xyxy[:, :2]
        for i in range(len(one)):
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": row,
                    "category_id": int(one.labels[i]),
                    "bbox": [*one.xyxy[i, :2].tolist(), *sides[i].tolist()],
                    "area": float(sides[i].prod()),
                    "iscrowd": int(crowd[i]),
                    "score": float(scores[i]),
                }
            )
    return entries

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from headstart.detection import Boxes, average_precision, best_thresholds, picture_scores
from headstart.detection.accumulating import RECALLS, precision_curve, weighted_precision
from headstart.detection.matching import IOUS, evaluated, match_boxes
from headstart.detection.scoring import judge
from headstart.results import DataError

NONE = Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))


def boxes(*edges: Sequence[float], labels: Sequence[int] = (), scores: Sequence[float] | None = None) -> Boxes:
    given = np.array(labels if len(labels) else [0] * len(edges), np.int64)
    return Boxes(np.array(edges, float).reshape(-1, 4), given, None if scores is None else np.array(scores, float))


def overlap(one: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    area, others = ((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return shared / (area if crowd else area + others - shared)


def judged_by_hand(truth: Boxes, found: Boxes, code: int, iou: float, most: int = 100) -> list[tuple[float, str]]:
    """Score and fate of each found box of one picture: "right", "wrong" or "ignored"."""
    ignore = np.zeros(len(truth), bool) if truth.ignore is None else truth.ignore
    free = {i for i in range(len(truth)) if truth.labels[i] == code and not ignore[i]}
    crowds = [i for i in range(len(truth)) if truth.labels[i] == code and ignore[i]]
    mine = sorted((i for i in range(len(found)) if found.labels[i] == code), key=lambda i: -found.scores[i])
    result = []
    for i in mine[:most]:
        near = [(overlap(found.xyxy[i], truth.xyxy[j], False), j) for j in free]
        best = max(near, default=(0.0, -1))
        if best[0] >= iou:
            free.discard(best[1])
            result.append((found.scores[i], "right"))
        elif any(overlap(found.xyxy[i], truth.xyxy[j], True) >= iou for j in crowds):
            result.append((found.scores[i], "ignored"))
        else:
            result.append((found.scores[i], "wrong"))
    return result


def by_hand(truth: Sequence[Boxes], found: Sequence[Boxes], code: int, iou: float) -> tuple[float, float]:
    """Average precision and recall from the definition, point by point."""
    total = sum(int(((one.labels == code) & ~(False if one.ignore is None else one.ignore)).sum()) for one in truth)
    if not total:
        return math.nan, math.nan
    fates = [fate for pair in zip(truth, found, strict=True) for fate in judged_by_hand(*pair, code, iou)]
    fates.sort(key=lambda pair: -pair[0])
    points, right, said = [], 0, 0
    for _, fate in fates:
        right += fate == "right"
        said += fate != "ignored"
        points.append((right / total, right / said if said else 0.0))
    best = [max((p for reached, p in points if reached >= r), default=0.0) for r in np.linspace(0, 1, 101)]
    return float(np.mean(best)), right / total


def scene(seed: int, n: int = 6, classes: int = 3, *, ties: bool = False) -> tuple[list[Boxes], list[Boxes]]:
    """Annotated boxes, some to be ignored, and found ones that are near them or anywhere."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(n):
        k = int(rng.integers(0, 7))
        corner, side = rng.uniform(0, 80, (k, 2)), rng.uniform(8, 30, (k, 2))
        edges = np.hstack([corner, corner + side])
        labels = rng.integers(0, classes, k)
        truth.append(Boxes(edges, labels, ignore=rng.random(k) < 0.2))
        again = rng.integers(0, k, 2 * k) if k else np.empty(0, np.int64)
        near = edges[again] + rng.normal(0, 2.0, (len(again), 4))
        far = np.hstack([a := rng.uniform(0, 80, (4, 2)), a + rng.uniform(8, 30, (4, 2))])
        scores = rng.random(len(near) + 4)
        found.append(
            Boxes(
                np.vstack([near, far]),
                np.concatenate([labels[again], rng.integers(0, classes, 4)]),
                np.round(scores, 1) if ties else scores,
            )
        )
    return truth, found


@pytest.mark.parametrize("ties", [False, True])
def test_precision_and_recall_are_those_of_the_definition(ties: bool) -> None:
    for seed in range(12):
        truth, found = scene(seed, ties=ties)
        matches = match_boxes(truth, found, 3)
        precision, recall = weighted_precision(matches, np.ones((1, len(truth))))
        for code in range(3):
            expected = [by_hand(truth, found, code, iou) for iou in IOUS]
            assert_allclose(precision[0, :, code], [ap for ap, _ in expected], atol=1e-12)
            assert_allclose(recall[0, code], expected[0][1], atol=1e-12)
            assert_allclose(precision_curve(matches, code).mean(), expected[0][0], atol=1e-12)


def test_the_answer_averages_classes_and_thresholds() -> None:
    truth, found = scene(3, n=12)
    answer = average_precision(truth, found, ["a", "b", "c"], n_boot=50)
    table = np.array([[by_hand(truth, found, code, iou)[0] for iou in IOUS] for code in range(3)])
    assert_allclose([answer.mean_ap.value, answer.mean_ap50.value], [table.mean(), table[:, 0].mean()], atol=1e-12)
    assert_allclose([one.value for one in answer.ap], table.mean(axis=1), atol=1e-12)
    counts = np.bincount(np.concatenate([one.labels[~one.ignore] for one in truth]), minlength=3)
    assert answer.objects == tuple(counts)
    frame = answer.to_frame()
    assert frame.index[0] == "abc"[int(np.argmin(counts))] and frame.index[-1] == "mean"
    assert frame.loc["mean", "AP@0.5"] == answer.mean_ap50.value
    assert f"the rarest class, {frame.index[0]}" in answer.headline()
    for one in (answer.mean_ap, answer.mean_ap50, *answer.ap, *answer.ap50, *answer.recall):
        assert 0 <= one.low <= one.value <= one.high <= 1
    assert answer.plot().data and "curves" not in answer.to_dict()


def test_pycocotools_accumulates_alike_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = scene(5, ties=True)
    evaluator = evaluated(truth, found, 3, ious=IOUS, most=100)
    answer = average_precision(truth, found, ["a", "b", "c"], n_boot=20)
    assert capsys.readouterr().out == ""
    evaluator.accumulate()
    theirs = evaluator.eval["precision"][:, :, :, 0, 0]
    assert_allclose([one.value for one in answer.ap], theirs.mean(axis=(0, 1)), atol=1e-12)
    assert_allclose(answer.curves, theirs[0].T, atol=1e-12)
    assert_array_equal(RECALLS, evaluator.params.recThrs)


def test_a_weight_counts_as_a_picture_repeated() -> None:
    truth, found = scene(7, n=8)
    weights = np.random.default_rng(0).integers(0, 4, (5, 8))
    precision, recall = weighted_precision(match_boxes(truth, found, 3), weights.astype(float))
    for row, times in enumerate(weights):
        again = np.repeat(np.arange(8), times)
        pictures = [truth[i] for i in again], [found[i] for i in again]
        for code in range(3):
            expected = [by_hand(*pictures, code, iou) for iou in (IOUS[0], IOUS[5])]
            assert_allclose(precision[row, [0, 5], code], [ap for ap, _ in expected], atol=1e-12)
            assert_allclose(recall[row, code], expected[0][1], atol=1e-12)


def test_copies_of_a_picture_are_no_evidence() -> None:
    truth, found = scene(1, n=10)
    alone = average_precision(truth, found, list("abc"), n_boot=400)
    twice = average_precision(truth * 4, found * 4, list("abc"), n_boot=400)
    grouped = average_precision(truth * 4, found * 4, list("abc"), n_boot=400, groups=list(range(10)) * 4)
    assert twice.mean_ap50.width < 0.7 * alone.mean_ap50.width
    assert grouped.mean_ap50.width > 0.9 * alone.mean_ap50.width


def test_what_is_found_on_ignored_objects_is_neither_right_nor_wrong() -> None:
    crowd = Boxes(np.array([[0.0, 0, 50, 50], [60, 0, 70, 10]]), np.array([0, 0]), ignore=np.array([True, False]))
    inside = boxes((5, 5, 15, 15), (20, 20, 30, 30), (60, 0, 70, 10), scores=[0.9, 0.8, 0.7])
    answer = average_precision([crowd], [inside], ["a"])
    assert (answer.objects, answer.ap[0].value) == ((1,), 1.0)
    only = Boxes(crowd.xyxy[:1], crowd.labels[:1], ignore=crowd.ignore[:1])
    assert math.isnan(average_precision([only], [inside], ["a"]).mean_ap.value)


def test_degenerate_pictures_and_classes() -> None:
    one = boxes((0, 0, 10, 10))
    seen = boxes((0, 0, 10, 10), scores=[0.5])
    # An empty picture: a surer false alarm in it costs precision.
    answer = average_precision([one, NONE], [seen, boxes((0, 0, 9, 9), scores=[0.9])], ["a", "b"])
    assert answer.ap50[0].value == 0.5 and answer.pictures == (1, 0)
    assert math.isnan(answer.ap50[0].low)  # a single picture holds the class
    assert math.isnan(answer.ap50[1].value) and answer.mean_ap50.value == 0.5
    assert answer.headline().startswith("mAP@0.5 0.500, mAP@[.5:.95]")
    assert any("no object of 1 class ('b')" in line for line in answer.warnings)
    assert any("fewer than 5 pictures ('a')" in line for line in answer.warnings)
    assert np.isnan(answer.curves[1]).all() and len(answer.plot().data) == 1
    # Nothing found, nothing there.
    missed = average_precision([one] * 9, [NONE] * 9, ["a"]).mean_ap
    assert_allclose([missed.value, missed.low, missed.high], [0, 0, 1 - 0.025 ** (1 / 9)])
    nothing = average_precision([NONE, NONE], [NONE, NONE], ["a"])
    assert math.isnan(nothing.mean_ap.value) and "Nothing can be said" in nothing.headline()
    # All right: the draws know no error, so the lower end is the binomial one.
    right = average_precision([one] * 9, [seen] * 9, ["a"])
    assert_allclose([right.mean_ap.low, right.ap50[0].low], 0.025 ** (1 / 9))
    assert right.to_frame().shape == (2, 12)


def test_the_surest_hundred_count() -> None:
    one = boxes((0, 0, 10, 10))
    many = boxes(*[(0, 0, 10, 10)] * 150, scores=np.linspace(0, 1, 150))
    answer = average_precision([one], [many], ["a"])
    assert answer.found == (100,) and answer.ap50[0].value == 1
    assert any("50 of 150 found boxes did not count" in line for line in answer.warnings)
    late = boxes(*[(50, 50, 60, 60)] * 100, (0, 0, 10, 10), scores=[0.9] * 100 + [0.1])
    assert average_precision([one], [late], ["a"]).ap50[0].value == 0
    assert picture_scores([one], [late], 0.0, 1)[0] == pytest.approx(2 / 102)  # here all count


def f1_by_hand(truth: Sequence[Boxes], found: Sequence[Boxes], code: int, limit: float) -> float:
    fates = [
        fate
        for pair in zip(truth, found, strict=True)
        for score, fate in judged_by_hand(*pair, code, 0.5, 10**6)
        if score >= limit
    ]
    objects = sum(int((one.labels[~one.ignore] == code).sum()) for one in truth)
    return 2 * fates.count("right") / (len(fates) - fates.count("ignored") + objects)


def test_thresholds_give_the_best_f1() -> None:
    for seed, ties in ((0, False), (1, True), (2, True)):
        truth, found = scene(seed, n=8, ties=ties)
        for code, threshold in enumerate(best_thresholds(truth, found, 3)):
            scores = np.concatenate([one.scores[one.labels == code] for one in found])
            reached = {limit: f1_by_hand(truth, found, code, limit) for limit in scores.tolist()}
            assert reached[threshold] == max(reached.values())
    assert best_thresholds([NONE], [NONE], 2).tolist() == [0.5, 0.5]


def test_picture_scores_are_the_mean_f1_of_the_classes_there() -> None:
    truth, found = scene(4, n=10)
    limits = np.array([0.3, 0.5, 0.7])
    expected = []
    for t, f in zip(truth, found, strict=True):
        scores = []
        for code in range(3):
            fates = [fate for score, fate in judged_by_hand(t, f, code, 0.5) if score >= limits[code]]
            size = len(fates) - fates.count("ignored") + int((t.labels[~t.ignore] == code).sum())
            if size:
                scores.append(2 * fates.count("right") / size)
        expected.append(np.mean(scores) if scores else 1.0)
    assert_allclose(picture_scores(truth, found, limits, 3), expected, atol=1e-12)
    assert picture_scores([NONE, NONE], [NONE, boxes((0, 0, 1, 1), scores=[0.9])], 0.5, 1).tolist() == [1, 0]
    assert picture_scores([], [], 0.5, 1).shape == (0,)


def test_each_box_is_judged() -> None:
    truth = Boxes(
        np.array([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 80, 40]]), np.array([0, 1, 1]),
        ignore=np.array([False, False, True]),
    )  # fmt: skip
    found = boxes((0, 0, 10, 11), (20, 0, 30, 10), (45, 5, 60, 20), (20, 0, 30, 10), labels=[0, 0, 1, 1],
                  scores=[0.9, 0.8, 0.7, 0.2])  # fmt: skip
    (one,) = judge([truth], [found], 0.5, 2)
    assert one.right.tolist() == [True, False, False]
    assert one.alarms.tolist() == [False, True, False]  # of the wrong class; the third lies on what is ignored
    assert one.missed.tolist() == [False, True, False] and one.mistakes == 2


def test_what_does_not_fit_is_said() -> None:
    one, seen = boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), scores=[0.5])
    cases = [
        (([], []), "no picture"),
        (([one, one], [seen]), "2 pictures with annotations and 1 with found"),
        (([one], [one]), "without a finite score"),
        (([one], [boxes((0, 0, 1, 1), scores=[math.nan])]), "without a finite score"),
        (([one], [boxes((0, 0, math.inf, 1), scores=[0.1])]), "not 1 x 4 finite numbers"),
        (([one], [boxes((0, 0, 1, 1), labels=[3], scores=[0.1])]), "a box of class 3: there are 1"),
    ]
    for given, text in cases:
        with pytest.raises(DataError, match=text):
            average_precision(*given, ["a"])
    with pytest.raises(DataError, match=r"shape \(3,\) for 1 classes"):
        picture_scores([one], [seen], [0.1, 0.2, 0.3], 1)
    with pytest.raises(DataError, match="without scores"):
        picture_scores([one], [one], 0.5, 1)

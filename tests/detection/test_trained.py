"""The answer on the course of trainings; class weights; ways to freeze."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headstart.detection.boxes import Boxes
from headstart.detection.train import Way, class_weights, object_counts
from headstart.detection.trained import Course, DetectorTraining
from headstart.results import DataError


def test_the_answer_tells_the_best_epoch_and_shows_each():
    ours = Course("lite0, trained from blocks.2 on", (2.0, 1.0, 0.9), (0.2, 0.5, 0.4), 1, 0.5)
    scratch = Course("lite0 from scratch", (2.5, 2.0), (0.1, 0.2), 1, 0.2)
    tried = Course("lite0, all of it trained", (2.0,), (), 0, 0.1)
    answer = DetectorTraining(rounds=(tried,), courses=(ours, scratch), pictures=205)
    assert answer.headline() == (
        "lite0, trained from blocks.2 on: 3 epochs of 205 pictures; the best on the validation part is epoch 2, "
        "mAP 0.500."
    )
    frame = answer.to_frame()
    assert list(frame.index) == ["lite0, all of it trained, tried", ours.name, scratch.name]
    assert frame["kept"].tolist() == [1, 2, 2]
    assert frame["loss"].tolist() == [2.0, 1.0, 2.0]
    by_epoch = answer.by_epoch()
    assert by_epoch.index.tolist() == [1, 2, 3]
    assert np.isnan(by_epoch[f"{scratch.name}: mAP"].iloc[2])
    assert [list(line.y) for line in answer.plot().data] == [[0.2, 0.5, 0.4], [0.1, 0.2]]
    assert answer.to_dict()["courses"][0]["best"] == 1
    unjudged = dataclasses.replace(answer, courses=(Course("a", (1.0,), (), 0, None),))
    assert "no validation part" in unjudged.headline()


def boxes(*labels, ignored=()):
    skip = np.zeros(len(labels), bool)
    skip[list(ignored)] = True
    return Boxes(np.tile([0.0, 0, 9, 9], (len(labels), 1)), np.array(labels, np.int64), ignore=skip)


def test_objects_are_counted_without_ignored_ones_and_weights_average_to_one(squares):
    target = dataclasses.replace(
        squares, classes=("a", "b", "none"), boxes=(boxes(0, 0, 0, 0), boxes(1, 0, ignored=[1]), boxes()) * 4
    )
    rows = np.arange(3)
    assert object_counts(target, rows).tolist() == [4, 1, 0]
    weights = class_weights(target, rows, "sqrt")
    # One over the root of the frequency: 1/2 against 1, times c so that 4 c/2 + 1 c = 5.
    assert weights == pytest.approx([5 / 6, 5 / 3, 0])
    assert class_weights(target, rows, "none") == [1, 1, 1]
    assert class_weights(target, np.array([0]), "sqrt") == [1, 1, 1]  # one class alone
    with pytest.raises(DataError, match="weights='most': choose none, sqrt, effective"):
        class_weights(target, rows, "most")


def test_ways_are_told_in_words_and_have_names_for_files():
    ways = [Way("blocks.2"), Way(""), Way("head"), Way(scratch=True), Way("blocks.2", "sqrt")]
    assert len({way.name for way in ways}) == len(ways)
    assert [way.text for way in ways] == [
        "trained from blocks.2 on", "all of it trained", "trunk frozen", "from scratch",
        "trained from blocks.2 on, rare classes weighted (sqrt)",
    ]  # fmt: skip

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from headstart.detection import Boxes, write_boxes_coco, write_boxes_csv
from headstart.detection.writing import coco_ids
from headstart.results import DataError

from .scenes import coco

NAMES = ["a, b.png", 'ding"s/ü.png', "none.png"]
FOUND = [
    Boxes(np.array([[1.25, 2, 30, 40.5], [5, 6, 7, 8]]), np.array([1, 0]), np.array([0.25, 0.75])),
    Boxes(np.array([[0.0, 0, 9, 9]]), np.array([0]), np.array([1 / 3])),
    Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0)),
]
CLASSES = ("cat", "dog, small")


def test_the_table_says_the_same_when_it_is_read(tmp_path: Path) -> None:
    write_boxes_csv(tmp_path / "boxes.csv", NAMES, FOUND, CLASSES)
    with (tmp_path / "boxes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["picture", "class", "score", "left", "top", "right", "bottom"]
    assert [(row["picture"], row["class"]) for row in rows] == [
        (NAMES[0], "cat"), (NAMES[0], "dog, small"), (NAMES[1], "cat")
    ]  # fmt: skip
    frame = pd.read_csv(tmp_path / "boxes.csv")
    assert_allclose(frame["score"], [0.75, 0.25, 1 / 3], atol=1e-6)
    assert_allclose(frame.iloc[:, 3:], [[5, 6, 7, 8], [1.25, 2, 30, 40.5], [0, 0, 9, 9]], atol=0.005)


def test_pycocotools_reads_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    annotations = tmp_path / "annotations.json"
    annotations.write_text(json.dumps(coco()))
    images, categories = coco_ids(annotations)
    assert categories == {"dog": 90, "cat": 7, "unused": 8} and images["p3.png"] == 103
    names = ["p3.png", "p1.png", "empty.png"]
    write_boxes_coco(tmp_path / "found.json", names, FOUND, ("cat", "dog"), image_ids=images, category_ids=categories)
    read = COCO(str(annotations)).loadRes(str(tmp_path / "found.json"))
    first, second = (read.loadAnns(read.getAnnIds(imgIds=[images[name]])) for name in names[:2])
    assert [(one["category_id"], one["bbox"], one["score"]) for one in first] == [
        (7, [5, 6, 2, 2], 0.75), (90, [1.25, 2, 28.75, 38.5], 0.25)
    ]  # fmt: skip
    assert second[0]["bbox"] == [0, 0, 9, 9] and second[0]["score"] == pytest.approx(1 / 3, abs=1e-6)

    write_boxes_coco(tmp_path / "plain.json", NAMES, FOUND, CLASSES)
    plain = json.loads((tmp_path / "plain.json").read_text())
    assert [(one["image_id"], one["category_id"], one["file_name"]) for one in plain] == [
        (1, 1, NAMES[0]), (1, 2, NAMES[0]), (2, 1, NAMES[1])
    ]  # fmt: skip


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 pictures and boxes of 2"):
        write_boxes_csv(tmp_path / "x", NAMES, FOUND[:2], CLASSES)
    without = [Boxes(one.xyxy, one.labels) for one in FOUND]
    with pytest.raises(DataError, match="have no scores"):
        write_boxes_coco(tmp_path / "x", NAMES, without, CLASSES)
    with pytest.raises(DataError, match=r"picture 'a, b\.png' has no id"):
        write_boxes_coco(tmp_path / "x", NAMES, FOUND, CLASSES, image_ids={})
    (tmp_path / "y.json").write_text("[]")
    with pytest.raises(DataError, match="does not name"):
        coco_ids(tmp_path / "y.json")
    assert not (tmp_path / "x").exists()

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from headstart.data import PictureSet
from headstart.detection import Boxes, DetectionTarget, profile_boxes
from headstart.results import DataError

from .scenes import SCENES, write_coco


def target_of(boxes: list[Boxes], split: list[str], size: tuple[int, int] = (200, 100)) -> DetectionTarget:
    n = len(boxes)
    return DetectionTarget(
        ids=np.array([f"{i}.png" for i in range(n)]),
        pictures=PictureSet([np.zeros((size[1], size[0]), np.uint8)] * n),
        sizes=np.tile(size, (n, 1)),
        boxes=tuple(boxes),
        classes=("a", "b"),
        split=np.array(split),
        left_out={"0.png, box 9": "no area", "x.png": "no annotation lists it"},
        notes=("a note",),
        own_split=True,
        name="drawn",
        fingerprint="",
    )


def test_objects_are_counted_by_class_and_part() -> None:
    side = [(0, 0, 20, 10), (0, 0, 50, 100), (0, 0, 4, 100), (0, 0, 9, 9)]
    boxes = Boxes(np.array(side, float), np.array([0, 0, 1, 1]), ignore=np.array([False, False, False, True]))
    empty = Boxes(np.empty((0, 4)), np.empty(0, np.int64))
    answer = profile_boxes(target_of([boxes, boxes, empty, boxes], ["train", "test", "train", ""]), shorter_side=160)
    assert answer.objects == {"train": (2, 1), "val": (0, 0), "test": (2, 1)}
    assert answer.pictures == {"train": 2, "val": 0, "test": 1} and answer.empty == {"train": 1, "val": 0, "test": 0}
    assert (answer.held_by, answer.ignored, answer.imbalance_ratio) == ((2, 2), 2, 2.0)
    # sqrt(20 x 10 / 20000) = 0.1 and sqrt(5000 / 20000) = 0.5; at 160 of 100 pixels 4 become 6.4, under 8
    assert_allclose(answer.sizes[0], [0.1, 0.1, 0.3, 0.5, 0.5])
    assert answer.tiny == (0, 2)
    assert profile_boxes(target_of([boxes], ["train"]), shorter_side=200).tiny == (0, 0)  # 8 are not under 8
    assert answer.per_picture == (0.0, 1.5, 3.0, 3.0, 3.0)
    assert answer.left_out == {"pictures": 1, "boxes": 1}
    assert answer.effective_classes == pytest.approx(np.exp(-(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))))
    assert "2 boxes with a side under 8" in answer.headline() and "at 160 pixels" in answer.headline()
    assert any("fewer than 20 training objects ('a', 'b')" in line for line in answer.warnings)
    assert any(line.startswith("33% of the boxes have a side under 8") for line in answer.warnings)
    frame = answer.to_frame()
    assert frame.loc["b", ["train", "val", "test", "pictures", "tiny"]].tolist() == [1, 0, 1, 2, 2]
    (drawn,) = answer.plot().data
    assert_allclose(drawn.median, [30, np.sqrt(400 / 20000) * 100])


def test_a_class_without_a_box_and_no_object_at_all() -> None:
    empty = Boxes(np.empty((0, 4)), np.empty(0, np.int64))
    answer = profile_boxes(target_of([empty], ["train"]))
    assert answer.tiny == (0, 0) and np.isnan(answer.sizes).all() and answer.effective_classes == 0
    assert "no box has a side under 8" in answer.headline() and answer.to_frame().shape[0] == 2


def test_data_is_loaded_where_it_is_not_yet(tmp_path: Path) -> None:
    answer = profile_boxes(write_coco(tmp_path))
    assert sum(map(sum, answer.objects.values())) == sum(map(len, SCENES.values()))
    with pytest.raises(DataError, match="shorter_side=0"):
        profile_boxes(tmp_path, shorter_side=0)

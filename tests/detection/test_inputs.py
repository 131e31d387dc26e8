"""Sizes from boxes; there and back; batches that are filled up."""

from __future__ import annotations

import numpy as np
import pytest
from torchvision.models.detection.transform import resize_boxes

from headstart.detection.boxes import Boxes
from headstart.detection.inputs import LARGEST, InputSize, as_targets, batched, choose_input, moved, scaled
from headstart.results import DataError


def squares(side: float, n: int = 3, label: int = 0, **more: object) -> Boxes:
    edges = np.tile([0.0, 0.0, side, side], (n, 1))
    return Boxes(edges, np.full(n, label), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("side", "picture", "expected"),
    [
        (100, (640, 480), 320),
        (16, (640, 480), 480),
        (4, (640, 480), LARGEST),
        (50, (200, 150), 160),
        (30, (60, 40), 128),
    ],
)
def test_the_size_makes_small_boxes_16_pixels_wide_within_limits(side, picture, expected):
    chosen = choose_input([squares(side)], np.array([picture]), ["cell"])
    assert chosen.shorter == expected
    assert chosen.longer == 2 * expected
    assert chosen.small["cell"] == pytest.approx(side * expected / min(picture))
    assert bool(chosen.warnings) == (chosen.small["cell"] < 16)
    assert list(chosen.to_frame().index) == ["cell"]


def test_the_class_with_the_smallest_boxes_decides_and_ignored_boxes_do_not_count():
    boxes = [squares(100, 50), squares(20, 2, label=2), squares(2, 5, label=1, ignore=np.ones(5, bool))]
    chosen = choose_input(boxes, np.array([[640, 480]] * 3), ["large", "ignored", "small"])
    assert chosen.shorter == 384
    assert list(chosen.small) == ["large", "small"]
    assert "small boxes of small" in chosen.headline()


def test_without_a_box_there_is_nothing_to_learn():
    empty = Boxes(np.empty((0, 4)), np.empty(0, np.int64))
    with pytest.raises(DataError, match="no training picture has a box"):
        choose_input([empty, squares(5, ignore=np.ones(3, bool))], np.array([[10, 10]] * 2), ["cell"])


def test_boxes_come_back_as_they_went_and_go_as_torchvision_sends_them():
    import torch

    rng = np.random.default_rng(0)
    for _ in range(20):
        whole = tuple(int(side) for side in rng.integers(30, 2000, 2))
        size = scaled(*whole, 320, 640)
        assert min(size) <= 320
        assert max(size) <= 640
        corners = np.sort(rng.uniform(0, 1, (5, 2, 2)), axis=1).reshape(5, 4)
        xyxy = corners * np.tile(whole, 2)
        there = moved(xyxy, whole, size)
        reference = resize_boxes(torch.from_numpy(xyxy), list(whole[::-1]), list(size[::-1]))
        np.testing.assert_allclose(there, reference.numpy(), rtol=1e-6)
        np.testing.assert_allclose(moved(there, size, whole), xyxy, rtol=0, atol=1e-9)


def test_the_longer_side_is_limited():
    assert InputSize(shorter=320, longer=640, small={}, typical={}).fitted(4000, 400) == (640, 64)
    assert scaled(3, 4000, 320, 640) == (1, 640)


def test_pictures_of_several_sizes_are_filled_up_with_the_mean_colour():
    a, b = np.full((40, 70, 3), 9, np.uint8), np.full((33, 20, 3), 7, np.uint8)
    canvas = batched([a, b], (0.5, 0.0, 1.0))
    assert canvas.shape == (2, 64, 96, 3)
    assert (canvas[0, :40, :70] == 9).all()
    assert (canvas[1, :33, :20] == 7).all()
    assert canvas[1, 33, 0].tolist() == [128, 0, 255]


def test_targets_are_filled_up_with_no_class():
    one = (np.array([[1.0, 2, 3, 4]]), np.array([2]), np.array([True]))
    none = (np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, bool))
    assert as_targets([one, none])[:, :, 4:].tolist() == [[[2, 1]], [[-1, 0]]]
    assert as_targets([none]).shape == (1, 0, 6)

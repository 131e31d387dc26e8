"""What is found in a picture is in its own pixels, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.pictures import PictureSet
from headstart.detection.find import find_boxes
from headstart.detection.inputs import InputSize
from headstart.detection.network import Detector
from headstart.sources import get

SIZE = InputSize(shorter=96, longer=192, small={}, typical={})
MEAN = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def detector():
    made = Detector(get("timm:resnet10t", pretrained=False), 2)
    made.fcos.score_thresh = 0.0
    return made


def pictures(*shapes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def test_neighbours_of_other_sizes_change_nothing(detector):
    given = pictures((96, 128), (250, 100), (40, 60), (96, 128))
    together, failed = find_boxes(detector, PictureSet(given), SIZE, MEAN)
    assert failed == {}
    for one, alone in zip(together, given, strict=True):
        (single,), _ = find_boxes(detector, PictureSet([alone]), SIZE, MEAN)
        assert len(single) == len(one) > 0
        np.testing.assert_allclose(one.xyxy, single.xyxy, atol=1e-3)
        np.testing.assert_allclose(one.scores, single.scores, atol=1e-5)
        height, width = alone.shape[:2]
        assert (one.xyxy >= 0).all()
        assert (one.xyxy[:, 2] <= width + 1e-9).all()
        assert (one.xyxy[:, 3] <= height + 1e-9).all()
        assert (np.diff(one.scores) <= 0).all()


def test_edges_are_those_of_the_networks_input_times_the_scale_of_each_side(detector):
    import torch

    (given,) = pictures((48, 64))  # twice as large at the input, and no padding
    (found,), _ = find_boxes(detector, PictureSet([given]), SIZE, MEAN)
    from PIL import Image

    large = np.asarray(Image.fromarray(given).resize((128, 96), Image.Resampling.BILINEAR)).copy()
    with torch.inference_mode():
        (expected,) = detector.found(detector(torch.from_numpy(large[None])), [(96, 128)])
    kept = (expected["boxes"][:, 2:] > expected["boxes"][:, :2]).all(dim=1)
    np.testing.assert_allclose(found.xyxy, expected["boxes"][kept].numpy() / 2, atol=1e-4)


def test_unreadable_pictures_are_told_and_have_no_boxes(detector):
    readable = pictures((40, 60))[0]
    done = []
    found, failed = find_boxes(detector, PictureSet([b"no", readable, b""]), SIZE, MEAN, advance=done.append)
    assert list(failed) == [0, 2]
    assert [len(one) > 0 for one in found] == [False, True, False]
    assert sum(done) == 3
    assert find_boxes(detector, PictureSet([]), SIZE, MEAN) == ([], {})

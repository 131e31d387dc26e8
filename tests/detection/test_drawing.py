from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor

from headstart.detection import Boxes
from headstart.detection.drawing import _AGREE, _ALARM, _IGNORED, _MISSED, draw_boxes
from headstart.detection.scoring import judge

TRUTH = Boxes(
    np.array([[20.0, 60, 120, 160], [200, 60, 300, 160], [20, 220, 80, 280]]), np.array([0, 1, 0]),
    ignore=np.array([False, False, True]),
)  # fmt: skip
FOUND = Boxes(np.array([[20.0, 60, 120, 160], [340, 200, 440, 280]]), np.array([0, 1]), np.array([0.9, 0.8]))


def colours(image: Image.Image, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The pixels along the left edge of a box, away from its corners and from words."""
    assert right > left
    return np.asarray(image)[int(top) + 25 : int(bottom) - 5, int(left)]


def share(pixels: np.ndarray, colour: str) -> float:
    return float((pixels == ImageColor.getrgb(colour)).all(axis=1).mean())


def test_agreement_misses_and_false_alarms_differ_by_colour_and_kind_of_line() -> None:
    picture = Image.new("RGB", (480, 300), "white")
    before = picture.tobytes()
    (judged,) = judge([TRUTH], [FOUND], 0.5, 2)
    drawn = draw_boxes(picture, TRUTH, judged, ("a", "b"))
    assert picture.tobytes() == before and drawn.size == picture.size
    assert share(colours(drawn, *TRUTH.xyxy[0]), _AGREE) > 0.95
    assert share(colours(drawn, *TRUTH.xyxy[1]), _MISSED) == 1  # solid
    alarm = colours(drawn, *FOUND.xyxy[1])
    assert 0.3 < share(alarm, _ALARM) < 0.8 and share(alarm, "white") > 0.1  # dashed
    assert 0 < share(colours(drawn, *TRUTH.xyxy[2]), _IGNORED) < 0.9  # dotted
    centre = np.asarray(drawn)[240, 390]  # the cross
    assert tuple(centre) == ImageColor.getrgb(_ALARM)


def test_boxes_shrink_with_the_picture_and_small_pictures_hold_their_words() -> None:
    (judged,) = judge([TRUTH], [FOUND], 0.5, 2)
    small = draw_boxes(Image.new("RGB", (480, 300), "white"), TRUTH, judged, ("a", "b"), side=240)
    assert small.size == (240, 150)
    assert share(np.asarray(small)[50:75, 100], _MISSED) == 1
    tiny = Boxes(np.array([[0.0, 0, 3, 2]]), np.array([1]))
    none = Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))
    (judged,) = judge([tiny], [none], 0.5, 2)
    assert draw_boxes(Image.new("L", (6, 4)), tiny, judged, ("x" * 60, "環")).size == (6, 4)

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from headstart.data import PictureSet
from headstart.detection import Boxes, DetectionTarget, average_precision, profile_boxes
from headstart.pipeline.page_detect import class_frame, detection_sections
from headstart.report import Gallery, Table, render

CLASSES = ("cell", "<b>rare</b>")


@pytest.fixture(scope="module")
def target() -> DetectionTarget:
    rng = np.random.default_rng(0)
    pictures = [np.asarray(Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))) for _ in range(9)]
    both = Boxes(np.array([[5.0, 5, 30, 30], [40, 20, 70, 50]]), np.array([0, 1]))
    return DetectionTarget(
        ids=np.array([f"p{i}.png" for i in range(9)]),
        pictures=PictureSet(pictures),
        sizes=np.tile([80, 60], (9, 1)),
        boxes=(both,) * 9,
        classes=CLASSES,
        split=np.array(["train"] * 4 + ["test"] * 5),
        left_out={"p0.png, box 3": "no area: 0 x 0 pixels"},
        notes=("1 box without area left out",),
        own_split=True,
        name="drawn",
        fingerprint="",
    )


@pytest.fixture(scope="module")
def found(target: DetectionTarget) -> list[Boxes]:
    """All right but the rare object of the third test picture, and a false alarm in the fourth."""
    right = Boxes(target.boxes[0].xyxy, target.boxes[0].labels, np.array([0.9, 0.8]))
    missing = Boxes(right.xyxy[:1], right.labels[:1], right.scores[:1])
    more = Boxes(np.vstack([right.xyxy, [[0, 40, 9, 50]]]), np.array([0, 1, 0]), np.array([0.9, 0.8, 0.7]))
    return [right, right, missing, more, right]


def test_the_sections_say_what_was_found_and_show_the_worst_first(target: DetectionTarget, found: list[Boxes]) -> None:
    truth = [target.boxes[row] for row in target.rows("test")]
    answer = average_precision(truth, found, CLASSES, n_boot=50)
    sections = detection_sections(target, profile_boxes(target), answer, found, 0.5)
    gallery = next(block for block in sections[2].body if isinstance(block, Gallery))
    assert [picture.name for picture in gallery.pictures[:2]] == ["p6.png", "p7.png"]
    assert list(gallery.pictures[0].lines) == [("found", "1 of 2"), ("missed", "1 <b>rare</b>")]
    assert list(gallery.pictures[1].lines) == [("found", "2 of 2"), ("false alarms", "1 cell")]
    assert sections[2].headline.startswith("2 of 5 test pictures have a miss or a false alarm")
    shown = [block for block in sections[1].body if isinstance(block, Table)][1].frame
    assert shown.loc["cell", ["right", "false alarms", "missed"]].tolist() == [5, 1, 0]
    assert shown.loc[CLASSES[1], ["right", "false alarms", "missed", "recall"]].tolist() == [4, 0, 1, 0.8]

    page = render(sections, title="drawn", facts={}, verdict=answer.headline())
    assert "cell: AP@0.5" in page and "&lt;b&gt;rare&lt;/b&gt;" in page and "no area: 0 x 0 pixels" in page
    assert len(re.findall("data:image/jpeg", page)) == 5 and 'class="gallery wide"' in page
    assert "<b>rare" not in page


def test_intervals_stand_beside_their_figures(target: DetectionTarget, found: list[Boxes]) -> None:
    truth = [target.boxes[row] for row in target.rows("test")]
    answer = average_precision(truth, found, CLASSES, n_boot=50)
    frame = class_frame(answer)
    ends = answer.ap50[1]
    assert frame.iloc[1]["AP@0.5"] == ends.value == pytest.approx(81 / 101)
    assert f"{ends.low:.3f}–{ends.high:.3f}" in frame.loc[CLASSES[1]].tolist()


def test_a_detector_without_a_mistake(target: DetectionTarget, found: list[Boxes]) -> None:
    truth = [target.boxes[row] for row in target.rows("test")]
    answer = average_precision(truth, found[:1] * 5, CLASSES, n_boot=20)
    sections = detection_sections(target, profile_boxes(target), answer, found[:1] * 5, [0.5, 0.5])
    assert sections[2].headline == "No miss and no false alarm in 5 test pictures."

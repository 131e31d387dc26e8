"""Boxes drawn into a picture, told apart by colour, by the kind of line, and by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.detection.boxes import Boxes
from headstart.detection.scoring import Judged

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

LEGEND = (
    "Solid lines are annotated, dashed lines were found. Thin and blue: they agree. Thick: a mistake, an orange solid "
    "box was missed, a red dashed one with a cross is a false alarm. Dotted: to be ignored."
)

_AGREE, _MISSED, _ALARM, _IGNORED, _HALO = "#56b4e9", "#ffb000", "#ff4d2e", "#d0d4da", "#10151c"
_TAGS = 8  # mistakes of a picture that carry words; more would hide it

Edges = tuple[float, float, float, float]


def draw_boxes(image: Image, truth: Boxes, judged: Judged, classes: Sequence[str], *, side: int = 480) -> Image:
    """Return the picture, its longer side at most ``side`` pixels, with annotated and found boxes.

    Parameters
    ----------
    image : PIL.Image.Image
        Upright, in the size that the boxes are about; it is not changed.
    truth : Boxes
    judged : Judged
        Of :func:`headstart.detection.scoring.judge`.
    classes : sequence of str
    side : int
    """
    from PIL import Image as Images
    from PIL import ImageDraw

    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.convert("RGB").resize(size, Images.Resampling.LANCZOS)
    pen = ImageDraw.Draw(drawn)
    found = judged.found
    ignored = [False] * len(truth) if truth.ignore is None else truth.ignore.tolist()
    mistakes: list[tuple[Edges, str, str]] = []
    for edges, out, missed in zip(_scaled(truth, scale), ignored, judged.missed.tolist(), strict=True):
        if not missed:
            _box(pen, edges, _IGNORED if out else _AGREE, 1 if out else 2, dash=2 if out else 0)
    for edges, alarm in zip(_scaled(found, scale), judged.alarms.tolist(), strict=True):
        if not alarm:
            _box(pen, edges, _AGREE, 2, dash=6)
    for i, (edges, missed) in enumerate(zip(_scaled(truth, scale), judged.missed.tolist(), strict=True)):
        if missed:
            _box(pen, edges, _MISSED, 4)
            mistakes.append((edges, f"missed {_word(classes, int(truth.labels[i]))}", _MISSED))
    for i, (edges, alarm) in enumerate(zip(_scaled(found, scale), judged.alarms.tolist(), strict=True)):
        if alarm:
            _box(pen, edges, _ALARM, 4, dash=8)
            _cross(pen, edges)
            score = float("nan") if found.scores is None else float(found.scores[i])
            mistakes.append((edges, f"false {_word(classes, int(found.labels[i]))} {score:.2f}", _ALARM))
    for edges, text, colour in mistakes[:_TAGS]:
        _tag(pen, edges, text, colour, drawn.size)
    return drawn


def _scaled(boxes: Boxes, scale: float) -> list[Edges]:
    return [(left, top, right, bottom) for left, top, right, bottom in (boxes.xyxy * scale).tolist()]


def _word(classes: Sequence[str], code: int) -> str:
    """Return a name that the built-in font can write; the lines below the picture have it in any case."""
    name = classes[code][:18]
    return name if name.isascii() else f"class {code + 1}"


def _box(pen: ImageDraw, edges: Edges, colour: str, width: int, dash: int = 0) -> None:
    """Draw a box on a dark halo, so that it is seen on any ground."""
    left, top, right, bottom = edges
    for shade, thick in ((_HALO, width + 2), (colour, width)):
        for line in (
            (left, top, right, top), (left, bottom, right, bottom), (left, top, left, bottom),
            (right, top, right, bottom),
        ):  # fmt: skip
            _line(pen, line, shade, thick, dash)


def _line(pen: ImageDraw, line: Edges, colour: str, width: int, dash: int) -> None:
    x0, y0, x1, y1 = line
    length = max(abs(x1 - x0), abs(y1 - y0))
    if not dash or length <= dash:
        pen.line(line, fill=colour, width=width)
        return
    for start in range(0, int(length), 2 * dash):
        a, b = start / length, min(1.0, (start + dash) / length)
        pen.line(
            (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0)), fill=colour, width=width
        )


def _cross(pen: ImageDraw, edges: Edges) -> None:
    x, y = (edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2
    for shade, width in ((_HALO, 5), (_ALARM, 3)):
        pen.line((x - 6, y - 6, x + 6, y + 6), fill=shade, width=width)
        pen.line((x - 6, y + 6, x + 6, y - 6), fill=shade, width=width)


def _tag(pen: ImageDraw, edges: Edges, text: str, colour: str, size: tuple[int, int]) -> None:
    """Write words above a box, or inside it where there is no room."""
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    _, _, width, height = pen.textbbox((0, 0), text, font=font)
    x = min(max(0.0, edges[0]), max(0.0, size[0] - width - 6))
    y = edges[1] - height - 5 if edges[1] >= height + 5 else min(edges[1] + 2, size[1] - height - 5)
    pen.rectangle((x, y, x + width + 6, y + height + 4), fill=_HALO, outline=colour)
    pen.text((x + 3, y + 1), text, fill="white", font=font)

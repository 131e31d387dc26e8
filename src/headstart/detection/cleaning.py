"""From boxes as they were given to boxes that can be learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart.detection.boxes import Boxes
from headstart.detection.readers import Mark, Remarks

# Edges that stand out by no more than this are a matter of rounding, and cut without a word.
_ROUNDING = 1.0


def clean_boxes(
    name: str,
    marks: Sequence[Mark],
    size: tuple[int, int],
    codes: Mapping[str, int],
    remarks: Remarks,
    *,
    relative: bool = False,
) -> Boxes:
    """Return the boxes of one picture, cut at its edges.

    A box is left out, and ``remarks`` says why, where an edge is no finite number, where it has no area or a negative
    one, where no part of it is inside the picture, and where the picture has the same box of the same class already
    (the one that is not to be ignored stays).

    Parameters
    ----------
    name : str
        id of the picture.
    marks : sequence of Mark
    size : tuple of int
        Width and height of the upright picture.
    codes : mapping of str to int
        Index of each class.
    remarks : Remarks
        What is left out is added to it.
    relative : bool
        Whether edges are shares of the picture.

    Examples
    --------
    >>> remarks = Remarks()
    >>> clean_boxes("a.png", [Mark(1, "cat", (-5, 2, 8, 9)), Mark(2, "cat", (3, 3, 3, 3))], (10, 10), {"cat": 0},
    ...             remarks).xyxy.tolist()
    [[0.0, 2.0, 8.0, 9.0]]
    >>> remarks.left_out
    {'a.png, box 2': 'no area: 0 x 0 pixels'}
    """
    scale = np.array(size * 2 if relative else (1, 1, 1, 1), dtype=np.float64)
    width, height = size
    kept: list[tuple[float, ...]] = []
    labels: list[int] = []
    ignored: list[bool] = []
    seen: set[tuple[int, tuple[float, ...]]] = set()
    for mark in sorted(marks, key=lambda mark: mark.ignore):
        key = f"{name}, box {mark.number}"
        edges = np.array(mark.edges, dtype=np.float64) * scale
        if not np.isfinite(edges).all():
            remarks.leave("box", key, "an edge is no finite number", "with an edge that is no finite number left out")
            continue
        sides = edges[2:] - edges[:2]
        if (sides <= 0).any():
            remarks.leave("box", key, f"no area: {sides[0]:g} x {sides[1]:g} pixels", "without area left out")
            continue
        inside = np.clip(edges, 0, [width, height, width, height])
        if (inside[2:] <= inside[:2]).any():
            text = ", ".join(f"{edge:g}" for edge in edges)
            remarks.leave("box", key, f"outside its picture of {width} x {height} pixels: {text}",
                          "outside its picture left out")  # fmt: skip
            continue
        code = codes[mark.label]
        found = tuple(inside.tolist())
        if (code, found) in seen:
            remarks.leave("box", key, f"the same box of {mark.label!r} again", "given again left out")
            continue
        if np.abs(inside - edges).max() > _ROUNDING:
            remarks.mention("box", key, "partly outside its picture cut at the edge")
        seen.add((code, found))
        kept.append(found)
        labels.append(code)
        ignored.append(mark.ignore)
    return Boxes(
        np.array(kept, dtype=np.float64).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
        ignore=np.array(ignored, dtype=np.bool_),
    )

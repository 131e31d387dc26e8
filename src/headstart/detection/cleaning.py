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
    marks = sorted(marks, key=lambda mark: mark.ignore)
    width, height = size
    edges = np.array([mark.edges for mark in marks], dtype=np.float64).reshape(-1, 4)
    edges *= (width, height, width, height) if relative else 1
    finite = np.asarray(np.isfinite(edges).all(axis=1))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        sides = edges[:, 2:] - edges[:, :2]
    inside = np.clip(edges, 0, [width, height, width, height])
    seen = np.asarray((inside[:, 2:] > inside[:, :2]).all(axis=1))
    cut = np.asarray((np.abs(inside - edges) > _ROUNDING).any(axis=1))
    kept: dict[tuple[float, ...], int] = {}
    for row, mark in enumerate(marks):
        key = f"{name}, box {mark.number}"
        code = codes[mark.label]
        if not finite[row]:
            remarks.leave("box", key, "an edge is no finite number", "with an edge that is no finite number left out")
        elif (sides[row] <= 0).any():
            reason = f"no area: {sides[row, 0]:g} x {sides[row, 1]:g} pixels"
            remarks.leave("box", key, reason, "without area left out")
        elif not seen[row]:
            text = ", ".join(f"{edge:g}" for edge in edges[row])
            reason = f"outside its picture of {width} x {height} pixels: {text}"
            remarks.leave("box", key, reason, "outside its picture left out")
        elif (code, *inside[row].tolist()) in kept:
            remarks.leave("box", key, f"the same box of {mark.label!r} again", "given again left out")
        else:
            kept[code, *inside[row].tolist()] = row
            if cut[row]:
                remarks.mention("box", key, "partly outside its picture cut at the edge")
    rows = list(kept.values())
    return Boxes(
        inside[rows],
        np.array([codes[marks[row].label] for row in rows], dtype=np.int64),
        ignore=np.array([marks[row].ignore for row in rows], dtype=np.bool_),
    )

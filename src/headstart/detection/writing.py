"""Found boxes as files: a table, and COCO's list of results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.detection.boxes import Boxes
from headstart.results import DataError
from headstart.results.files import write_text

COLUMNS = ("picture", "class", "score", "left", "top", "right", "bottom")


def write_boxes_csv(path: str | Path, ids: Sequence[str], found: Sequence[Boxes], classes: Sequence[str]) -> None:
    """Write one line a box, pictures in their order, in each the surest box first. The file is written whole.

    Parameters
    ----------
    path : path
    ids : sequence of str, length n
        Name of each picture; one in which nothing was found has no line.
    found : sequence of Boxes, length n
        With scores, which are written with six decimals. Edges are pixels of the upright picture, with two decimals.
    classes : sequence of str

    Raises
    ------
    DataError
        If there is not one ``Boxes`` with scores for each picture.
    """
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(COLUMNS)
    for _, name, code, score, edges in _each(ids, found):
        lines.writerow([name, classes[code], f"{score:.6f}", *(f"{edge:.2f}" for edge in edges)])
    # Names of files may hold bytes that are no text.
    write_text(Path(path), stream.getvalue().encode("utf-8", "backslashreplace").decode())


def write_boxes_coco(
    path: str | Path,
    ids: Sequence[str],
    found: Sequence[Boxes],
    classes: Sequence[str],
    *,
    image_ids: Mapping[str, Any] | None = None,
    category_ids: Mapping[str, Any] | None = None,
) -> None:
    """Write COCO's list of results: image_id, category_id, bbox (left, top, width, height) and score of each box.

    Parameters
    ----------
    path : path
    ids : sequence of str, length n
        Name of each picture.
    found : sequence of Boxes, length n
        With scores.
    classes : sequence of str
    image_ids, category_ids : mapping, optional
        Name of a picture or class -> its id in the annotations (see :func:`coco_ids`). Without them pictures and
        classes are numbered from 1 in their order; the name of the picture stands in each entry in any case.

    Raises
    ------
    DataError
        If there is not one ``Boxes`` with scores for each picture, or a name has no id.
    """
    for what, names, given in (("picture", ids, image_ids), ("class", classes, category_ids)):
        without = [str(name) for name in names if given is not None and name not in given]
        if without:
            raise DataError(f"{what} {without[0]!r} has no id: give one for each")
    entries = [
        {
            "image_id": row + 1 if image_ids is None else image_ids[name],
            "category_id": code + 1 if category_ids is None else category_ids[classes[code]],
            "bbox": [round(edge, 3) for edge in (left, top, right - left, bottom - top)],
            "score": round(score, 6),
            "file_name": name,
        }
        for row, name, code, score, (left, top, right, bottom) in _each(ids, found)
    ]
    write_text(Path(path), json.dumps(entries, indent=0) + "\n")


def coco_ids(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return file name -> image id and class -> category id, as a COCO file has them.

    Raises
    ------
    DataError
        If it is no COCO file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        images = {entry["file_name"]: entry["id"] for entry in content["images"]}
        return images, {entry["name"]: entry["id"] for entry in content["categories"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{str(path)!r} does not name COCO's images and categories ({error!r})") from error


def _each(ids: Sequence[str], found: Sequence[Boxes]) -> list[tuple[int, str, int, float, list[float]]]:
    """Return row, name, class, score and edges of each box."""
    if len(ids) != len(found):
        raise DataError(f"{len(ids):,} pictures and boxes of {len(found):,}: give one Boxes a picture")
    lines = []
    for row, (name, one) in enumerate(zip(ids, found, strict=True)):
        if one.scores is None:
            raise DataError(f"the boxes of {str(name)!r} have no scores: give found boxes")
        for i in np.argsort(-one.scores, kind="stable").tolist():
            lines.append((row, str(name), int(one.labels[i]), float(one.scores[i]), one.xyxy[i].tolist()))
    return lines

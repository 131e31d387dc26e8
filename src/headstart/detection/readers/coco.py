"""COCO: JSON files that list pictures, categories and annotations (left, top, width and height, from 0)."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.data.readers.base import natural_key, part_of, short, some
from headstart.data.readers.walk import Tree, walk
from headstart.detection.readers.base import Mark, Marked, Reader, Remarks, later_part, leave_unlisted
from headstart.results import DataError

_LISTS = ("images", "annotations", "categories")


def _named(data: Path) -> bool:
    """Say whether ``data`` looks like COCO by its names alone; a lone JSON file may be about anything."""
    return any(
        file == data or file.parent.name.lower() == "annotations" or file.name.endswith(".coco.json")
        for file in _files(data)
    )


def _files(data: Path) -> list[Path]:
    """Return the JSON files of ``data``: itself, or those in it, in 'annotations', or in a folder a part."""
    if data.is_file():
        return [data] if data.suffix.lower() == ".json" else []
    if not data.is_dir():
        return []
    folders = [data, *(path for path in data.iterdir() if path.is_dir() and not path.name.startswith("."))]
    chosen = [path for path in folders if path == data or path.name.lower() == "annotations" or part_of(path.name)]
    found = [file for folder in chosen for file in folder.iterdir() if file.suffix.lower() == ".json"]
    return sorted(found, key=lambda path: natural_key(path.as_posix()))


def _read(data: Path) -> Marked:
    files = _files(data)
    root = data if data.is_dir() else data.parent
    if data.is_file() and root.name.lower() == "annotations":
        root = root.parent
    remarks, tree = Remarks(), walk(root)
    parsed = {file: content for file in files if (content := _parse(file, alone=len(files) == 1)) is not None}
    if not parsed:
        raise DataError(
            f"none of {some([str(file) for file in files])} holds the lists of COCO ('images', 'annotations', "
            "'categories'): give the file that does"
        )
    instances = {file: content for file, content in parsed.items() if file.name.startswith("instances")}
    chosen = instances or parsed  # the same pictures again, with key points, would count twice
    passed = [file.name for file in files if file not in chosen]
    if passed:
        remarks.note(f"passed over, for they list no boxes of their own: {some(passed)}")
    names: dict[str, int] = {}
    marks: list[list[Mark]] = []
    split: list[str] = []
    stated: dict[str, tuple[int, int] | None] = {}
    classes: set[str] = set()
    places = _Places(tree)
    for file, content in chosen.items():
        one = _File(file, content, remarks, root)
        classes.update(one.categories.values())
        part = _part(file, one.near)
        for name, size, found in one.pictures(places):
            if name not in names:
                names[name] = len(marks)
                marks.append([])
                split.append("")
            row = names[name]
            if split[row] and part and split[row] != part:
                remarks.mention("picture", name, "in two parts, and only the later one counts")
            split[row] = later_part(split[row], part)
            before = len(marks[row])
            marks[row] += [mark._replace(number=before + mark.number) for mark in found]
            if size is not None:
                stated[name] = size
    leave_unlisted(remarks, tree.pictures, names)
    return Marked(root, list(names), marks, sorted(classes, key=natural_key), split, remarks, stated)


def _parse(file: Path, *, alone: bool) -> Mapping[str, Any] | None:
    """Return what a JSON file holds; None where it is about something else and others may be meant."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{str(file)!r} is damaged at line {error.lineno}, column {error.colno} ({error.msg}): "
            "write it again, or take it away"
        ) from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{str(file)!r} cannot be read ({error}): give a JSON file in UTF-8") from error
    lists = isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _LISTS)
    if lists:
        return dict(content)
    if alone:
        missing = [name for name in _LISTS if not isinstance(content, dict) or not isinstance(content.get(name), list)]
        raise DataError(f"{str(file)!r} has no list {missing[0]!r}: a COCO file has {', '.join(map(repr, _LISTS))}")
    return None


def _part(file: Path, near: str) -> str:
    """Return the part that a file is about, by its name or its folder's: instances_train2017, valid/_annotations."""
    words = re.split(r"[^A-Za-z]+", file.name.split(".")[0])
    return next((part for word in [*words, *near.split("/")] if (part := part_of(word))), "")


class _Places:
    """Where the pictures lie that files name: by their whole relative path, or by its end."""

    def __init__(self, tree: Tree) -> None:
        self._known = set(tree.pictures)
        self._by_name: dict[str, list[str]] = {}
        for path in tree.pictures:
            self._by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)

    def find(self, name: str, near: str, part: str) -> str:
        """Return the path of ``name``; ``near`` is the folder of the file that names it; ``name`` if there is none."""
        name = name.replace("\\", "/").removeprefix("./")
        for path in (f"{near}/{name}" if near else name, name):
            if path in self._known:
                return path
        alike = self._by_name.get(name.rsplit("/", 1)[-1], [])
        same = [path for path in alike if path.endswith(f"/{name}")] or (alike if "/" in name else [])
        if len(same) > 1:
            fits = [path for path in same if part and any(_part_of_folder(piece) == part for piece in path.split("/"))]
            if len(fits) != 1:
                raise DataError(f"{name!r} may be {some(same)}: name the pictures by their paths")
            return fits[0]
        return same[0] if same else name


def _part_of_folder(name: str) -> str:
    return part_of(re.sub(r"[^A-Za-z]+", "", name))


class _File:
    """One COCO file, checked entry by entry."""

    def __init__(self, file: Path, content: Mapping[str, Any], remarks: Remarks, root: Path) -> None:
        self.file, self.remarks, self.near = file, remarks, ""
        if file.parent != root and file.is_relative_to(root):
            self.near = file.parent.relative_to(root).as_posix()
        self._content = content
        self.categories: dict[object, str] = {}
        for entry in content["categories"]:
            if isinstance(entry, dict) and _hashable(entry.get("id")) and str(entry.get("name", "")).strip():
                self.categories[entry["id"]] = unicodedata.normalize("NFC", str(entry["name"]).strip())

    def pictures(self, places: _Places) -> list[tuple[str, tuple[int, int] | None, list[Mark]]]:
        """Return id, stated size and boxes of each picture that is listed."""
        by_id: dict[object, tuple[str, tuple[int, int] | None, list[Mark]]] = {}
        for position, entry in enumerate(self._content["images"], 1):
            name = entry.get("file_name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name or not _hashable(entry.get("id")):
                key = f"{self.file.name}, picture {position}"
                self.remarks.leave("picture", key, "no id or no file_name", "without id or file name left out")
            elif entry["id"] in by_id:
                self.remarks.leave(
                    "picture", f"{self.file.name}, picture {position}",
                    f"its id {short(entry['id'])} is that of another", "with the id of another left out",
                )  # fmt: skip
            else:
                by_id[entry["id"]] = (places.find(name, self.near, _part(self.file, self.near)), _size(entry), [])
        seen: dict[object, int] = {}
        for position, entry in enumerate(self._content["annotations"], 1):
            image = entry.get("image_id") if isinstance(entry, dict) else None
            if not _hashable(image) or image not in by_id:
                self.remarks.leave(
                    "annotation", f"{self.file.name}, annotation {position}",
                    f"no picture has the id {short(image)}", "of pictures that are not listed left out",
                )  # fmt: skip
                continue
            name, _, found = by_id[image]
            seen[image] = number = seen.get(image, 0) + 1
            category = entry.get("category_id")
            label = self.categories.get(category) if _hashable(category) else None
            if label is None:
                self.remarks.leave(
                    "box", f"{name}, box {number}", f"no category has the id {short(category)}",
                    "of unknown categories left out",
                )  # fmt: skip
            else:
                found.append(Mark(number, label, _edges(entry.get("bbox")), bool(entry.get("iscrowd", 0))))
        return list(by_id.values())


def _hashable(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    known = all(isinstance(side, (int, float)) and math.isfinite(side) and side >= 1 for side in (width, height))
    return (int(entry["width"]), int(entry["height"])) if known else None


def _edges(bbox: object) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom; NaN where there is no box of four numbers."""
    if not isinstance(bbox, Sequence) or len(bbox) != 4 or not all(isinstance(one, (int, float)) for one in bbox):
        return (math.nan, math.nan, math.nan, math.nan)
    try:
        left, top, width, height = map(float, bbox)
    except OverflowError:
        return (math.inf, math.inf, math.inf, math.inf)
    return left, top, left + width, top + height


COCO = Reader(
    "COCO (a JSON file with images, annotations and categories, or a folder with such files in 'annotations')",
    _named,
    _read,
)
COCO_ANYWHERE = Reader(COCO.what, lambda data: bool(_files(data)), _read)

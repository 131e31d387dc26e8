"""Pascal VOC: one XML file a picture.

Its coordinates count pixels from 1 and name the first and the last pixel of an object (Everingham et al. 2010, The
Pascal visual object classes challenge; its devkit adds 1 to every width), while a box here is a stretch from edge to
edge that begins at 0. So 1 is taken off left and top and nothing off right and bottom, as Detectron2 does: an object
that fills a picture of 640 pixels is written as 1 to 640 and read as 0 to 640. Where a tool counted from 0, boxes
become a pixel larger on the left and at the top, and end at the picture's edge. Equal edges are a click that marked
nothing, not an object of one pixel: such boxes are left out, as those without area.
"""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.readers.base import count, natural_key, part_of, some
from headstart.data.readers.walk import Tree, is_picture, walk
from headstart.detection.readers.base import (
    PARTS,
    Mark,
    Marked,
    Reader,
    Remarks,
    later_part,
    leave_unlisted,
    part_of_path,
)
from headstart.results import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def _accepts(data: Path) -> bool:
    if not data.is_dir():
        return False
    inside = [path for path in data.iterdir() if path.is_dir()]
    folders = [data, *(path for path in inside if path.name.lower() == "annotations" or part_of(path.name))]
    return any(path.suffix.lower() == ".xml" for folder in folders for path in folder.iterdir())


def _read(root: Path) -> Marked:
    remarks, tree = Remarks(), walk(root)
    files = [path for path in tree.others if path.lower().endswith(".xml")]
    files = [path for path in files if path.lower().startswith("annotations/")] or files
    pictures = _Pictures(tree)
    lists = root / "ImageSets" / "Main"
    parts = _parts(lists, remarks)
    marked = Marked(root, [], [], [], [], remarks)
    for path in files:
        name, found, size, trouble = _annotation(root, path, remarks, pictures)
        if name in marked.stated or name in marked.damaged:
            remarks.leave("annotation", path, f"{name!r} has one already", "of a picture that has one left out")
            continue
        marked.ids.append(name)
        marked.marks.append(found)
        part = parts.pop(Path(path).stem, "") if lists.is_dir() else part_of_path(path)
        marked.split.append(part)
        marked.stated[name] = size
        if trouble:
            marked.damaged[name] = trouble
    if parts:
        n = count(len(parts), "picture")
        remarks.note(f"{n} of ImageSets/Main without an annotation passed over: {some(list(parts))}")
    leave_unlisted(remarks, pictures.paths, marked.ids)
    marked.classes.extend(sorted({mark.label for one in marked.marks for mark in one}, key=natural_key))
    return marked


class _Pictures:
    """Which picture an annotation is about: the one of the same stem, in the same folder if there are several."""

    def __init__(self, tree: Tree) -> None:
        # The challenge's own folders also hold segmentations, which are pictures of the same stems.
        own = [path for path in tree.pictures if path.lower().startswith(("jpegimages/", "images/"))]
        self.paths = own or tree.pictures
        self._by_stem: dict[str, list[str]] = {}
        for path in self.paths:
            self._by_stem.setdefault(Path(path).stem, []).append(path)

    def find(self, stem: str, folder: str) -> str:
        """Return the path of the picture, or "" if there is none."""
        alike = self._by_stem.get(stem, [])
        near = [path for path in alike if path.rpartition("/")[0] == folder] or alike
        if len(near) > 1:
            raise DataError(f"the annotation of {stem!r} may be about {some(near)}: keep one of them")
        return near[0] if near else ""


def _parts(folder: Path, remarks: Remarks) -> dict[str, str]:
    """Return stem -> part, from train.txt, val.txt and test.txt."""
    found: dict[str, str] = {}
    for part in PARTS:
        file = folder / f"{part}.txt"
        if not file.is_file():
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
            if line.strip():
                stem = line.split()[0]
                if found.get(stem, part) != part:
                    remarks.mention("picture", stem, "in two parts, and only the later one counts")
                found[stem] = later_part(found.get(stem, ""), part)
    return found


def _annotation(
    root: Path, path: str, remarks: Remarks, pictures: _Pictures
) -> tuple[str, list[Mark], tuple[int, int] | None, str]:
    """Return id, boxes, stated size, and why the file cannot be read ("" if it can)."""
    from xml.etree import ElementTree

    folder, _, file = path.rpartition("/")
    stem = Path(file).stem
    name = pictures.find(stem, folder)
    try:
        top = ElementTree.parse(root / path).getroot()
    except ElementTree.ParseError as error:
        line, column = error.position
        text = str(error).split(": line ")[0]
        trouble = f"its annotation {path!r} is damaged at line {line}, column {column + 1} ({text})"
        return name or path, [], None, trouble
    except (OSError, ValueError, LookupError) as error:
        return name or path, [], None, f"its annotation {path!r} cannot be read ({error})"
    if top.tag != "annotation":
        return name or path, [], None, f"{path!r} is about <{top.tag}>, and Pascal VOC's files about <annotation>"
    if not name:  # the file may be called otherwise than its picture
        said = (top.findtext("filename") or "").strip()
        name = pictures.find(Path(said).stem, folder) or (said if is_picture(said) else f"{stem}.jpg")
    found = []
    for number, element in enumerate(top.findall("object"), 1):
        label = unicodedata.normalize("NFC", (element.findtext("name") or "").strip())
        if label:
            found.append(Mark(number, label, _edges(element), (element.findtext("difficult") or "").strip() == "1"))
        else:
            remarks.leave("box", f"{name}, box {number}", "no class name", "without a class left out")
    width, height = (_number(top.findtext(f"size/{side}")) for side in ("width", "height"))
    return name, found, (int(width), int(height)) if width >= 1 and height >= 1 else None, ""


def _edges(element: Element) -> tuple[float, float, float, float]:
    left, top, right, bottom = (
        _number(element.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    return (left - 1 if left < right else left, top - 1 if top < bottom else top, right, bottom)


def _number(text: str | None) -> float:
    """Return a number, NaN where there is none."""
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


VOC = Reader("Pascal VOC (XML files in 'Annotations', pictures in 'JPEGImages')", _accepts, _read)

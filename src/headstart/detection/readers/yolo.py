"""YOLO: a text file a picture, each line a class number and the centre, width and height in shares of the picture."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.data.readers.base import count, natural_key, part_of, short
from headstart.data.readers.walk import Tree, walk
from headstart.detection.readers.base import PARTS, Mark, Marked, Reader, Remarks, later_part, part_of_path
from headstart.results import DataError

_NAMES = ("classes.txt", "obj.names", "labels/classes.txt")


def _accepts(data: Path) -> bool:
    if data.is_file():
        return data.suffix.lower() in (".yaml", ".yml")
    if not data.is_dir():
        return False
    parts = [path for path in data.iterdir() if path.is_dir() and part_of(path.name)]
    labelled = any((folder / "labels").is_dir() for folder in (data, *parts))
    return labelled or _yaml_of(data) is not None


def _yaml_of(data: Path) -> Path | None:
    """Return the file that says where the parts are and what the classes are called."""
    if data.is_file():
        return data
    found = sorted(path for path in data.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    return next((path for path in found if path.stem in ("data", "dataset")), found[0] if len(found) == 1 else None)


def _read(data: Path) -> Marked:
    file = _yaml_of(data)
    settings = {} if file is None else _parse(file)
    root = data if file is None else _root(file, settings)
    remarks, tree = Remarks(), walk(root)
    texts = {path for path in tree.others if path.lower().endswith(".txt")}
    names = _class_names(root, settings, remarks)
    parts = _parts(root, settings, tree, remarks)
    pictures = list(parts) or _below_images(tree)
    empty = [path for path in pictures if _label_file(path, texts) is None]
    if len(empty) == len(pictures):
        raise DataError(
            f"no picture below {str(root)!r} has a text file of boxes: put them into 'labels', beside 'images', "
            "called like the pictures"
        )
    if empty:
        n = count(len(empty), "picture")
        remarks.note(
            f"{n} without a text file of boxes (for example {empty[0]!r}): as the format has it, they are empty"
        )
    lines = _Lines(names, remarks)
    marks = [lines.read(root, path, _label_file(path, texts)) for path in pictures]
    split = [parts.get(path) or part_of_path(path) for path in pictures]
    used = {_label_file(path, texts) for path in pictures}
    stems = ("labels/", "/labels/")
    for text in sorted(texts - used):
        if (text.startswith(stems[0]) or stems[1] in text) and text not in _NAMES:
            remarks.leave("text file", text, "there is no such picture", "of boxes without a picture left out")
    classes = sorted(lines.seen if names is None else set(names.values()), key=natural_key)
    return Marked(root, pictures, marks, classes, split, remarks, relative=True)


def _parse(file: Path) -> Mapping[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DataError(f"{str(file)!r} is damaged{where} ({error.problem}): mend it") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{str(file)!r} cannot be read ({short(error)}): give a YAML file in UTF-8") from error
    if not isinstance(content, dict):
        raise DataError(f"{str(file)!r} has no entries: it needs 'names' and the folders of the parts")
    return content


def _root(file: Path, settings: Mapping[str, Any]) -> Path:
    given = settings.get("path")
    folder = (file.parent / given) if isinstance(given, str) else file.parent
    return folder if folder.is_dir() else file.parent  # the path was another machine's


def _class_names(root: Path, settings: Mapping[str, Any], remarks: Remarks) -> dict[int, str] | None:
    """Return number -> name, or None where no file says them."""
    given = settings.get("names")
    if isinstance(given, list):
        given = dict(enumerate(given))
    if isinstance(given, dict):
        try:
            return {int(number): _clean(name) for number, name in given.items()}
        except (TypeError, ValueError) as error:
            raise DataError(f"names of the YAML file: {short(error)}; write each as 'number: name'") from error
    for path in _NAMES:
        if (root / path).is_file():
            lines = (root / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
            return {number: _clean(name) for number, name in enumerate(lines) if name.strip()}
    remarks.note("no file names the classes (data.yaml or classes.txt), so they are called by their numbers")
    return None


def _clean(name: object) -> str:
    return unicodedata.normalize("NFC", str(name).strip())


def _parts(root: Path, settings: Mapping[str, Any], tree: Tree, remarks: Remarks) -> dict[str, str]:
    """Return picture -> part, as the YAML file has it: folders, or text files that list pictures."""
    found: dict[str, str] = {}
    for part in PARTS:
        given = settings.get(part)
        if part == "val" and given is None:
            given = settings.get("valid")
        for entry in given if isinstance(given, list) else [] if given is None else [given]:
            place = _inside(root, str(entry))
            if place is None and part == "train":
                raise DataError(f"{str(entry)!r}, which the YAML file gives for train, is not there: mend the path")
            if place is None:
                remarks.note(f"{str(entry)!r}, which the YAML file gives for {part}, is not there")
                continue
            for path in _listed(root, place, tree):
                if found.get(path, part) != part:
                    remarks.mention("picture", path, "in two parts, and only the later one counts")
                found[path] = later_part(found.get(path, ""), part)
    return found


def _inside(root: Path, entry: str) -> str | None:
    """Return an entry of the YAML file relative to ``root``; some tools write ``../train/images`` for what is in it."""
    for text in (entry, entry.removeprefix("../")):
        place = (root / text).resolve()
        if place.exists() and place.is_relative_to(root.resolve()):
            return place.relative_to(root.resolve()).as_posix()
    return None


def _listed(root: Path, place: str, tree: Tree) -> list[str]:
    if (root / place).is_dir():
        return [path for path in tree.pictures if place == "." or path.startswith(f"{place}/")]
    lines = (root / place).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    listed = []
    for line in filter(None, map(str.strip, lines)):
        path = Path(line)
        if path.is_absolute() and path.is_relative_to(root):
            path = path.relative_to(root)
        listed.append(path.as_posix())
    return listed


def _below_images(tree: Tree) -> list[str]:
    return [path for path in tree.pictures if "images" in path.lower().split("/")[:-1]] or tree.pictures


def _label_file(path: str, texts: set[str]) -> str | None:
    """Return the text file of a picture: in 'labels' where it is in 'images', or beside it."""
    stem = path.rpartition(".")[0]
    pieces = stem.split("/")
    for place in range(len(pieces) - 2, -1, -1):
        if pieces[place].lower() == "images":
            other = "/".join([*pieces[:place], "labels", *pieces[place + 1 :]]) + ".txt"
            if other in texts:
                return other
    return f"{stem}.txt" if f"{stem}.txt" in texts else None


class _Lines:
    """The lines of all text files, checked one by one."""

    def __init__(self, names: Mapping[int, str] | None, remarks: Remarks) -> None:
        self._names, self._remarks = names, remarks
        self.seen: set[str] = set()

    def read(self, root: Path, picture: str, file: str | None) -> list[Mark]:
        """Return the boxes of a picture."""
        if file is None:
            return []
        marks = []
        lines = (root / file).read_text(encoding="utf-8-sig", errors="replace").splitlines()
        for number, line in enumerate((line for line in lines if line.strip()), 1):
            key = f"{picture}, box {number}"
            try:
                category, *numbers = map(float, line.split())
                if not category.is_integer():
                    raise ValueError
            except ValueError:
                self._remarks.leave("box", key, f"cannot be read: {line[:40]!r}", "that cannot be read left out")
                continue
            edges = _edges(numbers)
            label = str(int(category)) if self._names is None else self._names.get(int(category))
            if edges is None:
                reason = f"{len(numbers) + 1} numbers in its line, not 5"
                self._remarks.leave("box", key, reason, "that cannot be read left out")
            elif label is None:
                reason = f"no class has the number {category:g}"
                self._remarks.leave("box", key, reason, "of unknown categories left out")
            else:
                self.seen.add(label)
                marks.append(Mark(number, label, edges))
        return marks


def _edges(numbers: list[float]) -> tuple[float, float, float, float] | None:
    """Return left, top, right, bottom from centre and size, or around a polygon; None where it is neither."""
    if len(numbers) == 4:
        x, y, width, height = numbers
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        if any(map(math.isnan, numbers)):
            return (math.nan, math.nan, math.nan, math.nan)
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    return None


YOLO = Reader("YOLO (text files in 'labels', pictures in 'images', class names in data.yaml)", _accepts, _read)

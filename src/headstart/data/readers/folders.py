"""A folder of class folders, alone or once for each part of the data."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

from headstart.data.pictures import PictureSet
from headstart.data.readers.base import Columns, Reader, Rows, count, part_of, some
from headstart.data.readers.walk import Tree, walk
from headstart.results import DataError


def _has_split_folders(data: Any) -> bool:
    """Say whether two parts of the data have a folder each, or a single one has class folders in it.

    A lone folder called "test" that holds pictures may well be a class.
    """
    if not _is_folder(data):
        return False
    parts = [path for path in _subfolders(data) if part_of(path.name)]
    return len({part_of(path.name) for path in parts}) > 1 or any(_subfolders(path) for path in parts)


def _read_split_folders(root: Path, columns: Columns) -> Rows:
    tree = _tree(root, columns)
    tops = [folder for folder in tree.folders if "/" not in folder]
    parts = {folder: part_of(folder) for folder in tops if part_of(folder)}
    if len(set(parts.values())) == 1:
        only = next(iter(parts))
        raise DataError(
            f"{str(root)!r} has a {only!r} folder but no other part: give {str(root / only)!r} to have a test part "
            "made from it, or add a 'test' folder"
        )
    for folder in parts:
        inside = [path for path in tree.pictures if path.startswith(f"{folder}/")]
        if not any(path.count("/") > 1 for path in inside):
            raise DataError(
                f"{str(root / folder)!r} holds no class folders with pictures ({count(len(inside), 'picture')} "
                "directly in it): put them into one folder a class, or move it elsewhere"
            )
    rows = _rows(tree, [path for path in tree.pictures if path.split("/")[0] in parts], depth=1)
    strange = [folder for folder in tops if folder not in parts]
    notes = (f"{count(len(strange), 'folder')} beside the parts passed over: {some(strange)}",) if strange else ()
    split = [parts[path.split("/")[0]] for path in rows.ids]
    return Rows(rows.name, rows.ids, rows.labels, rows.pictures, split=split, notes=rows.notes + notes)


def _read_class_folders(root: Path, columns: Columns) -> Rows:
    tree = _tree(root, columns)
    rows = _rows(tree, tree.pictures, depth=0)
    if len(set(rows.labels)) == 1 and all(path.count("/") > 1 for path in rows.ids):
        only = root / rows.ids[0].split("/")[0]
        raise DataError(f"{str(root)!r} holds a single class folder, {only.name!r}: did you mean {str(only)!r}?")
    return rows


def _rows(tree: Tree, pictures: list[str], depth: int) -> Rows:
    """Return ``pictures`` as rows whose label is the name of the folder ``depth`` folders down."""
    inside = [path for path in pictures if path.count("/") > depth]
    if not inside:
        raise DataError(_nothing_in(tree, pictures))
    notes = tree.notes()
    if len(inside) < len(pictures):
        beside = next(path for path in pictures if path.count("/") <= depth)
        notes.append(
            f"{count(len(pictures) - len(inside), 'picture')} beside the class folders passed over, such as {beside!r}"
        )
    # The same letter can be written in two ways, and file systems differ in which one they keep.
    labels = [unicodedata.normalize("NFC", _printable(path.split("/")[depth])) for path in inside]
    filled = {"/".join(path.split("/")[: depth + 1]) for path in inside}
    tops = {top.split("/")[0] for top in filled}
    empty = [
        folder
        for folder in tree.folders
        if folder.count("/") == depth and folder not in filled and (depth == 0 or folder.split("/")[0] in tops)
    ]
    if empty:
        notes.append(f"{count(len(empty), 'folder')} without any picture passed over: {some(empty)}")
    return Rows(
        name=tree.root.resolve().name,
        ids=[_printable(path) for path in inside],
        labels=labels,
        pictures=PictureSet([f"{tree.root}/{path}" for path in inside]),
        notes=tuple(notes),
    )


def _nothing_in(tree: Tree, pictures: list[str]) -> str:
    tables = [path for path in tree.others if path.lower().endswith((".csv", ".tsv", ".parquet"))]
    where = f"{str(tree.root)!r}"
    hint = f", or give the table {str(tree.root / tables[0])!r}" if tables else ""
    if pictures:
        return (
            f"{where} holds {count(len(pictures), 'picture')} but no class folders: "
            f"put them into one folder a class{hint}"
        )
    return f"{where} holds no pictures: give a folder that holds one folder of pictures a class{hint}"


def _tree(root: Path, columns: Columns) -> Tree:
    columns.refuse("image", "label", "split", "group", because=f"{str(root)!r} is a folder, not a table")
    return walk(root)


def _is_folder(data: Any) -> bool:
    return isinstance(data, Path) and data.is_dir()


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []  # the walk says what is wrong with it


def _printable(path: str) -> str:
    """Return ``path``, or, if its bytes are no valid UTF-8, the same with those bytes spelled out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


SPLIT_FOLDERS = Reader("a folder with train, val and test folders", _has_split_folders, _read_split_folders)
CLASS_FOLDERS = Reader("a folder of class folders", _is_folder, _read_class_folders)

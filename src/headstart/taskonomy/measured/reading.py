"""Tasks of a person's data: the columns of a table, and what can be made from its pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError
from headstart.results.terminal import progress
from headstart.taskonomy.measured.decoder import SIDE
from headstart.taskonomy.measured.made import MADE, make_task
from headstart.taskonomy.measured.tasks import LEAST, MAP, Task, TaskSet, class_task, is_constant, number_task

if TYPE_CHECKING:
    import pandas as pd

    from headstart.data.pictures import PictureSet

DEFAULT_MADE = ("mask", "edges", "colour", "rotation")
_FEW_LEVELS = 12  # whole numbers with at most so many values are classes
_MOST_CLASSES = 0.2  # of the rows; a column with more is a name or a number, not classes
_KINDS = ("classes", "number")


def read_tasks(
    data: Any,
    names: Sequence[str] | None = None,
    *,
    image: Any = None,
    split: Any = None,
    group: Any = None,
    size: int = 64,
    most: int = 3000,
    seed: int = 0,
    quiet: bool = True,
) -> TaskSet:
    """Return the tasks of a table's columns, or of a folder's classes, and tasks made from the pictures.

    Parameters
    ----------
    data : path, DataFrame, Target or anything that ``load_target`` takes
        Of a table every column can be a task; whatever else has one task of its own, ``class``.
    names : sequence of str, optional
        Columns, and tasks that ``make_task`` knows; a column goes first. ``NAME:number`` and ``NAME:classes`` say what
        a column holds; else text and whole numbers with at most 12 values are classes. By default all columns that hold
        classes or numbers, and mask, edges, colour and rotation.
    image, split, group : column, optional
        As in ``load_target``. Test rows are left out: measuring is part of the decision.
    size : int
        Height and width of the pictures, squashed; a multiple of 8, at least 32.
    most : int
        Pictures that are read; of more, a sample.
    seed : int
        Of sample, noise, turns and orders.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    TaskSet

    Raises
    ------
    DataError
        If the data cannot be read, has no pictures, or a name is neither a column nor a task that can be made.
    """
    if size < MAP or size % SIDE:
        raise DataError(f"size={size}: give a multiple of {SIDE}, {MAP} or more")
    if most < LEAST:
        raise DataError(f"most={most}: give {LEAST} or more, the pictures that tasks must have in common")
    frame, folder, name = _frame(data)
    read = (
        _from_table(frame, folder, names, image, split, group, quiet)
        if frame is not None
        else _from_target(data, names, image, split, group, seed, quiet)
    )
    pictures, groups, ids, columns, made, notes = read
    rows = np.arange(len(groups))
    known = np.flatnonzero(~np.stack([_missing(column) for _, _, column in columns]).any(axis=0)) if columns else rows
    if LEAST <= len(known) < len(rows):
        notes.append(f"{len(rows) - len(known):,} pictures without a value for every task left out")
        rows = known
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    small = fit(pictures.subset(rows), size, quiet=quiet)
    tasks = [_column_task(title, kind, values[rows], small) for title, kind, values in columns]
    for one in made:
        task = make_task(one, small, seed=seed)
        if names is None and is_constant(task):
            notes.append(f"{one} is the same on all pictures, so it is no task here")
        else:
            tasks.append(task)
    return TaskSet(tuple(tasks), groups[rows], tuple(ids[row] for row in rows), tuple(notes), name or "tasks")


def fit(pictures: PictureSet, size: int, *, quiet: bool = True) -> NDArray[np.uint8]:
    """Return pictures squashed to squares, (n, size, size, 3)."""
    from PIL import Image

    result = np.empty((len(pictures), size, size, 3), dtype=np.uint8)

    def one(row: int) -> None:
        picture = pictures.open(row, at_least=size)
        result[row] = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))

    with (
        progress("tasks: pictures", len(pictures), quiet=quiet) as advance,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        for _ in pool.map(one, range(len(pictures))):
            advance(1)
    return result


_Read = tuple[
    "PictureSet", NDArray[np.int64], list[str], list[tuple[str, str, NDArray[Any]]], tuple[str, ...], list[str]
]


def _frame(data: Any) -> tuple[pd.DataFrame | None, Path, str]:
    """Return a table with the folder that its paths start at, or None where the data is no table."""
    from headstart.data.readers.frame import is_frame
    from headstart.data.readers.table_file import is_table, read_table

    if is_frame(data):
        return data, Path.cwd(), "table"
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    if path is not None and is_table(path) and path.exists():
        return read_table(path), path.parent.absolute(), path.stem
    return None, Path.cwd(), path.name if path is not None else ""


def _from_table(
    frame: pd.DataFrame, folder: Path, names: Sequence[str] | None, image: Any, split: Any, group: Any, quiet: bool
) -> _Read:
    from headstart.data.duplicates import find_duplicates
    from headstart.data.load import unite
    from headstart.data.pictures import PictureSet
    from headstart.data.readers import Columns
    from headstart.data.readers.columns import choose
    from headstart.data.readers.frame import row_ids
    from headstart.data.readers.items import check_paths, picture_item
    from headstart.data.readers.values import groups_of, parts_of
    from headstart.data.scan import scan

    if not len(frame):
        raise DataError("the table has no rows")
    label = "no label"
    chosen = choose(frame.assign(**{label: 0}), Columns(image, label, split, group))
    if chosen.image is None:
        raise DataError("no column holds pictures: give image=COLUMN")
    notes = [note for note in chosen.notes if label not in note]
    cells = frame[chosen.image].tolist()
    items = [picture_item(cell, folder) for cell in cells]
    check_paths(items, f"column {str(chosen.image)!r}", folder)
    ids = row_ids([str(cell) for cell in cells if isinstance(cell, (str, Path))], frame.index.tolist())
    usable = np.ones(len(frame), dtype=bool)
    if chosen.split is not None:
        usable = np.array(parts_of(frame[chosen.split], ids, f"split column {str(chosen.split)!r}")) != "test"
        notes.append(f"{int((~usable).sum()):,} test rows left out")
    looked = scan(PictureSet(items), quiet=quiet)
    readable = np.asarray(looked.reasons) == ""
    if not readable.all():
        notes.append(f"{int((~readable).sum()):,} pictures that cannot be read left out")
    rows = np.flatnonzero(usable & readable)
    if not len(rows):
        raise DataError("no row can be used: see that the pictures can be read, and that not all are test rows")
    clusters = find_duplicates(looked.digests[rows], looked.hashes[rows], looked.thumbs[rows], looked.tints[rows])
    groups = None if chosen.group is None else groups_of(frame[chosen.group])[rows]
    taken = {chosen.image, chosen.split, chosen.group}
    free = [column for column in frame.columns if column not in taken]
    columns, made = _wanted(frame.iloc[rows], free, names, notes)
    return PictureSet(items).subset(rows), unite(clusters, groups), [ids[row] for row in rows], columns, made, notes


def _from_target(
    data: Any, names: Sequence[str] | None, image: Any, split: Any, group: Any, seed: int, quiet: bool
) -> _Read:
    import pandas as pd

    from headstart.data import load_target

    target = load_target(data, image=image, split=split, group=group, random_state=seed, quiet=quiet)
    if target.pictures is None:
        raise DataError(f"{target.name!r} is a table of features: tasks need pictures")
    rows = target.rows("train", "val")
    notes: list[str] = []
    frame = pd.DataFrame({"class": target.labels[rows]})
    columns, made = _wanted(frame, ["class"], names, notes)
    return target.pictures.subset(rows), target.groups[rows], list(target.ids[rows]), columns, made, notes


def _wanted(
    frame: pd.DataFrame, free: Sequence[Any], names: Sequence[str] | None, notes: list[str]
) -> tuple[list[tuple[str, str, NDArray[Any]]], tuple[str, ...]]:
    """Return the columns (name, kind, values) and the names of the tasks to make."""
    by_name = {str(column): column for column in free}
    columns, made = [], []
    for name in by_name if names is None else names:
        title, _, kind = (name, "", "") if name in by_name else name.rpartition(":")
        title = title or name
        if title not in by_name:
            if name not in MADE:
                raise DataError(
                    f"there is no task {name!r}: the columns are {', '.join(map(repr, by_name)) or 'none'}, and "
                    f"{', '.join(MADE)} can be made from pictures"
                )
            made.append(name)
            continue
        values = frame[by_name[title]]
        found = kind if kind else _kind(values)
        if found not in _KINDS:
            raise DataError(f"task {name!r}: write {title}:number or {title}:classes")
        if names is None and found == "classes" and values.nunique() > _MOST_CLASSES * len(values):
            notes.append(f"column {title!r} has {values.nunique():,} different values, so it was not taken as a task")
            continue
        columns.append((title, found, _values(values, found, title)))
    return columns, DEFAULT_MADE if names is None else tuple(made)


def _kind(values: pd.Series) -> str:
    if values.dtype.kind not in "iuf":
        return "classes"
    known = values.dropna().to_numpy(dtype=np.float64)
    whole = bool((known % 1 == 0).all())
    return "classes" if whole and len(np.unique(known)) <= _FEW_LEVELS else "number"


def _values(values: pd.Series, kind: str, title: str) -> NDArray[Any]:
    """Return numbers with NaN, or text with None."""
    import pandas as pd

    if kind == "number":
        numbers = pd.to_numeric(values, errors="coerce")
        strange = values[numbers.isna() & values.notna()]
        if len(strange):
            raise DataError(f"task {title!r} holds {str(strange.iloc[0])!r}, which is no number: write {title}:classes")
        found = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(np.where(np.isfinite(found), found, np.nan))
    missing = values.isna() | values.astype(str).str.strip().eq("")
    text = np.array([f"{value:g}" if isinstance(value, float) else str(value) for value in values], dtype=object)
    text[missing.to_numpy()] = None
    return text


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([value is None or value != value for value in values], dtype=bool)


def _column_task(name: str, kind: str, values: NDArray[Any], pictures: NDArray[np.uint8]) -> Task:
    return number_task(name, pictures, values) if kind == "number" else class_task(name, pictures, list(values))

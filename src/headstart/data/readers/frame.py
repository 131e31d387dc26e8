"""A pandas DataFrame: a column of pictures, or columns of numbers, with labels beside."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.pictures import PictureSet
from headstart.data.readers.answers import labelled
from headstart.data.readers.base import Columns, Reader, Rows
from headstart.data.readers.columns import choose
from headstart.data.readers.items import check_paths, picture_item
from headstart.data.readers.values import features_of, groups_of, parts_of
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd


def is_frame(data: Any) -> bool:
    """Say whether ``data`` is a DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def read_frame(frame: pd.DataFrame, columns: Columns, name: str = "table", folder: Path | None = None) -> Rows:
    """Read a table; relative paths start at ``folder`` (the current one if not given).

    A row's id is its path where each row has one of its own, else its index.
    """
    if not len(frame):
        raise DataError(f"{name!r} has no rows: its columns are {', '.join(map(repr, frame.columns)) or 'none'}")
    chosen = choose(frame, columns)
    notes = list(chosen.notes)
    pictures = features = None
    paths: list[str] = []
    if chosen.image is not None:
        folder = folder or Path.cwd()
        cells = frame[chosen.image].tolist()
        paths = [Path(cell).as_posix() for cell in cells if isinstance(cell, (str, Path))]
        items = [picture_item(cell, folder) for cell in cells]
        check_paths(items, f"column {str(chosen.image)!r}", folder)
        pictures = PictureSet(items)
    else:
        features = features_of(frame, chosen.features)
    ids = row_ids(paths, frame.index.tolist())
    if len(set(ids)) < len(ids):
        ids = [str(row) for row in range(len(frame))]
        notes.append("the table's index is not unique, so rows are called by their position")
    return Rows(
        name=name,
        ids=ids,
        pictures=pictures,
        features=features,
        feature_names=tuple(map(str, chosen.features)),
        split=None
        if chosen.split is None
        else parts_of(frame[chosen.split], ids, f"split column {str(chosen.split)!r}"),
        groups=None if chosen.group is None else groups_of(frame[chosen.group]),
        notes=tuple(notes),
        **labelled(frame[list(chosen.labels)], ids, columns.task, "label column "),
    )


def row_ids(paths: Sequence[str], otherwise: Sequence[object]) -> list[str]:
    """Return ``paths`` if each row has one of its own, else ``otherwise`` as text."""
    own = len(paths) == len(otherwise) == len(set(paths))
    return list(paths) if own else [str(key) for key in otherwise]


FRAME = Reader("a pandas DataFrame", is_frame, read_frame)

"""Which column of a table is what: as the person says, else by name and content where only one fits."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.readers.base import Column, Columns, part_of, short, some
from headstart.data.readers.items import shows_picture
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

_LABEL = {"label", "labels", "class", "classes", "classname", "classlabel", "category", "target", "y"}
_IMAGE = {
    "image", "img", "picture", "photo", "imagedata", "imagebytes", "imagefile", "imagepath", "imgpath",
    "path", "file", "filename", "filepath",
}  # fmt: skip
_SPLIT = {"split", "dataset", "datasplit", "part", "subset", "partition", "set"}
_GROUP = {"group", "groups", "groupid", "patient", "patientid", "subject", "subjectid"}
_ROW_NUMBER = {"unnamed0", "index", "id", "rowid"}


@dataclass(frozen=True)
class Chosen:
    """The columns of a table by what they hold; ``image`` is ``None`` where ``features`` hold the examples."""

    labels: tuple[Column, ...]
    image: Column | None
    split: Column | None
    group: Column | None
    features: tuple[Column, ...]
    notes: tuple[str, ...]

    @property
    def label(self) -> Column:
        """The (first) column of labels."""
        return self.labels[0]


def named_like_label(columns: Iterable[Column]) -> list[Column]:
    """Return the columns whose name says that they hold the label.

    >>> named_like_label(["path", "Class Name", "classes"])
    ['Class Name', 'classes']
    """
    return [column for column in columns if _plain(column) in _LABEL]


def choose(frame: pd.DataFrame, asked: Columns) -> Chosen:
    """Say what each column of ``frame`` holds.

    Raises
    ------
    DataError
        If a named column is not there or is there twice, or if none or more than one fits.
    """
    labels = asked.labels(frame.columns)
    _check(frame, asked, labels)
    taken = {asked.image, *labels, asked.split, asked.group} - {None}
    free = [column for column in frame.columns if column not in taken]
    image = asked.image if asked.image is not None else _image(frame, free)
    free = [column for column in free if column != image]
    split = asked.split if asked.split is not None else _split(frame, free)
    free = [column for column in free if column != split]
    group = asked.group
    if group is None:
        group = _only([column for column in free if _plain(column) in _GROUP], "group")
    free = [column for column in free if column != group]
    labels = labels or (_label(free, frame, pictures=image is not None),)
    notes = []
    for role, column in (("label", labels[0]), ("split", split), ("group", group)):
        if column is not None and getattr(asked, role) is None:
            notes.append(f"column {str(column)!r} was taken as the {role}")
    free = [column for column in free if column not in labels]
    numbers = [column for column in free if _plain(column) in _ROW_NUMBER]
    features = [] if image is not None else [column for column in free if column not in numbers]
    if image is None and not features:
        raise DataError(
            f"no column holds pictures or features: give image=COLUMN; the columns are {_list(frame.columns)}"
        )
    if image is None and numbers:
        notes.append(f"{some(numbers)} was taken as a row number, not as a feature")
    return Chosen(labels, image, split, group, tuple(features), tuple(notes))


def _check(frame: pd.DataFrame, asked: Columns, labels: Sequence[Column]) -> None:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"the column {str(twice[0])!r} is there twice: rename one of them")
    named = [
        ("image", asked.image),
        *(("label", one) for one in labels),
        ("split", asked.split),
        ("group", asked.group),
    ]
    for role, column in named:
        if column is not None and (not isinstance(column, Hashable) or column not in frame.columns):
            raise DataError(f"there is no column {short(column)} for {role}=: the columns are {_list(frame.columns)}")


def _image(frame: pd.DataFrame, free: Sequence[Column]) -> Column | None:
    found = [column for column in free if _holds_pictures(frame[column])]
    named = [column for column in found if _plain(column) in _IMAGE]
    # Beside pictures themselves, a column of paths says where they came from.
    content = [column for column in named or found if not isinstance(frame[column].dropna().iloc[0], (str, Path))]
    return _only(content or named or found, "image")


def _holds_pictures(values: pd.Series) -> bool:
    if values.dtype.kind in "biufcmM":
        return False
    first = values.dropna().head(20)
    return len(first) > 0 and all(shows_picture(value) for value in first)


def _split(frame: pd.DataFrame, free: Sequence[Column]) -> Column | None:
    """Return the column that names at least two parts of the data and nothing else."""
    found = []
    for column in free:
        if _plain(column) in _SPLIT:
            parts = {part_of(value) for value in frame[column].unique()}
            if "" not in parts and len(parts) > 1:
                found.append(column)
    return _only(found, "split")


def _label(free: Sequence[Column], frame: pd.DataFrame, *, pictures: bool) -> Column:
    found = named_like_label(free)
    if not found and pictures and len(free) == 1:
        found = list(free)
    label = _only(found, "label")
    if label is None:
        candidates = f" (one of {_list(free)})" if 0 < len(free) < len(frame.columns) else ""
        raise DataError(
            f"no column is called label, class, category, target or y: give label=COLUMN{candidates}; "
            f"the columns are {_list(frame.columns)}"
        )
    return label


def _only(found: Sequence[Column], role: str) -> Column | None:
    if len(found) > 1:
        raise DataError(f"the columns {_list(found)} may all hold the {role}: give {role}=COLUMN")
    return found[0] if found else None


def _list(columns: Iterable[Column]) -> str:
    return some([str(column) for column in columns], 20)


def _plain(column: Column) -> str:
    return re.sub(r"[\W_]+", "", str(column)).casefold()

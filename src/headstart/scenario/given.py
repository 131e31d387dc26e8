"""Source and target as a person has them: folders and tables of pictures, tables of numbers and text."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.base import Columns, part_of
from headstart.data.readers.columns import choose, named_like_label
from headstart.data.readers.frame import is_frame
from headstart.data.readers.items import check_paths, picture_item
from headstart.data.readers.table_file import TABLE_FILE, read_table
from headstart.data.readers.walk import walk
from headstart.data.target import Target
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

    from headstart.data.pictures import PictureSet

_UNLABELLED = "\0unlabelled"


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """Rows of a source or a target.

    Attributes
    ----------
    name : str
    pictures : PictureSet or None
        All of which can be read.
    table : DataFrame, ndarray or None
        Features, where there are no pictures.
    y : ndarray of object, shape (n,), or None
    groups : ndarray, shape (n,), or None
    feature_names : tuple of str or None
    """

    name: str
    pictures: PictureSet | None
    table: Any
    y: NDArray[np.object_] | None
    groups: NDArray[Any] | None
    feature_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.table) if self.pictures is None else len(self.pictures)

    def take(self, rows: NDArray[np.int64]) -> Given:
        """Return some rows of pictures."""
        assert self.pictures is not None
        return dataclasses.replace(
            self, pictures=self.pictures.subset(rows), y=None if self.y is None else self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
        )  # fmt: skip


def read_source(data: Any, *, quiet: bool = True, seed: int = 0, max_unreadable: float = 0.1, **columns: Any) -> Given:
    """Read labelled rows, all parts of them."""
    return _read(data, Columns(**columns), ("train", "val", "test"), quiet, seed, max_unreadable)


def read_target(
    data: Any, *, labelled: bool, quiet: bool = True, seed: int = 0, max_unreadable: float = 0.1, **columns: Any
) -> Given:
    """Read the rows of a target, but not those of its test part; ``labelled`` says whether labels are looked at.

    Without labels, any folder of pictures will do, and a table needs no column of labels.
    """
    if labelled:
        return _read(data, Columns(**columns), ("train", "val"), quiet, seed, max_unreadable)
    return _unlabelled(data, Columns(**columns), quiet, max_unreadable)


def _read(data: Any, columns: Columns, parts: tuple[str, ...], quiet: bool, seed: int, max_unreadable: float) -> Given:
    from headstart.data import load_target

    frame, _, name = _frame(data, columns)
    if frame is not None:
        chosen = choose(frame, columns)
        if chosen.image is None:
            there = frame[frame[chosen.label].notna() & _in_parts(frame, chosen.split, parts)]
            return Given(
                name, None, there[list(chosen.features)], there[chosen.label].to_numpy(object),
                None if chosen.group is None else _groups(there[chosen.group]),
            )  # fmt: skip
    target = load_target(
        data, image=columns.image, label=columns.label, split=columns.split, group=columns.group, random_state=seed,
        max_unreadable=max_unreadable, quiet=quiet,
    )  # fmt: skip
    rows = target.rows(*parts)
    y, groups = target.labels[rows], target.groups[rows]
    if target.pictures is None:
        assert target.features is not None
        return Given(target.name, None, target.features[rows], y, groups, target.feature_names)
    return Given(target.name, target.pictures.subset(rows), None, y, groups)


def _unlabelled(data: Any, columns: Columns, quiet: bool, max_unreadable: float) -> Given:
    from headstart.data.pictures import PictureSet

    if isinstance(data, Target):
        rows = data.rows("train", "val")
        features = None if data.features is None else data.features[rows]
        pictures = None if data.pictures is None else data.pictures.subset(rows)
        return Given(data.name, pictures, features, None, data.groups[rows], data.feature_names or None)
    frame, folder, name = _frame(data, columns)
    if frame is not None:
        dropped = [columns.label] if columns.label in frame.columns else named_like_label(frame.columns)
        frame = frame.drop(columns=dropped).assign(**{_UNLABELLED: ""})
        chosen = choose(frame, Columns(columns.image, _UNLABELLED, columns.split, columns.group))
        frame = frame[_in_parts(frame, chosen.split, ("train", "val"))]
        groups = None if chosen.group is None else _groups(frame[chosen.group])
        if chosen.image is None:
            return Given(name, None, frame[list(chosen.features)], None, groups)
        items = [picture_item(cell, folder) for cell in frame[chosen.image]]
        check_paths(items, f"column {str(chosen.image)!r}", folder)
        return _readable(name, PictureSet(items), groups, quiet, max_unreadable)
    if isinstance(data, (str, os.PathLike)) and Path(data).is_dir():
        files = walk(Path(data)).pictures
        if not files:
            raise DataError(f"no pictures in {str(data)!r}: give pictures in a folder, or a table")
        return _readable(Path(data).name, PictureSet([Path(data) / one for one in files]), None, quiet, max_unreadable)
    raise DataError(f"{str(data)!r} cannot be read as an unlabelled target: give a folder of pictures, or a table")


def _frame(data: Any, columns: Columns) -> tuple[pd.DataFrame | None, Path, str]:
    """Return a table with the folder at which its paths start and its name; None if ``data`` is none."""
    if is_frame(data):
        return data, Path.cwd(), "table"
    if isinstance(data, (str, os.PathLike)):
        path = Path(data).expanduser()
        if not path.exists():
            raise DataError(f"there is no file or folder {str(path)!r}")
        if TABLE_FILE.accepts(path):
            return read_table(path, columns), path.parent.absolute(), path.stem
    return None, Path.cwd(), ""


def _in_parts(frame: pd.DataFrame, split: Any, parts: tuple[str, ...]) -> NDArray[np.bool_]:
    if split is None:
        return np.ones(len(frame), dtype=bool)
    return np.array([part_of(value) in parts for value in frame[split]], dtype=bool)


def _groups(values: pd.Series) -> NDArray[np.int64]:
    """Return a code for each value; rows without one are a group each."""
    import pandas as pd

    codes = np.asarray(pd.factorize(values)[0], np.int64)
    return np.where(codes < 0, -1 - np.arange(len(codes)), codes)


def _readable(
    name: str, pictures: PictureSet, groups: NDArray[Any] | None, quiet: bool, max_unreadable: float
) -> Given:
    """Return the pictures that can be read, copies in one group."""
    from headstart.data.duplicates import find_duplicates
    from headstart.data.load import unite
    from headstart.data.scan import scan

    found = scan(pictures, quiet=quiet)
    rows = np.flatnonzero(found.reasons == "")
    lost = len(pictures) - len(rows)
    if lost > max_unreadable * len(pictures):
        raise DataError(
            f"{lost:,} of {len(pictures):,} pictures cannot be read, more than max_unreadable={max_unreadable:g} of "
            "them: mend or remove them, or raise max_unreadable"
        )
    copies = find_duplicates(found.digests[rows], found.hashes[rows], found.thumbs[rows], found.tints[rows])
    return Given(name, pictures.subset(rows), None, None, unite(copies, None if groups is None else groups[rows]))

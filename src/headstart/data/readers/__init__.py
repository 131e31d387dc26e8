"""Readers: from what a person has to labelled rows.

A new reader is a :class:`~headstart.data.readers.base.Reader` in a file of its own and a line in ``READERS``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from headstart.data.readers.arrays import ARRAYS
from headstart.data.readers.base import Columns, Reader, Rows
from headstart.data.readers.folders import CLASS_FOLDERS, SPLIT_FOLDERS
from headstart.data.readers.frame import FRAME
from headstart.data.readers.hub import HUB_DATASET
from headstart.data.readers.table_file import TABLE_FILE
from headstart.results import DataError

__all__ = ["READERS", "Columns", "Reader", "Rows", "read"]

# The first that accepts the data reads it.
READERS = (SPLIT_FOLDERS, CLASS_FOLDERS, TABLE_FILE, FRAME, ARRAYS, HUB_DATASET)


def read(data: Any, columns: Columns) -> Rows:
    """Read ``data`` with the first reader that accepts it.

    Raises
    ------
    DataError
        If there is no such file, if nothing reads this kind of data, or as the reader finds.
    """
    if isinstance(data, (str, os.PathLike)):
        data = Path(data).expanduser()
        if not os.path.exists(data):  # noqa: PTH110 (Path.exists raises where the name is too long)
            raise DataError(f"there is no file or folder {str(data)!r:.200}")
    for reader in READERS:
        if reader.accepts(data):
            return reader.read(data, columns)
    what = f"the file {str(data)!r}" if isinstance(data, Path) else f"an object of type {type(data).__name__!r}"
    raise DataError(f"{what} cannot be read: give {', '.join(reader.what for reader in READERS)}")

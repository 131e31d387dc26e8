"""Readers of boxes: COCO, Pascal VOC and YOLO, told apart by what is there.

A new one is a :class:`~headstart.detection.readers.base.Reader` in a file of its own and a line in ``READERS``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from headstart.detection.readers.base import Mark, Marked, Reader, Remarks
from headstart.detection.readers.coco import COCO, COCO_ANYWHERE
from headstart.detection.readers.voc import VOC
from headstart.detection.readers.yolo import YOLO
from headstart.results import DataError

__all__ = ["READERS", "Mark", "Marked", "Reader", "Remarks", "read"]

# The first that accepts the data reads it.
READERS = (COCO, VOC, YOLO, COCO_ANYWHERE)


def read(data: Any) -> Marked:
    """Read ``data`` with the first reader that accepts it.

    Raises
    ------
    DataError
        If there is no such file, if no format fits, or as the reader finds.
    """
    looked_for = "; ".join(dict.fromkeys(reader.what for reader in READERS))
    if not isinstance(data, (str, os.PathLike)):
        raise DataError(f"boxes are read from files, not from {type(data).__name__!r}: give {looked_for}")
    path = Path(data).expanduser()
    if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises where the name is too long)
        raise DataError(f"there is no file or folder {str(path)!r:.200}")
    for reader in READERS:
        if reader.accepts(path):
            return reader.read(path)
    raise DataError(f"{str(path)!r} holds no boxes in a format that is known; looked for: {looked_for}")

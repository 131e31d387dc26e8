"""Pictures in the shapes that tables and lists hold them in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.pictures import Item, reason_of, upright_rgb
from headstart.data.readers.base import short
from headstart.data.readers.walk import is_picture
from headstart.results import DataError, PictureError

# An encoded picture is longer than any label.
_SHORTEST_PICTURE = 32


def shows_picture(value: object) -> bool:
    """Say whether a cell looks like a picture: encoded bytes, an array, a Pillow image, a path with its suffix."""
    if isinstance(value, Mapping):
        return bool(value.keys() & {"bytes", "path"})
    if isinstance(value, (bytes, bytearray, memoryview)):
        return len(value) >= _SHORTEST_PICTURE
    if isinstance(value, (str, Path)):
        return is_picture(os.fspath(value))
    return is_pillow(value) or (isinstance(value, np.ndarray) and value.ndim in (2, 3))


def picture_item(value: Any, folder: Path) -> Item:
    """Return a cell as what :class:`~headstart.data.pictures.PictureSet` holds; paths start at ``folder``.

    Raises
    ------
    DataError
        If it is nothing that holds a picture.
    """
    if isinstance(value, Mapping):  # {"bytes": ..., "path": ...}, as the Hugging Face hub stores pictures
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value.strip()):
        return PictureError("no picture in this row")
    if isinstance(value, (str, Path)):
        return str(folder / value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if is_pillow(value):
        return _pillow_array(value)
    if hasattr(value, "__array__"):
        return np.asarray(value)
    raise DataError(f"{short(value)} is no picture: give paths, encoded bytes, arrays or Pillow images")


def check_paths(items: Sequence[Item], what: str, folder: Path) -> None:
    """Raise a DataError if ``items`` are paths and none of the first 50 leads to a file."""
    paths = [item for item in items[:50] if isinstance(item, str)]
    if paths and not any(os.path.exists(path) for path in paths):  # noqa: PTH110
        raise DataError(
            f"no file found for any of the first {len(paths)} paths in {what}, such as {paths[0]!r}: "
            f"relative paths start at {str(folder)!r}"
        )


def is_pillow(value: object) -> bool:
    """Say whether ``value`` is a Pillow image, without importing Pillow."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__)


def _pillow_array(image: Any) -> Item:
    try:
        return np.array(upright_rgb(image))
    except Exception as error:  # an image that is not loaded yet is decoded here, see open_picture
        return PictureError(reason_of(error))

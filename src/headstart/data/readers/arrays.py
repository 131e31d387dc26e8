"""A pair (X, y): pictures or features, and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.pictures import PictureSet
from headstart.data.readers.answers import labelled
from headstart.data.readers.base import CLASSIFICATION, Columns, Reader, Rows, count
from headstart.data.readers.frame import is_frame, row_ids
from headstart.data.readers.items import check_paths, is_pillow, picture_item
from headstart.data.readers.values import features_of, finite, groups_of, parts_of, series
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd


def _is_pair(data: Any) -> bool:
    return isinstance(data, tuple) and len(data) == 2


def _read(data: tuple[Any, Any], columns: Columns) -> Rows:
    """Read (X, y).

    X is an array (n, d) of features, an array (n, H, W), (n, H, W, C) or (n, C, H, W) of pictures, a DataFrame of
    features, or a sequence of paths, encoded bytes, arrays or Pillow images.
    """
    columns.refuse("image", "label", because="(X, y) has no columns; y holds the labels")
    x, y = data
    try:
        n = len(x)
    except TypeError as error:  # a generator, a sparse matrix
        raise DataError(f"X is of type {type(x).__name__!r}: give a dense array or a list") from error
    if n == 0:
        raise DataError("X has no rows: give at least two examples of each class")
    if is_frame(x):
        ids = row_ids([], x.index.tolist())
        ids = ids if len(set(ids)) == n else [str(i) for i in range(n)]
        examples: dict[str, Any] = {
            "features": features_of(x, list(x.columns)),
            "feature_names": tuple(map(str, x.columns)),
        }
    elif _holds_items(x):
        values = list(x)
        items = [picture_item(value, Path.cwd()) for value in values]
        check_paths(items, "X", Path.cwd())
        ids = row_ids([Path(value).as_posix() for value in values if isinstance(value, (str, Path))], range(n))
        examples = {"pictures": PictureSet(items)}
    else:
        ids = [str(i) for i in range(n)]
        examples = _examples(_numbers(x))
    return Rows(
        name="arrays",
        ids=ids,
        split=None if columns.split is None else parts_of(series(columns.split, n, "split"), ids, "split"),
        groups=None if columns.group is None else groups_of(series(columns.group, n, "group")),
        **labelled(_labels(y, n, columns.task), ids, columns.task, ""),
        **examples,
    )


def _labels(y: Any, n: int, task: str) -> pd.DataFrame:
    """Return y as a table of n rows: of one column "y" or, for tasks that know several, as many as it has."""
    import pandas as pd

    if task == CLASSIFICATION or not (is_frame(y) or (isinstance(y, np.ndarray) and y.ndim == 2)):
        return pd.DataFrame({"y": series(y, n, "y")})
    table = y if is_frame(y) else pd.DataFrame(np.asarray(y))
    if len(table) != n:
        raise DataError(f"y has {count(len(table), 'row')} for {count(n, 'row')} of X: give one for each")
    return table.reset_index(drop=True).rename(columns=str)


def _holds_items(x: Any) -> bool:
    """Say whether X is a sequence of single pictures rather than one block of numbers."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "OUS"
    if not isinstance(x, (list, tuple)) and not hasattr(x, "iloc"):
        return False
    first: Any = next((value for value in x if value is not None), None)
    return isinstance(first, (str, Path, bytes, bytearray, dict)) or is_pillow(first) or np.ndim(first) >= 2


def _numbers(x: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DataError("the rows of X differ in length: give each the same number of features") from error
    if array.dtype.kind not in "buif":
        raise DataError(f"X holds {array.dtype}, not numbers: give numbers, or paths or pictures in a list")
    return array


def _examples(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.ndim == 2:
        names = tuple(f"x{column}" for column in range(array.shape[1]))
        if not names:
            raise DataError(f"X has shape {array.shape}: {count(len(array), 'row')} without any feature")
        return {"features": finite(array.astype(np.float64), names), "feature_names": names}
    if array.ndim in (3, 4):
        return {"pictures": PictureSet(list(array))}
    raise DataError(
        f"X has shape {array.shape}: give (n, features), (n, height, width) or (n, height, width, channels)"
    )


ARRAYS = Reader("a pair (X, y) of arrays", _is_pair, _read)

"""Checked values of a table's columns: labels, parts, groups and features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.base import Column, count, part_of, short, some
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

# Fractions of which more than this share differ are a quantity, not classes.
_MOST_DIFFERENT = 0.5


def labels_of(values: pd.Series, ids: Sequence[str], what: str) -> list[str]:
    """Return labels as text, numbers without a needless ".0".

    Raises
    ------
    DataError
        If a label is missing, or if the labels are a continuous quantity.
    """
    import pandas as pd

    missing = values.isna().to_numpy()
    if values.dtype.kind not in "biuf":
        missing = missing | np.array([isinstance(value, str) and not value.strip() for value in values], bool)
    if missing.any():
        raise DataError(
            f"{what} has no value in {missing.sum():,} of {count(len(values), 'row')}, "
            f"the first {_rows(missing, ids)}: fill them in or remove these rows"
        )
    text = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    if values.dtype.kind in "biumM":
        return text
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(numbers).all():
        return text
    different = len(np.unique(numbers))
    if (numbers % 1).any() and different > _MOST_DIFFERENT * len(numbers):
        raise DataError(
            f"{what} holds {different:,} different numbers in {count(len(numbers), 'row')}, from {numbers.min():g} to "
            f"{numbers.max():g}: give classes, or predict the number itself with --task regress"
        )
    if not any("." in value for value in text):
        return text
    short = [f"{number:.0f}" if number % 1 == 0 else f"{number:.6g}" for number in numbers]
    return short if len(set(short)) == len(set(text)) else text  # "1" and "1.0" must not fall together


def parts_of(values: pd.Series, ids: Sequence[str], what: str) -> list[str]:
    """Return "train", "val" or "test" for each row.

    Raises
    ------
    DataError
        If a value names no part of the data.
    """
    parts = [part_of(value) for value in values]
    unknown = np.array([part == "" for part in parts], bool)
    if unknown.any():
        strange = sorted({str(value) for value in values[unknown]})
        raise DataError(
            f"{what} holds {some(strange)} in {unknown.sum():,} of {count(len(parts), 'row')}, the first "
            f"{_rows(unknown, ids)}: write train, val or test in each row"
        )
    return parts


def groups_of(values: pd.Series) -> NDArray[np.int64]:
    """Return a code for each value, -1 where it is missing."""
    import pandas as pd

    return np.asarray(pd.factorize(values)[0], np.int64)


def features_of(frame: pd.DataFrame, names: Sequence[Column]) -> NDArray[np.float64]:
    """Return the columns ``names`` as (n, d) float64.

    Raises
    ------
    DataError
        If a column holds something that is no number, or no finite one.
    """
    import pandas as pd

    columns: list[NDArray[np.float64]] = []
    for name in names:
        values = frame[name]
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        text = np.isnan(numbers) & values.notna().to_numpy()
        if values.dtype.kind in "cmM" or text.any():
            example = values[text].iloc[0] if text.any() else values.iloc[0]
            raise DataError(
                f"feature column {str(name)!r} holds {short(example)}, which is no number "
                f"(in {max(text.sum(), 1):,} of {count(len(values), 'row')}): encode it as numbers or drop it, "
                f"or give image={str(name)!r} if it holds pictures"
            )
        columns.append(numbers)
    return finite(np.column_stack(columns), [str(name) for name in names])


def finite(features: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Return ``features`` if all of them are finite.

    Raises
    ------
    DataError
        Otherwise; it names the first column that is not, and counts.
    """
    if np.isfinite(features).all():
        return np.ascontiguousarray(features)
    bad = (~np.isfinite(features)).sum(axis=0)
    first = int(np.flatnonzero(bad)[0])
    others = int((bad > 0).sum()) - 1
    also = f" (and {count(others, 'other column')} as well)" if others else ""
    raise DataError(
        f"feature column {names[first]!r} is missing or infinite in {bad[first]:,} of "
        f"{count(len(features), 'row')}{also}: fill the gaps or drop the column"
    )


def series(values: Any, n: int, what: str) -> pd.Series:
    """Return ``n`` values as a series, whatever sequence they come in.

    Raises
    ------
    DataError
        If there are not ``n``, or if they have more than one dimension.
    """
    import pandas as pd

    array = values if isinstance(values, (pd.Series, list, tuple)) else np.asarray(values)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if getattr(array, "ndim", 1) != 1:
        raise DataError(f"{what} has shape {np.shape(array)}: give one value for each row")
    if len(array) != n:
        raise DataError(f"{what} has {count(len(array), 'value')} for {count(n, 'row')}: give one for each row")
    return pd.Series(array).reset_index(drop=True)


def _rows(mask: NDArray[np.bool_], ids: Sequence[str]) -> str:
    return some([ids[int(row)] for row in np.flatnonzero(mask)[:3]])

"""Rows of a source or a target as named columns, and the columns that both have as numbers."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError

Kind = Literal["number", "category"]
Floats = NDArray[np.float64]

_LEVELS = 20  # values of a category that get a column of their own; the rarer ones share one
_FEW = 100  # columns; of more, as of a network's features, single ones matter little
_FAR = 10.0  # standard deviations; what lies further out counts as this far


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Rows with named columns.

    Attributes
    ----------
    columns : mapping of str to ndarray, shape (n,)
        Numbers as float64, NaN where one is missing; categories as objects, None where one is missing.
    kinds : mapping of str to str
        "number" or "category".
    named : bool
        Whether the names mean something; columns of a plain array are only numbered.
    """

    columns: Mapping[str, NDArray[Any]]
    kinds: Mapping[str, Kind]
    named: bool

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: NDArray[Any]) -> Table:
        """Return some rows."""
        return Table({name: values[rows] for name, values in self.columns.items()}, self.kinds, self.named)


def read_table(X: Any, names: Sequence[str] | None = None, what: str = "X") -> Table:
    """Return an array (n, d) or a DataFrame as named columns.

    In a DataFrame numbers, truth values and dates are numbers; text and pandas' categories are categories.

    Raises
    ------
    DataError
        If it is no table, is empty, has a name twice or holds infinite numbers.

    Examples
    --------
    >>> read_table([[1.0, 2.0]], ["age", "dose"]).kinds
    {'age': 'number', 'dose': 'number'}
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(X, pandas.DataFrame):
        labels = [str(name) for name in X.columns]
        series = [X.iloc[:, position] for position in range(X.shape[1])]
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise DataError(f"{what} has shape {array.shape}: give one row an example, (n, d), or a DataFrame")
        labels = [f"x{position}" for position in range(array.shape[1])]
        series = list(array.T)
    if names is not None:
        if len(names) != len(labels):
            raise DataError(f"{what} has {len(labels)} columns and {len(names)} feature_names: give one name each")
        labels = [str(name) for name in names]
    if not labels or not len(series[0]):
        raise DataError(f"{what} is empty: give at least one row and one column")
    twice = [name for position, name in enumerate(labels) if name in labels[:position]]
    if twice:
        raise DataError(f"{what} has the column {twice[0]!r} twice: rename one of them")
    columns: dict[str, NDArray[Any]] = {}
    kinds: dict[str, Kind] = {}
    for name, values in zip(labels, series, strict=True):
        kinds[name], columns[name] = _column(values)
        if kinds[name] == "number" and np.isinf(columns[name]).any():
            raise DataError(f"column {name!r} of {what} holds infinite numbers: mend them or leave the column out")
    frame = pandas is not None and isinstance(X, pandas.DataFrame)
    return Table(columns, kinds, named=names is not None or frame)


def _column(values: Any) -> tuple[Kind, NDArray[Any]]:
    kind = getattr(values.dtype, "kind", "O")
    if not hasattr(values, "isna") and kind in "biuf":
        return "number", values.astype(np.float64)
    import pandas as pd

    column = pd.Series(values)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category", _texts(column)
    if kind in "mM":
        days: Any = column - pd.Timestamp(0, tz=column.dt.tz) if kind == "M" else column
        return "number", (days / pd.Timedelta(days=1)).to_numpy(np.float64)
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().sum() == column.notna().sum() and column.notna().any():
        return "number", numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return "category", _texts(column)


def _texts(column: Any) -> NDArray[np.object_]:
    texts = np.full(len(column), None, dtype=object)
    there = column.notna().to_numpy()
    texts[there] = [str(value) for value in column[there]]
    return texts


def as_numbers(source: Table, target: Table, names: Sequence[str]) -> tuple[Floats, Floats]:
    """Return the columns ``names`` of both as numbers, (ns, m) and (nt, m), on one scale.

    Numbers become the normal scores of their ranks among the rows of both, so that skewed and heavy-tailed columns are
    seen as well as others; where there are more than 100 columns they get mean 0 and standard deviation 1 instead, and
    what lies more than 10 deviations out counts as 10. A missing number gets the mean, and a column of its own says
    that it was missing. Categories get a column for each of their 20 most frequent values and one for all others.
    Constant columns are left out.
    """
    ns = len(source)
    found: list[Floats] = []
    for name in names:
        both = np.concatenate([source.columns[name], target.columns[name]])
        if source.kinds[name] == "category":
            values, codes, counts = np.unique(
                np.array(["" if one is None else f"={one}" for one in both]), return_inverse=True, return_counts=True
            )
            frequent = np.argsort(-counts, kind="stable")[:_LEVELS]
            found += [(codes == code).astype(np.float64) for code in frequent]
            if len(values) > _LEVELS:
                found.append((~np.isin(codes, frequent)).astype(np.float64))
        else:
            missing = np.isnan(both)
            if missing.any():
                found.append(missing.astype(np.float64))
                both = np.where(missing, both[~missing].mean() if not missing.all() else 0.0, both)
            found.append(_normal_scores(both) if len(names) <= _FEW else both)
    table = np.column_stack(found) if found else np.zeros((ns + len(target), 0))
    table = table - table.mean(axis=0)
    scale = table.std(axis=0)
    varies = scale > 1e-12 * np.maximum(np.abs(table).max(axis=0, initial=0.0), 1e-300)
    table = np.clip(table[:, varies] / scale[varies], -_FAR, _FAR)
    return table[:ns], table[ns:]


def _normal_scores(values: Floats) -> Floats:
    """Return the normal quantiles of the values' ranks, (rank - 1/2) / n; equal values share a rank."""
    from scipy.stats import norm, rankdata

    return np.asarray(norm.ppf((rankdata(values) - 0.5) / len(values)))

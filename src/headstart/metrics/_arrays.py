"""What every metric asks of its arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def checked(y: ArrayLike, probabilities: ArrayLike) -> tuple[Codes, Floats]:
    """Return classes (n,) and probabilities (n, k), or say what does not fit."""
    codes, table = np.asarray(y), np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 1:
        raise DataError(f"probabilities have shape {table.shape}: give one row an example and one column a class")
    if codes.shape != table.shape[:1]:
        raise DataError(f"y has shape {codes.shape} and probabilities {table.shape}: give one row for each example")
    if not len(codes):
        raise DataError("y is empty: give at least one example")
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise DataError(f"probabilities of row {row} are {table[row].tolist()}: give finite numbers")
    return checked_codes(codes, table.shape[1]), table


def checked_codes(codes: ArrayLike, n_classes: int, name: str = "y") -> Codes:
    """Return class indices as int64, each between 0 and ``n_classes`` - 1."""
    result = np.asarray(codes)
    if result.size and (result.dtype.kind not in "iu" or result.min() < 0 or result.max() >= n_classes):
        raise DataError(
            f"{name} has values from {result.min()!s} to {result.max()!s} of type {result.dtype}: "
            f"give class indices from 0 to {n_classes - 1}"
        )
    return result.astype(np.int64)


def checked_rows(rows: ArrayLike, n: int, name: str) -> NDArray[np.floating]:
    """Return ``rows`` as (n, d) finite floats; float32 stays float32, and nothing is copied that need not be."""
    table = np.asarray(rows)
    if table.dtype not in (np.float32, np.float64):
        table = table.astype(np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise DataError(f"{name} have shape {table.shape}: give one row an example")
    if len(table) != n:
        raise DataError(f"{name} have {len(table):,} rows and labels {n:,}: give one label for each row")
    good = np.isfinite(table).all(axis=1)
    if not good.all():
        raise DataError(f"{name} of row {int(np.flatnonzero(~good)[0])} are not all finite numbers")
    return table

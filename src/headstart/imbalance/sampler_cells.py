"""The pictures of each class and group, and the order in which they take turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Rows = NDArray[np.int64]
_BLOCK = 1024  # draws that one random generator is made for


class Cells:
    """The rows of each cell: of each class, or of each class and group that occur together.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Classes, from 0.
    groups : array_like, shape (n,), optional
        Groups, which divide classes.

    Attributes
    ----------
    classes : ndarray of int, shape (m,)
        Class of each cell, ascending.
    rows : list of ndarray
        Rows of each cell.

    Raises
    ------
    DataError
        If there is not one group a row.
    """

    def __init__(self, codes: Rows, groups: ArrayLike | None = None) -> None:
        within = np.zeros_like(codes)
        if groups is not None:
            given = np.asarray(groups)
            if given.shape != codes.shape:
                raise DataError(f"groups have shape {given.shape} for {len(codes)} labels: give one a picture")
            within = np.unique(given, return_inverse=True)[1]
        pairs, cells = np.unique(np.column_stack([codes, within]), axis=0, return_inverse=True)
        self.classes: Rows = pairs[:, 0]
        self.cells: Rows = cells.reshape(-1)
        self.sizes = np.bincount(self.cells)
        self.rows = np.split(np.argsort(self.cells, kind="stable"), np.cumsum(self.sizes)[:-1])

    def __len__(self) -> int:
        return len(self.rows)

    def of_class(self, code: int) -> slice:
        """Return where the cells of a class are."""
        return slice(*np.searchsorted(self.classes, [code, code + 1]).tolist())

    def stream(self, cell: int, start: int, count: int, seed: tuple[int, ...]) -> Rows:
        """Return ``count`` rows of a cell's endless stream from ``start`` on: all rows, shuffled, time and again."""
        rows = self.rows[cell]
        cycles = max(1, _BLOCK // len(rows))
        size = cycles * len(rows)
        first, last = start // size, (start + count - 1) // size
        blocks = [
            np.random.default_rng([*seed, cell, block]).permuted(np.tile(rows, (cycles, 1)), axis=1).ravel()
            for block in range(first, last + 1)
        ]
        return np.concatenate(blocks)[start - first * size :][:count] if count else rows[:0]

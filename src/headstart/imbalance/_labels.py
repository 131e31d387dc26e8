"""What every function of this room asks of its labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_codes
from headstart.results import DataError

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Seed = int | np.random.Generator | None


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """Labels as codes.

    Attributes
    ----------
    names : ndarray, shape (k,)
        Label of each class, sorted.
    codes : ndarray of int64, shape (n,)
    counts : ndarray of int64, shape (k,)
        Examples of each class; 0 only where the number of classes was given.
    """

    names: NDArray[Any]
    codes: Codes
    counts: Codes

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""
        return len(self.names)

    @property
    def shares(self) -> Floats:
        """Share of each class, (k,)."""
        return np.asarray(self.counts / len(self.codes))


def checked_labels(y: ArrayLike, n_classes: int | None = None) -> Labels:
    """Return labels (n,) as codes: of the sorted labels that occur or, given ``n_classes``, the labels themselves.

    Raises
    ------
    DataError
        If there is no label, one is missing, or they are no class indices where ``n_classes`` is given.
    """
    given = np.asarray(y)
    if given.ndim != 1 or not len(given):
        raise DataError(f"y has shape {given.shape}: give one label for each example, at least one")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise DataError(f"the label of row {int(np.flatnonzero(~np.isfinite(given))[0])} is missing: leave the row out")
    if n_classes is not None:
        if n_classes < 1:
            raise DataError(f"n_classes={n_classes}: give the number of classes, 1 or more")
        if given.dtype.kind not in "iu":
            raise DataError(f"y is of type {given.dtype}: give class indices from 0 to {n_classes - 1}")
        codes = checked_codes(given, n_classes)
        return Labels(np.arange(n_classes), codes, np.bincount(codes, minlength=n_classes))
    try:
        names, found = np.unique(given, return_inverse=True)
    except TypeError as error:
        raise DataError(f"labels cannot be sorted ({error}): give all as text or all as numbers") from None
    return Labels(names, found.astype(np.int64), np.bincount(found))


def checked_shares(shares: ArrayLike, n_classes: int, name: str) -> Floats:
    """Return shares (k,) of classes, none negative, that add up to 1."""
    found = np.asarray(shares, dtype=np.float64)
    if found.shape != (n_classes,):
        raise DataError(f"{name} has shape {found.shape} for {n_classes} classes: give one share for each")
    if not (found >= 0).all() or abs(found.sum() - 1) > 1e-6:
        raise DataError(f"{name} is {found.tolist()}: give shares of the classes, none negative, that add up to 1")
    return np.asarray(found / found.sum())

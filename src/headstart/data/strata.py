"""By what rows are spread evenly over parts and folds where they have no single class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headstart.data.target import Target

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_RANGES = 5  # of numbers
_LEAST = 2  # groups of a stratum


def number_strata(values: Floats, usable: NDArray[np.bool_]) -> tuple[tuple[str, ...], Codes]:
    """Return the names of ranges that hold as many of the usable numbers each, and the range of each row (-1: none).

    Parameters
    ----------
    values : ndarray, shape (n,)
    usable : ndarray of bool, shape (n,)

    Examples
    --------
    >>> names, codes = number_strata(np.arange(10.0), np.arange(10) > 0)
    >>> names[0], codes.tolist()
    ('1 to 2', [-1, 0, 0, 1, 1, 2, 3, 3, 4, 4])
    """
    known = values[usable]
    edges = np.unique(np.quantile(known, np.arange(1, _RANGES) / _RANGES))
    inside = np.searchsorted(edges, known, side="right")
    there, inside = np.unique(inside, return_inverse=True)
    codes = np.full(len(values), -1)
    codes[usable] = inside
    ends = [(known[inside == code].min(), known[inside == code].max()) for code in range(len(there))]
    return tuple(f"{low:g} to {high:g}" if low < high else f"{low:g}" for low, high in ends), codes


def label_strata(
    onehot: Floats, names: Sequence[str], usable: NDArray[np.bool_], groups: Codes
) -> tuple[tuple[str, ...], Codes]:
    """Return strata for rows with several labels: the rarest label that a row has, so that rare ones are spread.

    It is what iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) begins with. Rows without a label are
    a stratum, and those of labels in one group only go to the rows of the most common stratum.

    Parameters
    ----------
    onehot : ndarray, shape (n, m)
        0 or 1.
    names : sequence of str
        Of the m labels.
    usable : ndarray of bool, shape (n,)
    groups : ndarray of int64, shape (n,)

    Examples
    --------
    >>> Y = np.array([[1, 0], [1, 0], [1, 1], [1, 1], [0, 0], [0, 0]], dtype=float)
    >>> label_strata(Y, ["red", "round"], np.ones(6, bool), np.arange(6))
    (('red', 'round', 'no label'), array([0, 0, 1, 1, 2, 2]))
    """
    counts = onehot[usable].sum(axis=0)
    rarest = np.where(onehot > 0, counts, np.inf).argmin(axis=1)
    codes = np.where(onehot.any(axis=1), rarest, len(names))
    codes = merged(np.where(usable, codes, -1), groups)
    there, inverse = np.unique(codes[usable], return_inverse=True)
    codes[usable] = inverse
    return tuple([*names, "no label"][code] for code in there), codes


def merged(strata: Codes, groups: Codes, least: int = _LEAST) -> Codes:
    """Return ``strata`` with those that have fewer than ``least`` groups put into the largest; -1 stays.

    >>> merged(np.array([0, 0, 0, 1, -1]), np.arange(5)).tolist()
    [0, 0, 0, 0, -1]
    """
    known = strata >= 0
    codes, counts = np.unique(strata[known], return_counts=True)
    if not len(codes):
        return strata
    few = [code for code in codes if len(np.unique(groups[strata == code])) < least]
    return np.where(np.isin(strata, few), codes[counts.argmax()], strata)


def folds(
    target: Target, rows: Codes, *, n_folds: int, random_state: int | np.random.Generator
) -> list[tuple[Codes, Codes]]:
    """Return (training, test) sides of each fold, as positions in ``rows``: stratified where that can be, groups whole.

    Raises
    ------
    DataError
        If all rows are in one group.
    """
    from headstart.data.splits import stratified_group_folds
    from headstart.results import DataError

    groups, seed = target.groups[rows], np.random.default_rng(random_state).integers(2**31)
    if len(np.unique(groups)) < 2:
        raise DataError("all rows that may be learned from are in one group: nothing is left to compare with; add more")
    try:
        return stratified_group_folds(merged(target.y[rows], groups), groups, n_folds=n_folds, random_state=int(seed))
    except DataError:  # the groups tie the strata together
        return stratified_group_folds(np.zeros(len(rows)), groups, n_folds=n_folds, random_state=int(seed))

"""How often each class is to be drawn, and what that is in whole draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Shares = str | float | Mapping[Any, float]
SHARES = ("equal", "sqrt", "natural", "progressive")
_POWERS = {"equal": 0.0, "sqrt": 0.5, "natural": 1.0}


def shares_of(counts: ArrayLike, rule: str | float, progress: float = 0.0) -> Floats:
    """Return the share of each class, summing to 1.

    Parameters
    ----------
    counts : array_like, shape (k,)
        Examples of each class, positive.
    rule : {"equal", "sqrt", "natural", "progressive"} or float
        A number q gives shares in proportion to counts**q.
    progress : float
        For ``"progressive"``: 0 is natural, 1 is equal, and in between the shares are too.

    Raises
    ------
    DataError
        If there is no such rule.

    Examples
    --------
    >>> shares_of([90, 10], "sqrt").tolist()
    [0.75, 0.25]
    >>> shares_of([90, 10], "progressive", 0.5).tolist()
    [0.7, 0.3]
    """
    known = np.asarray(counts, dtype=np.float64)
    if rule == "progressive":
        return (1 - progress) * shares_of(known, "natural") + progress / len(known)
    if isinstance(rule, str) and rule not in _POWERS:
        raise DataError(f"shares={rule!r}: choose {', '.join(SHARES)}, a number, or a share for each class")
    power = _POWERS[rule] if isinstance(rule, str) else float(rule)
    if not np.isfinite(power):
        raise DataError(f"shares={rule!r}: give a power of the counts, such as 0 (equal), 0.5 or 1 (natural)")
    found = np.exp(power * np.log(known / known.max()))
    return np.asarray(found / found.sum())


def given_shares(classes: NDArray[Any], shares: Mapping[Any, float]) -> Floats:
    """Return the shares of a mapping in the order of ``classes``, summing to 1.

    Raises
    ------
    DataError
        If classes differ, or the shares are no numbers of at least 0.
    """
    labels = classes.tolist()
    odd = sorted(map(str, set(shares) ^ set(labels)))
    if odd:
        raise DataError(f"shares and labels do not have the same classes, see {odd[0]!r}: give each class a share")
    found = np.array([shares[label] for label in labels], dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise DataError(f"shares={dict(shares)}: give shares of at least 0, not all 0")
    return np.asarray(found / found.sum())


def with_least(targets: Floats, least: float) -> Floats:
    """Return targets of the same sum, those that are positive being at least ``least``; the others keep their ratios.

    Examples
    --------
    >>> with_least(np.array([8.0, 1.0, 1.0, 0.0]), 2).tolist()
    [6.0, 2.0, 2.0, 0.0]
    """
    total = targets.sum()
    found, raised = targets.copy(), np.zeros(len(targets), dtype=bool)
    while True:
        low = ~raised & (targets > 0) & (found < least)
        if not low.any():
            return found
        raised |= low
        found = np.where(raised, least, targets)
        free = targets[~raised].sum()
        if free > 0:
            found[~raised] *= max(0.0, total - least * raised.sum()) / free


def whole_numbers(shares: Floats, total: int, rng: np.random.Generator) -> Rows:
    """Return whole numbers that sum to ``total``, each ``shares * total`` rounded up or down, right in the mean.

    So are the sums of neighbours: this is systematic sampling, of points one apart along the cumulative shares.
    """
    if not total:
        return np.zeros(len(shares), dtype=np.int64)
    edges = np.cumsum(shares) / shares.sum() * total
    edges = np.floor(np.round(edges, 6) + rng.random())  # what should be whole is whole in spite of rounding errors
    edges[-1] = total
    found: Rows = np.diff(edges, prepend=0).astype(np.int64)
    return found

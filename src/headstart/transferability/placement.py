"""How sure a ranking is: the same sources, scored again on random halves of the pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.metrics import Interval
from headstart.transferability.combine import combined

if TYPE_CHECKING:
    from headstart.transferability.combine import Scores

Rows = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a source stands among others.

    Attributes
    ----------
    score : Interval
        Its combined score, in standard deviations over the sources, with a 95 % interval over pictures.
    rank : int
        From 1, the best.
    first : float
        Share of the halves on which it is the best.
    """

    score: Interval
    rank: int
    first: float


def halves(y: Rows, groups: Rows, n_draws: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield halves of the rows and, after each, what it leaves out; groups stay whole, every class keeps two rows.

    A score of half of the pictures spreads around its mean as one of all of them spreads around the truth: drawing
    without replacement gives the bootstrap's variance without its copies, which neighbours and leave-one-out would
    see. A class is split by its groups; one that is all in a single group stands on both sides.

    Parameters
    ----------
    y, groups : ndarray of int64, shape (n,)
    n_draws : int
        Halves in all.
    rng : Generator
    """
    found = 0
    while found < n_draws:
        side = np.zeros(len(y), dtype=np.int8)
        for code in np.unique(y):
            mine = np.flatnonzero(y == code)
            names = rng.permutation(np.unique(groups[mine]))
            first = np.isin(groups[mine], names[: len(names) // 2 + int(rng.integers(2)) * (len(names) % 2)])
            side[mine] = np.where(first, 1, 2)
            if min(first.sum(), (~first).sum()) < 2:
                side[mine] = 3
        for part in (1, 2):
            if found < n_draws:
                found += 1
                yield np.flatnonzero(side & part)


def placements(
    scores: Sequence[Scores], drawn: Sequence[Sequence[Scores]], weights: Mapping[str, float]
) -> tuple[Placement, ...]:
    """Return where each source stands, from its scores on all pictures and on halves of them.

    Parameters
    ----------
    scores : sequence of mapping
        Of each source, on all pictures.
    drawn : sequence of sequence of mapping
        For each half, of each source, the scores that have a weight. All sources see the same halves, so that what
        makes a half hard for all of them cancels out.
    weights : mapping of str to float
        As ``learn_weights`` returns them.

    Examples
    --------
    >>> one, other = {"knn": 0.9}, {"knn": 0.8}
    >>> [place.rank for place in placements([other, one], [[other, one]] * 9, {"knn": 1.0})]
    [2, 1]
    """
    values = combined(scores, weights)
    table = np.array([combined(half, weights) for half in drawn])
    deviations = table - table.mean(axis=0)
    low, high = np.quantile(deviations, [0.025, 0.975], axis=0)
    order = np.argsort(-values, kind="stable")
    ranks = np.empty(len(values), dtype=int)
    ranks[order] = np.arange(1, len(values) + 1)
    best = table == table.max(axis=1, keepdims=True)
    first = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return tuple(
        Placement(Interval(float(value), float(value + below), float(value + above)), int(rank), float(share))
        for value, below, above, rank, share in zip(values, low, high, ranks, first, strict=True)
    )


def how_many(first: Sequence[float], sure: float = 0.95) -> int:
    """Return how many sources, the likeliest first, hold the best one with probability ``sure``.

    >>> how_many([0.6, 0.1, 0.3]), how_many([1.0, 0.0])
    (3, 1)
    """
    shares = np.cumsum(np.sort(np.asarray(first, dtype=np.float64))[::-1])
    return min(len(shares), int((shares < sure - 1e-9).sum()) + 1)

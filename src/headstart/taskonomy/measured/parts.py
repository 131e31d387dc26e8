"""Which pictures train encoders, which few train decoders, which compare sources, and which judge in the end."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_SHARE = 0.2  # of the pictures, each for comparing and for judging, and at most for the few
_JUDGE, _REST = 0, 1


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Disjoint rows, groups whole.

    Attributes
    ----------
    encode : ndarray of int64
        Train the encoders and the fully supervised networks.
    few : ndarray of int64
        Train decoders, and the networks from scratch.
    compare : ndarray of int64
        The tournaments, from which affinities are made.
    judge : ndarray of int64
        What measures gain and quality; affinities have not seen it.
    """

    encode: Rows
    few: Rows
    compare: Rows
    judge: Rows


def split(groups: Rows, few: int, *, seed: int, number: int) -> Parts:
    """Return the parts of repetition ``number``: the judging pictures are the same in all, the others are dealt anew.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
    few : int
        Pictures that decoders are trained on; at most a fifth of all.
    seed, number : int
    """
    n = len(groups)
    fifth = round(_SHARE * n)
    judge, others = _take(np.arange(n), groups, fifth, np.random.default_rng([seed, _JUDGE]))
    rng = np.random.default_rng([seed, _REST, number])
    compare, others = _take(others, groups, fifth, rng)
    chosen, encode = _take(others, groups, min(few, fifth), rng)
    return Parts(encode, chosen, compare, judge)


def _take(rows: Rows, groups: Rows, n: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Draw whole groups until about ``n`` rows are taken; return those and the rest."""
    _, code, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    stop = int(np.argmin(np.abs(reached - n))) + 1
    taken = np.isin(code, order[:stop])
    return rows[taken], rows[~taken]

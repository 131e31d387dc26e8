"""Which labels are shown."""

from __future__ import annotations

import numpy as np

from headstart.transfer.relational.graph import Codes


def draw(y: Codes, count: int, rng: np.random.Generator, *, spare: int = 0) -> Codes:
    """Return rows of ``count`` labels of each class; at least one, else fewer where ``spare`` would not be left.

    >>> y = np.array([0, 0, 0, 1, -1])
    >>> rows = draw(y, 2, np.random.default_rng(0), spare=1)
    >>> y[rows].tolist()
    [0, 0, 1]
    """
    rows = [np.flatnonzero(y == code) for code in range(int(y.max()) + 1)]
    return np.sort(np.concatenate([rng.permutation(own)[: max(1, min(count, len(own) - spare))] for own in rows]))

"""In which order to try things, from how they did on earlier targets: the likeliest first, then what it misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FLOOR = 0.05  # weight of a target that is nothing like this one, beside 1 of its twin


def missed(scores: Mapping[str, float], n: int) -> dict[str, float]:
    """Return, for each way, how surely it fell short of the best of them: 0 for the best, to 1.

    ``1 - exp(-r² / 2)``, r being the distance to the best score in its standard errors, sqrt(s (1 - s) / n).

    >>> {name: round(value, 2) for name, value in missed({"a": 0.9, "b": 0.87, "c": 0.5}, 100).items()}
    {'a': 0.0, 'b': 0.39, 'c': 1.0}
    """
    best = max(scores.values())
    error = np.sqrt(max(best * (1 - best), 1 / n) / n)
    return {name: float(1 - np.exp(-(((best - score) / error) ** 2) / 2)) for name, score in scores.items()}


def likeness(meta: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> Floats:
    """Return the weight of each earlier target, (m,): 1 for one that looks the same, falling to 0.05.

    Each meta-feature that all have is measured in its standard deviation over them; the distance is the root of the
    mean square of the differences, and the weight ``exp(-(distance / h)² / 2)`` with h half the median distance.

    >>> likeness({"rows": 5.0}, [{"rows": 5.0}, {"rows": 6.0}, {"rows": 9.0}]).round(2).tolist()
    [1.0, 0.14, 0.05]
    """
    if not others:
        return np.zeros(0)
    names = sorted({*meta}.intersection(*others))
    table = np.array([[one[name] for name in names] for one in (meta, *others)], dtype=np.float64)
    table = table[:, np.isfinite(table).all(axis=0)]
    spread = table.std(axis=0)
    table = table[:, spread > 0] / spread[spread > 0]
    if not table.shape[1]:
        return np.ones(len(others))
    distance = np.sqrt(((table[1:] - table[0]) ** 2).mean(axis=1))
    width = np.median(distance) / 2
    return np.maximum(np.exp(-((distance / width) ** 2) / 2), _FLOOR) if width else np.where(distance > 0, _FLOOR, 1.0)


def order(names: Sequence[str], tables: Sequence[Mapping[str, float]], weights: Floats) -> tuple[str, ...]:
    """Return ``names`` in the order in which they are to be tried.

    First the way that is missed least, in the weighted mean over the tables; then each time the one that adds most
    where those before it fell short, as a greedy portfolio does. A way that a table does not have counts there as its
    mean over the others; one that no table has stays where it stood, after all that are known. Equals stay in order.

    Parameters
    ----------
    names : sequence of str
        In the order of an empty history.
    tables : sequence of mapping of str to float
        Of each earlier target, see :func:`missed`.
    weights : ndarray, shape (m,)
        See :func:`likeness`.

    References
    ----------
    Feurer et al. (2022), Auto-sklearn 2.0: hands-free AutoML via meta-learning, JMLR 23, algorithm 1.

    Examples
    --------
    >>> tables = [{"a": 0.3, "b": 0.0, "c": 1.0}, {"a": 0.3, "b": 0.2, "c": 1.0}, {"a": 0.3, "b": 0.8, "c": 0.0}]
    >>> order(["a", "b", "c", "new"], tables, np.ones(3))
    ('a', 'b', 'c', 'new')
    >>> order(["a", "b", "c", "new"], tables, np.array([1.0, 1.0, 0.1]))
    ('b', 'c', 'a', 'new')
    """
    known = [name for name in names if any(name in table for table in tables)]
    cost = np.array([[table.get(name, np.nan) for name in known] for table in tables]).reshape(len(tables), len(known))
    held = np.isfinite(cost)
    total = (weights[:, None] * held).sum(axis=0)
    mean = np.where(held, weights[:, None] * np.nan_to_num(cost), 0.0).sum(axis=0) / np.where(total > 0, total, 1.0)
    cost = np.where(held, cost, mean)
    found: list[int] = []
    reached = np.full(len(tables), np.inf)
    while len(found) < len(known):
        left = weights @ np.minimum(reached[:, None], cost)
        # Where all is reached, what is missed least by itself goes on.
        ranked = np.lexsort((np.arange(len(known)), (weights @ cost).round(9), left.round(9)))
        best = next(int(place) for place in ranked if place not in found)
        found.append(best)
        reached = np.minimum(reached, cost[:, best])
    tried = [known[place] for place in found]
    return (*tried, *(name for name in names if name not in known))

"""Several scores of several sources made one, by weights that were learned on a truth table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
Scores = Mapping[str, float]

RIDGES = (0.01, 0.1, 1.0)


def standardized(sources: Sequence[Scores], names: Sequence[str]) -> Floats:
    """Return each score of each source in standard deviations over the sources, (sources, scores).

    Scores of different targets do not compare, but places among the same sources do. A source that lacks a score (it
    has no head of its own) is as good as the worst that has it; a score that no source has, or all alike, says nothing.

    Examples
    --------
    >>> standardized([{"knn": 0.5}, {"knn": 0.7}, {}], ["knn", "leep"]).round(2).tolist()
    [[-0.71, 0.0], [1.41, 0.0], [-0.71, 0.0]]
    """
    table = np.array([[float(one.get(name, np.nan)) for name in names] for one in sources])
    if not len(table):
        raise DataError("there are no sources to compare")
    for column in table.T:
        known = np.isfinite(column)
        column[~known] = column[known].min() if known.any() else 0.0
    spread = table.std(axis=0)
    centred = table - table.mean(axis=0)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(table), where=spread > 1e-12))


def combined(sources: Sequence[Scores], weights: Mapping[str, float]) -> Floats:
    """Return the weighted sum of the standardized scores of each source, (sources,); higher is better."""
    return np.asarray(standardized(sources, list(weights)) @ np.array(list(weights.values())))


def learn_weights(
    targets: Sequence[Sequence[Scores]],
    truths: Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    ridges: Sequence[float] = RIDGES,
) -> dict[str, float]:
    """Return weights of 0 or more under which the combined score follows the truth, all targets counting the same.

    Non-negative least squares of the standardized truth on the standardized scores, with a ridge, under which scores
    that say the same share the weight. Of several ridges, the one with which each target is best told by the others.

    Parameters
    ----------
    targets : sequence of sequence of mapping
        For each target, for each source, its scores.
    truths : sequence of sequence of float
        How good the sources turned out to be.
    names : sequence of str
        Scores to use.
    ridges : sequence of float
        Penalties on the squared weights, in units of the number of targets.

    Returns
    -------
    dict of str to float
        They add up to 1, unless all are 0.
    """
    X = [standardized(sources, names) / np.sqrt(len(sources)) for sources in targets]
    y = [
        standardized([{"truth": value} for value in values], ["truth"])[:, 0] / np.sqrt(len(values))
        for values in truths
    ]

    def error(ridge: float) -> float:
        rest = [([*X[:k], *X[k + 1 :]], [*y[:k], *y[k + 1 :]]) for k in range(len(X))]
        return sum(float(((X[k] @ _fit(*pair, ridge) - y[k]) ** 2).sum()) for k, pair in enumerate(rest))

    best = ridges[0] if len(ridges) == 1 or len(X) < 2 else min(ridges, key=error)
    found = _fit(X, y, best)
    return dict(zip(names, (found / (found.sum() or 1.0)).tolist(), strict=True))


def _fit(X: Sequence[Floats], y: Sequence[Floats], ridge: float) -> Floats:
    from scipy.optimize import nnls

    width = X[0].shape[1]
    penalty = np.sqrt(ridge * len(X)) * np.eye(width)
    return np.asarray(nnls(np.concatenate([*X, penalty]), np.concatenate([*y, np.zeros(width)]))[0])

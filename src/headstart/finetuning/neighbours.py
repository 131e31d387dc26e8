"""Depth by neighbours: k-nearest-neighbour scores of the taps, and the intrinsic dimension of a set of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.training.neighbours import nearest, votes

Rows = NDArray[np.int64]

KS = (1, 3, 5, 10, 20)
_DISCARDED = 0.1
_LEAST = 20


def neighbour_scores(
    taps: Sequence[NDArray[Any]], y: Rows, groups: Rows, *, n_classes: int, ks: Sequence[int] = KS
) -> tuple[int, tuple[float, ...]]:
    """Return k, and the macro-F1 of leave-group-out k-nearest-neighbour votes for each tap.

    k is the same for every tap, so that they compare: the one of ``ks`` whose macro-F1, averaged over the taps, is
    highest, the smallest of equals. A choice among five, made on the mean of the curve, flatters no tap in particular.

    Parameters
    ----------
    taps : sequence of ndarray, shape (n, d)
        Features of the same rows at each tap.
    y, groups : ndarray of int64, shape (n,)
        Classes, and what must not vote for itself.
    n_classes : int
        Number of classes.
    ks : sequence of int
        Ascending.
    """
    from headstart.metrics import scores

    found = []
    for X in taps:
        near = nearest(X, groups, max(ks))
        found.append([scores(y, votes(near, y, k, n_classes))["macro_f1"] for k in ks])
    best = int(np.mean(found, axis=0).argmax())
    return ks[best], tuple(float(row[best]) for row in found)


def intrinsic_dimension(X: ArrayLike) -> float:
    """Return how many directions the points need locally, by the ratio of their two nearest distances (TwoNN).

    Where the density hardly changes between a point's first and second neighbour, the ratio r2 / r1 follows a Pareto
    law whose exponent is the dimension d. It is found as the slope of -log(1 - F(r2 / r1)) over log(r2 / r1) through
    the origin, the largest tenth left out, as in the paper: pictures that are almost the same have ratios far off any
    law. Points that are exactly the same count once. Some hundred points in ten or more dimensions are too thin to see
    all of them: read it as a lower bound, and compare it between taps, not between targets.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Points.

    Returns
    -------
    float
        NaN with fewer than 20 different points.

    References
    ----------
    Facco, d'Errico, Rodriguez and Laio (2017), Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information, Scientific Reports 7, 12140, eq. 5 and the algorithm after it.

    Examples
    --------
    >>> plane = np.random.default_rng(0).random((2000, 2))
    >>> bool(abs(intrinsic_dimension(plane @ np.ones((2, 30)) + np.eye(2, 30)[0] * plane[:, :1]) - 2) < 0.2)
    True
    """
    from sklearn.neighbors import NearestNeighbors

    points = np.unique(np.asarray(X, dtype=np.float64), axis=0)
    if len(points) < _LEAST:
        return float("nan")
    points -= points.mean(axis=0)
    distances, _ = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(points).kneighbors()
    first, second = distances[distances[:, 0] > 0].T
    if len(first) < _LEAST:
        return float("nan")
    logs = np.sort(np.log(second / first))
    kept = int((1 - _DISCARDED) * len(logs))
    rises = -np.log1p(-np.arange(1, kept + 1) / len(logs))
    x = logs[:kept]
    return float(x @ rises / (x @ x)) if x.any() else float("nan")

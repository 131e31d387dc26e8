"""What the neighbours of a picture say: k-nearest-neighbour votes, and the intrinsic dimension of a set of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

KS = (1, 3, 5, 10, 20)
_CELLS = 8_000_000  # similarities that are held at a time
_DISCARDED = 0.1
_LEAST = 20


def nearest(X: ArrayLike, groups: ArrayLike, k: int) -> Rows:
    """Return the ``k`` rows of other groups with the highest cosine similarity to each row, the nearest first.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Features. A row of zeros is equally near to all.
    groups : array_like, shape (n,)
        Rows with equal values, such as copies of one picture, are never neighbours.
    k : int
        Neighbours wanted.

    Returns
    -------
    ndarray of int64, shape (n, min(k, n - 1))
        Row indices; -1 where there are not so many rows of other groups.

    Examples
    --------
    >>> nearest([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [0, 1, 2, 2], k=2).tolist()
    [[1, 3], [0, 3], [1, 0], [1, 0]]
    """
    features = np.asarray(X, dtype=np.float32)
    group = np.asarray(groups)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    n, k = len(unit), min(k, len(unit) - 1)
    found = np.empty((n, k), dtype=np.int64)
    chunk = max(1, _CELLS // n)
    for start in range(0, n, chunk):
        part = slice(start, start + chunk)
        similarity = unit[part] @ unit.T
        similarity[group[part, None] == group] = -np.inf
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(near, np.argsort(-np.take_along_axis(similarity, near, 1), axis=1, kind="stable"), 1)
        found[part] = np.where(np.take_along_axis(similarity, near, 1) == -np.inf, -1, near)
    return found


def votes(neighbours: Rows, y: Rows, k: int, n_classes: int) -> Floats:
    """Return the share of the first ``k`` neighbours in each class, (n, n_classes); the nearer ones break a tie.

    Parameters
    ----------
    neighbours : ndarray of int64, shape (n, at least k)
        As :func:`nearest` returns them. A row without any gives every class the same.
    y : ndarray of int64, shape (n,)
        Classes.
    """
    k = min(k, neighbours.shape[1])
    counts = np.zeros((len(neighbours), n_classes))
    for rank in range(k):
        known = np.flatnonzero(neighbours[:, rank] >= 0)
        # What is added for nearness comes to half a vote at most, all k together: it decides nothing but ties.
        counts[known, y[neighbours[known, rank]]] += 1 + (k - rank) / (k * (k + 1))
    counts[counts.sum(axis=1) == 0] = 1
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


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

"""What the neighbours of an example say: the nearest rows of other groups, and their votes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_CELLS = 8_000_000  # similarities that are held at a time


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

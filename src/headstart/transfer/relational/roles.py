"""Structural roles: where in a graph a node sits, in numbers that mean the same in another graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from headstart.results import DataError
from headstart.transfer.relational.graph import Floats, Graph
from headstart.transfer.relational.operators import operator

_BLOCK = 512  # columns of the identity that are spread at a time


class StructuralRoles(BaseEstimator):  # type: ignore[misc]
    """Recursive structural features (ReFeX) that are chosen on one graph and computed on any.

    Of each node: its degree, the relations among its neighbours and itself, those that leave this circle, and its
    clustering; then, ``n_levels`` times, sum and mean of what the neighbours have. What says the same as a feature
    before it on the graph of ``fit`` is left out: the two agree if they put no node more than ``tolerance`` bins apart,
    where the half of the nodes with the lowest values is in bin 0, the lower half of the others in bin 1 and so on.

    Parameters
    ----------
    n_levels : int
        How often neighbours are asked.
    tolerance : int
        Bins by which features may differ and still be the same.

    Attributes
    ----------
    names_ : tuple of str
        The features that are kept.

    References
    ----------
    Henderson et al. (2011), It's who you know: graph mining using recursive structural features, sec. 3.

    Examples
    --------
    >>> star = Graph([[0, 1], [0, 2], [0, 3]], [0, 0, 0, 0])
    >>> roles = StructuralRoles(n_levels=0).fit(star)
    >>> roles.names_
    ('degree',)
    >>> roles.transform(star).round(2).tolist()
    [[1.73], [-0.58], [-0.58], [-0.58]]
    """

    def __init__(self, n_levels: int = 1, *, tolerance: int = 0) -> None:
        self.n_levels = n_levels
        self.tolerance = tolerance

    def fit(self, graph: Graph, y: Any = None) -> StructuralRoles:
        """Choose the features that tell something new on ``graph``."""
        if self.n_levels < 0 or self.tolerance < 0:
            raise DataError(f"n_levels={self.n_levels}, tolerance={self.tolerance}: give numbers from 0 on")
        kept: dict[str, NDArray[np.int64]] = {}
        for name, column in recursive_features(graph, self.n_levels).items():
            bins = log_bins(column)
            if bins.any() and all(np.abs(bins - other).max() > self.tolerance for other in kept.values()):
                kept[name] = bins
        self.names_ = tuple(kept)
        return self

    def transform(self, graph: Graph) -> Floats:
        """Return log(1 + feature), standardized over the nodes of ``graph``, (n, r); a constant one is 0."""
        check_is_fitted(self)
        found = recursive_features(graph, self.n_levels)
        table = np.log1p(np.array([found[name] for name in self.names_]).reshape(len(self.names_), len(graph)).T)
        scale = table.std(axis=0)
        return np.asarray((table - table.mean(axis=0)) / np.where(scale > 1e-12, scale, 1.0))


def recursive_features(graph: Graph, n_levels: int = 1) -> dict[str, Floats]:
    """Return structural features by name, each (n,): the local ones, then sums and means over neighbours.

    Examples
    --------
    >>> triangle = Graph([[0, 1], [1, 2], [0, 2], [2, 3]], [0, 0, 0, 0])
    >>> {name: values.tolist() for name, values in recursive_features(triangle, 0).items()}["inside"]
    [3.0, 3.0, 4.0, 1.0]
    """
    A, degree = graph.adjacency, graph.degrees
    triangles = np.asarray((A @ A).multiply(A).sum(axis=1)) / 2
    inside = degree + triangles
    pairs = degree * (degree - 1) / 2
    level = {
        "degree": degree,
        "inside": inside,
        "leaving": A @ degree - degree - 2 * triangles,
        "clustering": np.divide(triangles, pairs, out=np.zeros_like(pairs), where=pairs > 0),
    }
    found = dict(level)
    mean = operator(A, "random-walk")
    for _ in range(n_levels):
        level = {
            f"{how} of {name}": step @ column
            for name, column in level.items()
            for how, step in (("sum", A), ("mean", mean))
        }
        found |= level
    return found


def log_bins(values: ArrayLike) -> NDArray[np.int64]:
    """Return vertical logarithmic bins (n,): the lower half is 0, the lower half of the rest 1, and so on.

    Equal values share the lowest bin that one of them fell into.

    >>> log_bins([5, 1, 2, 3, 4, 6, 7, 8]).tolist()
    [1, 0, 0, 0, 0, 1, 2, 3]
    """
    column = np.asarray(values, dtype=np.float64)
    n = len(column)
    _, first, place = np.unique(np.sort(column), return_index=True, return_inverse=True)
    bins = np.empty(n, dtype=np.int64)
    start, number = 0, 0
    while start < n:
        size = -(-(n - start) // 2)
        bins[start : start + size] = number
        start, number = start + size, number + 1
    order = np.argsort(column, kind="stable")
    found = np.empty(n, dtype=np.int64)
    found[order] = bins[first][place]
    return found


def heat_signature(graph: Graph, times: ArrayLike = (0.5, 1.0, 2.0, 4.0)) -> Floats:
    """Return how much heat stays at each node, (n, number of times): the diagonal of exp(-t L).

    L is the symmetric normalized Laplacian, so that a node's figures are between 0 and 1 whatever the size of the
    graph. A block of nodes is heated at a time, which keeps memory linear in n.

    Parameters
    ----------
    graph : Graph
    times : array-like of float
        How long heat flows: a short time sees the neighbours, a long one the surroundings.

    References
    ----------
    Sun, Ovsjanikov and Guibas (2009), A concise and provably informative multi-scale signature based on heat
    diffusion, eq. 3.

    Examples
    --------
    >>> heat_signature(Graph([[0, 1]], [0, 0, 0]), [1.0]).round(3).ravel().tolist()
    [0.568, 0.568, 1.0]
    """
    from scipy.sparse import csr_array, diags_array, eye_array
    from scipy.sparse.linalg import expm_multiply

    given = np.asarray(times, dtype=np.float64)
    if given.ndim != 1 or not len(given) or (given < 0).any() or not np.isfinite(given).all():
        raise DataError(f"times={given.tolist()}: give some numbers from 0 on")
    L = csr_array(diags_array((graph.degrees > 0).astype(np.float64)) - operator(graph.adjacency))
    n = len(graph)
    unit = csr_array(eye_array(n))
    found = np.empty((n, len(given)))
    for start in range(0, n, _BLOCK):
        heat = unit[:, start : start + _BLOCK].toarray()
        rows, now = np.arange(heat.shape[1]), 0.0
        for place in np.argsort(given):
            if given[place] > now:
                heat = expm_multiply(-(given[place] - now) * L, heat)
                now = given[place]
            found[start + rows, place] = heat[start + rows, rows]
    return found

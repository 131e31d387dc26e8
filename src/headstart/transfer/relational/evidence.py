"""What a graph says of each node and class, in numbers that need neither its words nor the names of its classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError
from headstart.transfer.relational.graph import Codes, Floats, Graph
from headstart.transfer.relational.operators import operator, spread
from headstart.transfer.relational.roles import StructuralRoles

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 10  # relations of likeness that each node gets
WIDTH = 128  # numbers that stand for the features where they are more
_HOPS, _FAR, _NEAR = 3, (0.5, 0.9, 0.98), (0.5, 0.9)
_EPS = 0.05  # share of the mean mass that every node has of every class


@dataclasses.dataclass(frozen=True, eq=False)
class Ties:
    """A graph as the network reads it; everything that does not depend on labels.

    Attributes
    ----------
    walk : csr_array, shape (n, n)
        The random walk along relations.
    alike : csr_array, shape (n, n), or None
        The random walk among nodes whose features are alike; ``None`` where features are not used.
    smoothed : tuple of ndarray, each (n, d)
        Features of unit length, as they are and after one, two and three steps along relations.
    roles : ndarray, shape (n, r)
        Structural roles.
    """

    walk: csr_array
    alike: csr_array | None
    smoothed: tuple[Floats, ...]
    roles: Floats

    @classmethod
    def of(cls, graph: Graph, roles: StructuralRoles, features: bool) -> Ties:
        """Prepare ``graph``; ``features`` says whether likeness of features is a relation too."""
        walk = operator(graph.adjacency, "random-walk")
        if not features:
            return cls(walk, None, (), roles.transform(graph))
        if graph.X is None:
            raise DataError(f"{graph.name!r} has no features to compare: give features=False")
        if "likeness" not in graph.kept:
            rows = _weighted(graph.X)
            held = [_unit(_narrow(rows))]
            smooth, now = operator(graph.adjacency, loops=True), held[0]
            for _ in range(_HOPS):
                now = smooth @ now
                held.append(_unit(now))
            graph.kept["likeness"] = _alike(rows), tuple(held)
        alike, smoothed = graph.kept["likeness"]
        return cls(walk, alike, smoothed, roles.transform(graph))


def evidence(ties: Ties, seeds: Codes, classes: Codes, k: int) -> Floats:
    """Return what speaks for each node being of each class, (n, k, m), ``seeds`` being the nodes whose class is known.

    Labels of the seeds go one, two and three steps along relations, and as far as three restarts of a random walk
    let them, and two among nodes with like features. What arrives is told as log of a class's share times k: 0 where
    all classes are alike, whatever their number. Features are compared with the mean of each class's seeds. Then come,
    the same for all classes, how much arrived and the node's roles.

    Parameters
    ----------
    ties : Ties
    seeds : ndarray of int, shape (s,)
        Rows.
    classes : ndarray of int, shape (s,)
        Their classes, from 0 to k - 1.
    k : int
    """
    n = ties.walk.shape[0]
    Y = np.zeros((n, k))
    Y[seeds, classes] = 1
    Y /= np.maximum(Y.sum(axis=0), 1)
    arrived, now = [], Y
    for _ in range(_HOPS):
        now = ties.walk @ now
        arrived.append(now)
    arrived += [spread(ties.walk, Y, alpha, max_iter=30) for alpha in _FAR]
    if ties.alike is not None:
        arrived += [spread(ties.alike, Y, alpha, max_iter=30) for alpha in _NEAR]
    told, mass = [], []
    for found in arrived:
        padded = found + _EPS * found.mean() + 1e-12
        told.append(np.log(padded / padded.mean(axis=1, keepdims=True)))
        mass.append(np.log(padded.sum(axis=1) / padded.sum(axis=1).mean()))
    for rows in ties.smoothed:
        told.append(centred(rows @ _unit(Y.T @ rows).T))
    shared = np.column_stack([*mass, ties.roles])
    wide = np.broadcast_to(shared[:, None], (n, k, shared.shape[1]))
    return np.asarray(np.concatenate([np.stack(told, axis=2), wide], axis=2), dtype=np.float32)


def centred(likeness: Any) -> Any:
    """Return likeness to classes (n, k) about each row's mean, of deviation 1 over all; arrays or tensors."""
    found = likeness - likeness.mean(1)[:, None]
    return found / ((found**2).mean() + 1e-12) ** 0.5  # inside the root, whose gradient has no bound at 0


def _weighted(X: Any) -> Any:
    """Return sparse counts weighted by how rare a word is, other features standardized; rows of length one."""
    from scipy.sparse import csr_array, issparse
    from sklearn.preprocessing import normalize

    if issparse(X) and X.data.min(initial=0) >= 0:
        words = csr_array(X, dtype=np.float64)
        seen = np.maximum((words > 0).sum(axis=0), 1)
        return normalize(words.multiply(np.log(words.shape[0] / seen)[None, :]).tocsr())
    rows = (X.toarray() if issparse(X) else X).astype(np.float64)
    scale = rows.std(axis=0)
    return normalize((rows - rows.mean(axis=0)) / np.where(scale > 1e-12, scale, 1.0))


def _narrow(rows: Any) -> Floats:
    from scipy.sparse import issparse
    from sklearn.decomposition import TruncatedSVD

    width = min(WIDTH, rows.shape[0] - 1)
    if rows.shape[1] <= WIDTH or width < 1:
        return np.asarray(rows.toarray() if issparse(rows) else rows)
    return np.asarray(TruncatedSVD(width, random_state=0).fit_transform(rows))


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _alike(rows: Any) -> csr_array:
    """Return the random walk among each node's nearest by the cosine of their features, either way round."""
    from scipy.sparse import csr_array
    from sklearn.neighbors import NearestNeighbors

    n = rows.shape[0]
    count = min(NEIGHBOURS, n - 1)
    if not count:
        return csr_array((n, n))
    near = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(rows)
    distance, place = near.kneighbors()
    weight = np.maximum(1 - distance, 0).ravel()
    table = csr_array((weight, (np.repeat(np.arange(n), count), place.ravel())), shape=(n, n))
    return operator(table.maximum(table.T), "random-walk")

"""Examples that are tied to one another: nodes, relations and labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.labels import labelled
from headstart.results import DataError

if TYPE_CHECKING:
    import networkx  # type: ignore[import-untyped]
    from scipy.sparse import csr_array

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph whose nodes are examples.

    Relations have no direction and no weight: a pair that is given twice, or both ways, is one relation, and a node's
    relation to itself is none.

    Parameters
    ----------
    edges : array-like of int, shape (m, 2)
        Rows of the nodes that are related.
    labels : array-like, shape (n,)
        One a node; -1 (integers), NaN (floats) or ``None`` (objects) where there is none.
    X : array-like or scipy sparse, shape (n, d), optional
        Features of the nodes.
    train, test : array-like, optional
        Rows, or a mask (n,), of a given split.
    name : str

    Attributes
    ----------
    edges : ndarray of int64, shape (m, 2)
        Each relation once, the smaller row first, sorted.
    classes : ndarray, shape (k,)
        The labels that occur, sorted.
    y : ndarray of int64, shape (n,)
        Place of each node's label in ``classes``, -1 where there is none.
    train, test : ndarray of bool, shape (n,), or None
    kept : dict
        What was computed of relations and features, which graphs that differ in their labels alone share.

    Raises
    ------
    DataError
        If there are no nodes, a row is out of range, or shapes do not fit.

    Examples
    --------
    >>> graph = Graph([[0, 1], [1, 0], [1, 2]], ["a", "b", None], name="three")
    >>> graph
    Graph('three': 3 nodes, 2 relations, 2 classes, 2 nodes labelled)
    >>> graph.y.tolist()
    [0, 1, -1]
    """

    edges: Codes
    y: Codes
    classes: NDArray[Any]
    X: Any = None
    train: Mask | None = None
    test: Mask | None = None
    name: str = "graph"
    kept: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

    def __init__(self, edges: ArrayLike, labels: ArrayLike, X: Any = None, *, train: ArrayLike | None = None,
                 test: ArrayLike | None = None, name: str = "graph") -> None:  # fmt: skip
        given = np.asarray(labels)
        if given.ndim != 1 or not len(given):
            raise DataError(f"labels have shape {given.shape}: give one label a node, -1 for those without")
        if given.dtype.kind not in "biufUSO":
            raise DataError(f"labels of type {given.dtype} are no classes: give integers or names")
        known = labelled(given)
        classes, codes = np.unique(given[known], return_inverse=True)
        y = np.full(len(given), -1, dtype=np.int64)
        y[known] = codes
        if X is not None:
            X = X if hasattr(X, "tocsr") else np.asarray(X)
            if X.ndim != 2 or X.shape[0] != len(given):
                raise DataError(f"X has shape {X.shape} for {len(given):,} nodes: give one row of features a node")
            if not np.isfinite(X.data if hasattr(X, "tocsr") else X).all():
                raise DataError("X holds numbers that are not finite: fill them in or leave X out")
        values = {
            "edges": _cleaned(edges, len(given)), "y": y, "classes": classes, "X": X, "name": name,
            "train": _mask(train, len(given), "train"), "test": _mask(test, len(given), "test"), "kept": {},
        }  # fmt: skip
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return (
            f"Graph({self.name!r}: {len(self):,} nodes, {len(self.edges):,} relations, {len(self.classes)} classes, "
            f"{int((self.y >= 0).sum()):,} nodes labelled)"
        )

    @property
    def adjacency(self) -> csr_array:
        """The adjacency matrix, (n, n), symmetric, 0 and 1."""
        from scipy.sparse import csr_array

        if "adjacency" not in self.kept:
            rows, columns = self.edges.T
            both = (np.concatenate([rows, columns]), np.concatenate([columns, rows]))
            self.kept["adjacency"] = csr_array((np.ones(2 * len(rows)), both), shape=(len(self), len(self)))
        found: csr_array = self.kept["adjacency"]
        return found

    @property
    def degrees(self) -> Floats:
        """Number of relations of each node, (n,)."""
        return np.bincount(self.edges.ravel(), minlength=len(self)).astype(np.float64)

    def only(self, rows: ArrayLike) -> Graph:
        """Return the same graph, but with labels of ``rows`` (or of a mask) alone.

        Raises
        ------
        DataError
            If none of them has a label.
        """
        kept = _mask(rows, len(self), "rows") & (self.y >= 0)
        if not kept.any():
            raise DataError("none of these rows has a label: give some that have one")
        codes = np.where(kept, self.y, -1)
        found = Graph(self.edges, codes, self.X, train=self.train, test=self.test, name=self.name)
        object.__setattr__(found, "classes", self.classes[found.classes])
        object.__setattr__(found, "kept", self.kept)
        return found

    @classmethod
    def from_networkx(cls, graph: networkx.Graph, label: str, name: str | None = None) -> Graph:
        """Take over a NetworkX graph whose nodes carry their class in the attribute ``label``."""
        nodes = {node: row for row, node in enumerate(graph.nodes)}
        labels = np.array([graph.nodes[node].get(label) for node in nodes] + [None], dtype=object)[:-1]
        edges = np.array([(nodes[a], nodes[b]) for a, b in graph.edges()], dtype=np.int64).reshape(-1, 2)
        return cls(edges, labels, name=name or graph.name or "graph")

    @classmethod
    def from_data(cls, data: Any, name: str = "graph") -> Graph:
        """Take over a ``torch_geometric.data.Data``: ``edge_index`` and ``y``, and ``x`` and masks if it has them."""
        held = {key: getattr(data, key, None) for key in ("edge_index", "y", "x", "train_mask", "test_mask")}
        if held["edge_index"] is None or held["y"] is None:
            raise DataError("the data has no edge_index or no y: give both, y with -1 for nodes without a label")
        arrays: dict[str, Any] = {
            key: None if value is None else value.detach().cpu().numpy() for key, value in held.items()
        }
        train, test = arrays["train_mask"], arrays["test_mask"]
        return cls(arrays["edge_index"].T, arrays["y"], arrays["x"], train=train, test=test, name=name)


def read_graph(path: str | Path) -> Graph:
    """Read a graph from a NumPy archive.

    Parameters
    ----------
    path : str or Path
        An ``.npz`` file with ``edges`` (m, 2) and ``labels`` (n,); optional are the split as ``train`` and ``test``
        (rows or masks) and features, either as ``X`` (n, d) or sparse as ``rows``, ``cols``, ``vals`` and ``shape``.

    Raises
    ------
    DataError
        If the file is not there, is no such archive, or lacks something.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {str(path)!r}: give an .npz archive with edges and labels")
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {key: archive[key] for key in archive.files}
    except (ValueError, OSError, AttributeError) as error:
        raise DataError(f"{str(path)!r} is no readable .npz archive ({error}): write one with numpy.savez") from error
    if missing := sorted({"edges", "labels"} - set(held)):
        raise DataError(f"{str(path)!r} has no {' and no '.join(missing)}, only {', '.join(sorted(held))}")
    X = held.get("X")
    if X is None and {"rows", "cols", "vals", "shape"} <= set(held):
        from scipy.sparse import csr_array

        X = csr_array((held["vals"], (held["rows"], held["cols"])), shape=tuple(held["shape"].tolist()))
    train, test = held.get("train"), held.get("test")
    return Graph(held["edges"], held["labels"], X, train=train, test=test, name=path.stem)


def _cleaned(edges: ArrayLike, n: int) -> Codes:
    given = np.asarray(edges)
    if given.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
        raise DataError(f"edges have shape {given.shape} and type {given.dtype}: give pairs of rows, integers (m, 2)")
    if given.min() < 0 or given.max() >= n:
        wrong = given.min() if given.min() < 0 else given.max()
        raise DataError(f"a relation names row {wrong}, but the {n:,} nodes have rows 0 to {n - 1:,}")
    pairs = np.sort(given.astype(np.int64), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def _mask(rows: ArrayLike | None, n: int, name: str) -> Any:
    if rows is None:
        return None
    given = np.asarray(rows)
    if not given.size:
        return np.zeros(n, dtype=bool)
    if given.dtype == bool and given.shape == (n,):
        return given
    if given.ndim != 1 or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= n:
        raise DataError(
            f"{name} has shape {given.shape} and type {given.dtype}: give rows from 0 to {n - 1:,}, or a mask ({n:,},)"
        )
    mask = np.zeros(n, dtype=bool)
    mask[given] = True
    return mask

"""How labels agree along relations: the compatibility of classes, and homophily."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import Answer, DataError
from headstart.transfer.relational.graph import Floats, Graph

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixing(Answer):
    """How the classes of related nodes go together.

    Attributes
    ----------
    counts : tuple of tuple of int
        Relations between each two classes, both directions counted: symmetric, (k, k).
    homophily : float
        Share of the relations whose two nodes are of one class, 0-1.
    expected : float
        The share that relations drawn at random would have, given how many each class has.
    adjusted : float
        ``(homophily - expected) / (1 - expected)``: 1 where all agree, 0 as by chance, below 0 where unlike attracts.
        NaN where all relations are of one class.
    by_role : tuple of (str, float, int)
        For nodes of low, middle and high degree: share of their relations that agree, and how many these are.
    n_relations : int
        Relations of which both nodes have a label.
    classes : tuple of str
    """

    counts: tuple[tuple[int, ...], ...]
    homophily: float
    expected: float
    adjusted: float
    by_role: tuple[tuple[str, float, int], ...]
    n_relations: int
    classes: tuple[str, ...]

    question = "How do labels agree along relations?"

    @property
    def compatibility(self) -> Floats:
        """Share of class j among the relations of class i, (k, k); a row of NaN where there are none."""
        counts = np.array(self.counts, dtype=np.float64)
        total = counts.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0))

    def headline(self) -> str:
        """One sentence: how many relations join nodes of one class, and how many would by chance."""
        if not self.n_relations:
            return "No relation joins two labelled nodes: nothing can be said about how labels agree."
        how = "as by chance"
        if abs(self.adjusted) > 0.1:
            how = "like attracts like" if self.adjusted > 0 else "unlike attracts"
        return (
            f"{self.homophily:.0%} of {self.n_relations:,} relations join nodes of one class, "
            f"{self.expected:.0%} would by chance: {how}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the compatibility matrix."""
        import pandas as pd

        index = pd.Index(self.classes, name="class")
        return pd.DataFrame(self.compatibility, index=index, columns=pd.Index(self.classes, name="its neighbours"))

    def plot(self) -> Figure:
        """Return the compatibility matrix as a picture."""
        from headstart.transfer.relational.plots import compatibility

        return compatibility(self)


def mixing(graph: Graph) -> Mixing:
    """Say how labels agree along the relations of which both nodes have one.

    ``adjusted`` is Newman's assortativity of the classes. It is what can be compared between graphs: plain homophily is
    high by chance where one class is most of the graph.

    Parameters
    ----------
    graph : Graph
        With at least one label.

    Raises
    ------
    DataError
        If no node has a label.

    References
    ----------
    Newman (2003), Mixing patterns in networks, Phys. Rev. E 67, eq. 2. Platonov et al. (2023), Characterizing graph
    datasets for node classification, arXiv:2209.06177 (adjusted homophily).

    Examples
    --------
    >>> found = mixing(Graph([[0, 1], [1, 2], [2, 3]], ["a", "a", "b", "b"]))
    >>> print(found.headline())
    67% of 3 relations join nodes of one class, 50% would by chance: like attracts like.
    >>> found.compatibility[0].round(2).tolist()
    [0.67, 0.33]
    """
    k = len(graph.classes)
    if not k:
        raise DataError(f"no node of {graph.name!r} has a label: give some")
    ends = graph.y[graph.edges]
    told = (ends >= 0).all(axis=1)
    pairs = ends[told]
    counts = np.zeros((k, k), dtype=np.int64)
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    counts += counts.T
    total = counts.sum()
    homophily = float(np.trace(counts) / total) if total else np.nan
    expected = float(((counts.sum(axis=1) / total) ** 2).sum()) if total else np.nan
    few = int(total) // 2
    warnings = () if few >= 100 else (f"{few} relations join two labelled nodes: too few to trust these shares",)
    return Mixing(
        counts=tuple(map(tuple, counts.tolist())),
        homophily=homophily,
        expected=expected,
        adjusted=(homophily - expected) / (1 - expected) if total and expected < 1 else np.nan,
        by_role=_by_degree(graph, told),
        n_relations=few,
        classes=tuple(map(str, graph.classes.tolist())),
        warnings=warnings,
    )


def _by_degree(graph: Graph, told: Any) -> tuple[tuple[str, float, int], ...]:
    """Return how far the relations of nodes in each third of the degrees agree."""
    degrees = graph.degrees
    ends = np.quantile(degrees[degrees > 0], [1 / 3, 2 / 3]) if len(graph.edges) else np.zeros(2)
    third = np.searchsorted(ends, degrees)[graph.edges[told].ravel()]
    pairs = graph.y[graph.edges[told]]
    both = np.repeat(pairs[:, 0] == pairs[:, 1], 2)
    names = (f"up to {ends[0]:.0f} relations", f"up to {ends[1]:.0f}", "more")
    return tuple(
        (name, float(both[third == place].mean()) if (third == place).any() else np.nan, int((third == place).sum()))
        for place, name in enumerate(names)
    )

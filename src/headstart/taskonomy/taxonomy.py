"""The answer of source selection: which tasks to label, and how each target is then solved."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True)
class Choice:
    """A set of supervised tasks.

    Attributes
    ----------
    sources : tuple of str
        In alphabetical order; each is used by a transfer.
    value : float
        The importance-weighted sum of affinities when each target uses its best transfer from them.
    cost : float
        What supervising them costs.
    """

    sources: tuple[str, ...]
    value: float
    cost: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taxonomy(Answer):
    """Which tasks get supervision, and which transfer each target uses.

    Attributes
    ----------
    sources : tuple of str
        The supervised tasks, in alphabetical order.
    transfers : dict of str to tuple of str
        By target: the sources that it is transferred from.
    value : float
        The importance-weighted sum of the affinities of the transfers.
    affinities, importance : dict of str to float
        Of each target: the affinity of its transfer, and how much it counts.
    budget, cost : float
        What was allowed, and what the supervised tasks cost.
    bound : float
        No taxonomy within the budget can have a higher value: equal to ``value`` but for rounding, when it is optimal.
    next_unit : Choice
        The best taxonomy with one more unit of budget.
    alternatives : tuple of Choice
        The next-best ones within the budget, the best first: each does without at least one task of every better one.
    """

    sources: tuple[str, ...]
    transfers: dict[str, tuple[str, ...]]
    value: float
    affinities: dict[str, float]
    importance: dict[str, float]
    budget: float
    cost: float
    bound: float
    next_unit: Choice
    alternatives: tuple[Choice, ...] = ()

    question = "Which tasks help which?"

    @property
    def gain_of_next_unit(self) -> float:
        """By how much one more unit of budget would raise the value."""
        return max(self.next_unit.value - self.value, 0.0)

    def headline(self) -> str:
        """One sentence: what to label, what it reaches, and what one more unit would buy."""
        tasks = _joined(self.sources) if self.sources else "nothing"
        said = f"Label {tasks}: {len(self.transfers)} targets reach {self.value:.3g} in all"
        gain = self.gain_of_next_unit
        if gain > 1e-9 * abs(self.value):
            return f"{said}; one more unit of budget would add {gain:.2g}."
        return f"{said}; more budget would add nothing."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a target: its sources (joined with +), its affinity, how much it counts, if it is labelled."""
        import pandas as pd

        return pd.DataFrame(
            {
                "sources": ["+".join(sources) for sources in self.transfers.values()],
                "affinity": [self.affinities[target] for target in self.transfers],
                "importance": [self.importance[target] for target in self.transfers],
                "supervised": [target in self.sources for target in self.transfers],
            },
            index=pd.Index(self.transfers, name="target"),
        )

    def to_graph(self) -> pd.DataFrame:
        """Return the taxonomy's edges, columns ``source``, ``target``, ``value``: one for each source of a transfer."""
        import pandas as pd

        edges = [(s, t, self.affinities[t]) for t, sources in self.transfers.items() for s in sources]
        return pd.DataFrame(edges, columns=["source", "target", "value"])

    def plot(self) -> Figure:
        """Return the taxonomy as a graph."""
        from headstart.taskonomy.plots import taxonomy_graph

        return taxonomy_graph(self)


def _joined(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

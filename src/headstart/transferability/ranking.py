"""The answer to which source model: sources in the order in which they should be tried, and the evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.finetuning.compare import Tap
from headstart.finetuning.similarity import Similarity
from headstart.results import Answer
from headstart.transferability.placement import Placement

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_SHOWN = ("logme", "linear_probe", "knn", "leep")


@dataclasses.dataclass(frozen=True)
class Ranked:
    """One source on one target.

    Attributes
    ----------
    name : str
    placement : Placement
        Combined score, rank, and the share of halves of the pictures on which it is the best.
    scores : mapping of str to float
        Every score; see ``headstart.transferability``.
    distances : mapping of str to float
        From the source's own data, where their statistics are known.
    similarity : Similarity
        To the source at each depth, from the statistics inside its normalization layers.
    seconds : float
        For the pass of the pictures and all scores; not in ``to_dict``, which says the same each time.
    n_parameters : int or None
    accuracy : float or None
        Published, on the source's own task, 0 to 1.
    elsewhere : float or None
        Its mean rank on the targets of the truth table, if it is one of that table's sources.
    tap : Tap or None
        Where a head on frozen features is best, measured out of fold; of the sources that were confirmed.
    """

    name: str
    placement: Placement
    scores: Mapping[str, float]
    distances: Mapping[str, float]
    similarity: Similarity
    seconds: float = dataclasses.field(repr=False)
    n_parameters: int | None = None
    accuracy: float | None = None
    elsewhere: float | None = None
    tap: Tap | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking(Answer):
    """Sources in the order in which they should be tried.

    Attributes
    ----------
    target : str
    sources : tuple of Ranked
        Those that were confirmed first, by what was measured; then the others by their combined score.
    confirmed : int
        So many were probed: together they are the best on at least 95 % of the halves.
    picks : mapping of str to str
        What rules that look at no picture would have taken: the most weights, the highest published accuracy, the
        best on earlier targets.
    weights : mapping of str to float
        Of the scores in the combined one.
    about : str
        What the weights were learned from.
    n, n_left_out : int
        Pictures of the development part that were looked at, and that a sample left out.
    """

    target: str
    sources: tuple[Ranked, ...]
    confirmed: int
    picks: Mapping[str, str]
    weights: Mapping[str, float]
    n: int
    about: str = ""
    n_left_out: int = 0

    question = "Which source model?"

    @property
    def best(self) -> str:
        """The source to start from."""
        return self.sources[0].name

    def headline(self) -> str:
        """One sentence: the source, what it reaches, and how sure that is."""
        first = self.sources[0]
        text = f"Start from {first.name}"
        if first.tap is not None:
            text += f": a head on its tap {first.tap.name!r} reaches a macro-F1 of {first.tap.score}"
        text += f"; best by the scores on {first.placement.first:.0%} of the halves of {self.n:,} pictures"
        wrong = [f"{rule} would take {name}" for rule, name in self.picks.items() if name != first.name]
        return f"{text} ({', '.join(wrong)})." if wrong else f"{text}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a source: what was measured, combined score, how often it is the best, similarity, cost."""
        import pandas as pd

        rows = [
            {
                "source": one.name,
                "macro-F1": one.tap.score.value if one.tap else None,
                "tap": one.tap.name if one.tap else "",
                "combined": one.placement.score.value,
                "low": one.placement.score.low,
                "high": one.placement.score.high,
                "rank": one.placement.rank,
                "best on": f"{one.placement.first:.0%}",
                "similarity": one.similarity.overall,
                "seconds": round(one.seconds, 1),
            }
            for one in self.sources
        ]
        return pd.DataFrame(rows).set_index("source")

    def evidence(self) -> pd.DataFrame:
        """Return one row a source: every score that weighs in, distances, and what is known without a look."""
        import pandas as pd

        names = [name for name in self.sources[0].scores if self.weights.get(name, 0.0) > 0 or name in _SHOWN]
        rows = [
            {
                "source": one.name,
                **{name: one.scores.get(name) for name in names},
                "distance": one.distances.get("relative"),
                "classes moved": one.distances.get("classes"),
                "million weights": one.n_parameters / 1e6 if one.n_parameters else None,
                "published": one.accuracy,
                "rank elsewhere": one.elsewhere,
            }
            for one in self.sources
        ]
        return pd.DataFrame(rows).set_index("source").dropna(axis="columns", how="all")

    def plot(self) -> Figure:
        """Return the combined scores with their intervals, and what was confirmed."""
        from headstart.transferability.plots import ranking_bars

        return ranking_bars(self)

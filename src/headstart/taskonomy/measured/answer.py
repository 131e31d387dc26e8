"""The answer of a measurement: affinities, taxonomies, and what they are worth."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics.intervals import Interval
from headstart.results import Answer
from headstart.taskonomy.curve import BudgetCurve
from headstart.taskonomy.measured.chance import AgainstRandom
from headstart.taskonomy.taxonomy import Taxonomy
from headstart.taskonomy.tree import TaskTree

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_USUAL = 2  # the budget that the headline speaks of


@dataclasses.dataclass(frozen=True)
class TaskFacts:
    """One task, and how well it is solved without a transfer.

    Attributes
    ----------
    name, kind, metric : str
    n_outputs : int
    full, scratch, random : Interval
        The metric on the judging pictures, over repetitions: of its own network with full supervision, of one trained
        from scratch on the few pictures, of a decoder on an untrained encoder.
    """

    name: str
    kind: str
    n_outputs: int
    metric: str
    full: Interval
    scratch: Interval
    random: Interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredTasks(Answer):
    """Which tasks help which, measured.

    Attributes
    ----------
    tasks : tuple of TaskFacts
    n_pictures : int
        On which all tasks have a value.
    n_encode, n_few, n_compare, n_judge : int
        Pictures that train encoders, train decoders, make affinities, judge; of the first repetition.
    seeds : int
        Repetitions.
    encoder : str
        ``network``, or the name of the frozen source.
    budgets : tuple of AgainstRandom
        For each budget from 1 on: what the taxonomy reaches, and a random choice of as many tasks.
    affinity : DataFrame
        One row a transfer, what ``select_sources`` takes: ``sources``, ``target``, ``value``, its interval over
        repetitions ``low`` and ``high``; on the judging pictures ``quality`` and ``gain`` (how often it beats full
        supervision, and a network trained from scratch on the few pictures), ``score`` and ``loss``.
    curve : BudgetCurve
        The taxonomies themselves.
    tree : TaskTree or None
        None for two tasks.
    seconds : float
        What the measurement took this time; what was kept from before took none.
    """

    tasks: tuple[TaskFacts, ...]
    n_pictures: int
    n_encode: int
    n_few: int
    n_compare: int
    n_judge: int
    seeds: int
    encoder: str
    budgets: tuple[AgainstRandom, ...]
    affinity: pd.DataFrame = dataclasses.field(repr=False)
    curve: BudgetCurve = dataclasses.field(repr=False)
    tree: TaskTree | None = dataclasses.field(repr=False)
    seconds: float = dataclasses.field(repr=False, compare=False, default=math.nan)

    question = "Which tasks help which?"

    def at(self, budget: int) -> AgainstRandom:
        """Return what a budget reaches; the largest there is, where it is more."""
        return self.budgets[min(budget, len(self.budgets)) - 1]

    def taxonomy(self, budget: int) -> Taxonomy:
        """Return the taxonomy of a budget."""
        return self.curve.taxonomies[min(budget, len(self.budgets)) - 1]

    def headline(self) -> str:
        """One sentence: which two tasks to label, and whether that beats two at random."""
        one = self.at(_USUAL)
        gap = one.difference
        said = f"Label {' and '.join(one.sources)}: mean quality {one.chosen.value:.2f}"
        rest = f"at random, as many tasks reach {one.random.value:.2f}"
        if math.isnan(gap.low):
            return f"{said}; {rest} (one repetition, no interval)."
        between = f"{gap.value:+.3f}, {gap.low:+.3f} to {gap.high:+.3f} over {self.seeds} repetitions"
        if gap.low > 0:
            return f"{said}; {rest} ({between})."
        return f"{said}, which is not surely better than a random choice: {rest} ({between})."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a transfer, the best of each target first; see ``affinity``."""
        order = {task.name: k for k, task in enumerate(self.tasks)}
        table = self.affinity.assign(place=self.affinity["target"].map(order))
        sorted_ = table.sort_values(["place", "value"], ascending=[True, False], kind="stable")
        return sorted_.drop(columns="place").reset_index(drop=True)

    def matrix(self, *, intervals: bool = True) -> pd.DataFrame:
        """Return the first-order affinities, with intervals as text or without as numbers: a row a target."""
        shown = self.affinity[~self.affinity["sources"].str.contains("+", regex=False)].copy()
        rows = zip(shown["value"], shown["low"], shown["high"], strict=True)
        shown["text"] = [_text(value, low, high) if intervals else value for value, low, high in rows]
        columns = [*(task.name for task in self.tasks), "random", "self"]
        matrix = shown.pivot(index="target", columns="sources", values="text")
        return matrix.loc[[task.name for task in self.tasks], columns].rename_axis(columns=None)

    def best(self) -> pd.DataFrame:
        """Return one row a task: the best transfer from other tasks, and the metric with it and without."""
        import pandas as pd

        rows = []
        for task in self.tasks:
            mine = self.affinity[self.affinity["target"] == task.name]
            baselines = {task.name, "self", "random"}
            elsewhere = np.array([baselines.isdisjoint(one.split("+")) for one in mine["sources"]])
            others = mine.loc[elsewhere]
            top = others.iloc[int(others["value"].to_numpy().argmax())]
            rows.append(
                {
                    "best from": top["sources"],
                    "affinity": top["value"],
                    "low": top["low"],
                    "high": top["high"],
                    "metric": task.metric,
                    "reached": top["score"],
                    "scratch": task.scratch.value,
                    "full": task.full.value,
                }
            )
        return pd.DataFrame(rows, index=pd.Index([task.name for task in self.tasks], name="target"))

    def references(self) -> pd.DataFrame:
        """Return one row a task: how well it is solved without a transfer, as text with intervals over repetitions."""
        import pandas as pd

        return pd.DataFrame(
            {
                "metric": [task.metric for task in self.tasks],
                "full supervision": [str(task.full) for task in self.tasks],
                "few, from scratch": [str(task.scratch) for task in self.tasks],
                "few, untrained encoder": [str(task.random) for task in self.tasks],
            },
            index=pd.Index([task.name for task in self.tasks], name="task"),
        )

    def by_budget(self) -> pd.DataFrame:
        """Return one row a budget: the tasks to label, quality and gain, and how a random choice does."""
        import pandas as pd

        return pd.DataFrame(
            {
                "label": [", ".join(one.sources) for one in self.budgets],
                "quality": [one.chosen.value for one in self.budgets],
                "gain": list(self.curve.rates["gain"]),
                "random": [one.random.value for one in self.budgets],
                "difference": [one.difference.value for one in self.budgets],
                "low": [one.difference.low for one in self.budgets],
                "high": [one.difference.high for one in self.budgets],
                "better than": [one.place for one in self.budgets],
            },
            index=pd.Index([one.budget for one in self.budgets], name="budget"),
        )

    def plot(self) -> Figure:
        """Return the first-order affinities as a matrix, in the order of the task tree."""
        from headstart.taskonomy.plots import affinity_heatmap

        return affinity_heatmap(self.affinity, list(self.tree.to_frame().index) if self.tree else None)


def _text(value: float, low: float, high: float) -> str:
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} ({low:.2f}–{high:.2f})"

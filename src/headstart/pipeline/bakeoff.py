"""Freeze, fine-tune, or start over? Every way is tried on the same folds, and the best is taken."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Interval
from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    from headstart.pipeline.candidates import Bench, Candidate

_LETTERS = 34  # of a line beside the plot: a longer one leaves a narrow page no room


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """How one candidate did.

    Attributes
    ----------
    name, kind, detail : str
        See ``Candidate``.
    macro_f1, log_loss : float
        Over the rows that every candidate that carries knowledge over predicted, as far as this one did; a network's
        log loss after temperature scaling.
    n : int
        Rows that it predicted out of fold.
    gain : Interval
        Gain in macro-F1 over the plain candidate (logistic on the last tap), paired, on the rows of both.
    """

    name: str
    kind: str
    detail: str
    macro_f1: float
    log_loss: float
    n: int
    gain: Interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class BakeOff(Answer):
    """The ways that were tried, and the one that was taken.

    Attributes
    ----------
    winner, runner_up : str
        Names of entries; ``runner_up`` is ``""`` where there is one candidate only.
    lead : Interval or None
        Gain in macro-F1 of the winner over the runner-up, paired.
    estimate : Interval
        Macro-F1 to expect of the winner on new examples of the same kind, corrected for the choice (BBC-CV).
    entries : tuple of Entry
        In the order in which they were tried.
    n : int
        Rows on which the choice was made.
    rounds : tuple of mapping
        Fine-tuning, run by run: cut, crops, rate, norm, fold, epochs, macro_f1, log_loss.
    notes : tuple of str
        What was not tried and why.
    """

    winner: str
    runner_up: str
    lead: Interval | None
    estimate: Interval
    entries: tuple[Entry, ...]
    n: int
    rounds: tuple[Mapping[str, object], ...] = ()
    notes: tuple[str, ...] = ()

    question = "Freeze, fine-tune, or start over?"

    def headline(self) -> str:
        """One sentence: what was taken, and how far it is ahead."""
        best = self.entry(self.winner)
        sentence = f"{self.winner[0].upper()}{self.winner[1:]}: macro-F1 {best.macro_f1:.3f} out of fold"
        if self.lead is None:
            return f"{sentence}; nothing else was tried."
        low, high = (round(end * 100, 1) for end in (self.lead.low, self.lead.high))
        if self.lead.low > 0:
            return f"{sentence}, {low:.1f} to {high:.1f} points above {self.runner_up}."
        if self.lead.high < 0:
            return f"{sentence}; {self.runner_up} is {0 - high:.1f} to {0 - low:.1f} points better: see the verdict."
        return f"{sentence}; {self.runner_up} cannot be told from it ({0 - high:.1f} to {0 - low:.1f} points)."

    def entry(self, name: str) -> Entry:
        """Return the entry of that name."""
        return next(entry for entry in self.entries if entry.name == name)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a candidate, in the order in which they were tried."""
        import pandas as pd

        rows = [
            {
                "candidate": entry.name,
                "kind": entry.kind,
                "macro-F1": entry.macro_f1,
                "log loss": entry.log_loss,
                "gain": entry.gain.value,
                "low": entry.gain.low,
                "high": entry.gain.high,
                "examples": entry.n,
                "settings": entry.detail,
            }
            for entry in self.entries
        ]
        return pd.DataFrame(rows).set_index("candidate")

    def plot(self) -> Figure:
        """Return the gain of each candidate over the plain one, with its interval."""
        from plotly.graph_objects import Figure, Scatter

        from headstart.results.plotting import MUTED, PALETTE, styled

        colours = {"frozen": PALETTE[0], "fine-tuned": PALETTE[1], "target-only": PALETTE[6]}
        figure = Figure()
        for kind, colour in colours.items():
            mine = [entry for entry in self.entries if entry.kind == kind]
            if not mine:
                continue
            gains = [entry.gain for entry in mine]
            figure.add_trace(
                Scatter(
                    x=[gain.value * 100 for gain in gains],
                    y=[entry.name for entry in mine],
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": [(gain.high - gain.value) * 100 for gain in gains],
                        "arrayminus": [(gain.value - gain.low) * 100 for gain in gains],
                    },
                    mode="markers",
                    marker={"size": 10, "color": colour},
                    name=kind,
                )
            )
        figure.add_vline(x=0, line={"color": MUTED, "dash": "dot"})
        names = [entry.name for entry in self.entries]
        broken = ["<br>".join(textwrap.wrap(name, _LETTERS)) for name in names]
        lines = max(2, *(text.count("<br>") + 1 for text in broken))
        styled(figure, height=80 + 19 * lines * len(names), x="points gained")
        figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], tickvals=names, ticktext=broken)
        return figure


def decide(
    candidates: Sequence[Candidate],
    bench: Bench,
    *,
    rounds: Sequence[Mapping[str, object]] = (),
    notes: Sequence[str] = (),
) -> BakeOff:
    """Compare ``candidates`` on the same rows, and take the best of those that carry knowledge over.

    Taken is the one with the lowest log loss among those whose macro-F1 lies within one standard error of the best
    (:func:`headstart.training.path.select`). Where a trained network predicted some folds only, those that predicted
    all rows first compete on all rows, and their best meets the network on the rows of both. Whether what is taken is
    better than what starts from nothing is the verdict's question.

    Parameters
    ----------
    candidates : sequence of Candidate
        The plain one first.
    bench : Bench
    rounds, notes : sequence
        See ``BakeOff``.
    """
    from headstart.evaluation.honest import bias_corrected_cv
    from headstart.metrics import scores
    from headstart.metrics.paired import paired_gain
    from headstart.training.path import Choice, select

    def rated(places: Sequence[int], rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        kept = [rows[predicted[place, rows]] for place in places]
        tables = [candidates[place].probabilities for place in places]
        found = [scores(bench.y[mine], table[mine]) for table, mine in zip(tables, kept, strict=True)]
        return np.array([one["macro_f1"] for one in found]), np.array([one["log_loss"] for one in found])

    predicted = np.stack([np.isfinite(found.probabilities).all(axis=1) for found in candidates])
    carrying = [place for place, found in enumerate(candidates) if found.kind != "target-only"]
    shared = np.flatnonzero(predicted[carrying].all(axis=0))
    f1, losses = rated(range(len(candidates)), shared)
    complete = [place for place in carrying if predicted[place].all()]
    finalists = [place for place in carrying if place not in complete]
    if complete:
        finalists.append(complete[int(select(*rated(complete, np.arange(len(bench.y))), len(bench.y)))])
    best = finalists[int(select(f1[finalists], losses[finalists], len(shared)))]
    others = [place for place in np.argsort(-f1, kind="stable") if place != best]
    second = int(others[0]) if others else None

    def gain(ours: Candidate, theirs: Candidate, seed: int) -> Interval:
        rows = both(ours, theirs)
        return paired_gain(
            bench.y[rows], ours.probabilities[rows], theirs.probabilities[rows], bench.groups[rows], random_state=seed
        )

    entries = tuple(
        Entry(
            name=found.name,
            kind=found.kind,
            detail=found.detail,
            macro_f1=float(f1[place]),
            log_loss=float(losses[place]),
            n=int(predicted[place].sum()),
            gain=gain(found, candidates[0], bench.seed),
        )
        for place, found in enumerate(candidates)
    )
    tables = np.stack([candidates[place].probabilities[shared] for place in carrying])
    stacked = Choice(
        tuple(map(float, carrying)), tuple(f1[carrying]), tuple(losses[carrying]), carrying.index(best), tables
    )
    honest = bias_corrected_cv(
        stacked, bench.y[shared], bench.groups[shared], metric="macro_f1", random_state=bench.seed
    )
    return BakeOff(
        winner=candidates[best].name,
        runner_up="" if second is None else candidates[second].name,
        lead=None if second is None else gain(candidates[best], candidates[second], bench.seed),
        estimate=honest.estimate,
        entries=entries,
        n=len(shared),
        rounds=tuple(rounds),
        notes=tuple(notes),
    )


def both(one: Candidate, other: Candidate) -> NDArray[np.int64]:
    """Return the rows that both candidates predicted out of fold."""
    return np.flatnonzero(np.isfinite(one.probabilities).all(axis=1) & np.isfinite(other.probabilities).all(axis=1))


def correct(table: NDArray[np.float64], y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return whether each of ``rows`` is named rightly, 0 or 1, as one seed (1, len(rows))."""
    return np.asarray(table[rows].argmax(axis=1) == y[rows], dtype=np.float64)[None]

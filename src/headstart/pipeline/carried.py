"""Was the other data worth anything here? The ways that were tried, and the one that was taken."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Interval
from headstart.results import Answer
from headstart.transfer.carry import TARGET

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """How one way did.

    Attributes
    ----------
    name : str
    kind : str
        What is carried over: "instances", "features", "parameters"; ``""`` for the baselines.
    macro_f1 : Interval
        Out of fold.
    gain : Interval
        Over the target alone, paired.
    linear : bool
        Whether it ends as one linear layer, which a run folder can hold; others are shown and not taken.
    """

    name: str
    kind: str
    macro_f1: Interval
    gain: Interval
    linear: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Carried(Answer):
    """What other data was worth, way by way.

    Attributes
    ----------
    source : str
        Name of the other data.
    taken : str
        Name of the way that was taken.
    tried : tuple of Tried
        The target alone first.
    estimate : Interval
        Macro-F1 to expect of what was taken: the choice paid for (BBC-CV), or that of the target alone.
    n_source, n : int
        Examples of the other data that took part, and of the target's development part.
    failed : tuple of (str, str)
        Ways that could not be tried, and why.
    probabilities : ndarray, shape (n, k)
        Out of fold, of what was taken.
    """

    source: str
    taken: str
    tried: tuple[Tried, ...]
    estimate: Interval
    n_source: int
    n: int
    failed: tuple[tuple[str, str], ...] = ()
    probabilities: NDArray[np.float64] = dataclasses.field(repr=False)

    question = "What is carried over from the other data?"

    def headline(self) -> str:
        """One sentence: what was taken, and what it was worth."""
        mine = next(one for one in self.tried if one.name == self.taken)
        if self.taken == TARGET:
            best = max(self.tried[1:], key=lambda one: one.gain.value)
            low, high = (100 * end for end in (best.gain.low, best.gain.high))
            return (
                f"Nothing of {self.source}: the best way to use it, {best.name}, gains {100 * best.gain.value:+.1f} "
                f"points of macro-F1 ({low:+.1f} to {high:+.1f}) out of fold."
            )
        low, high = (100 * end for end in (mine.gain.low, mine.gain.high))
        what = mine.kind or "examples as they are"
        return (
            f"From {self.source}, {what}: {self.taken} gains {100 * mine.gain.value:+.1f} points of macro-F1 "
            f"({low:+.1f} to {high:+.1f}) over the target alone, out of fold."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a way, in the order in which they were tried."""
        import pandas as pd

        rows = [
            {
                "way": one.name,
                "carried over": one.kind,
                "macro-F1": one.macro_f1.value,
                "gain": one.gain.value,
                "low": one.gain.low,
                "high": one.gain.high,
                "one linear layer": one.linear,
            }
            for one in self.tried
        ]
        return pd.DataFrame(rows).set_index("way")

    def plot(self) -> Figure:
        """Return the gain of each way over the target alone, with its interval."""
        from headstart.results.plotting import gain_dots

        rows = [one for one in self.tried if one.name != TARGET]
        return gain_dots([one.name for one in rows], [one.gain for one in rows], self.taken, "macro-F1", TARGET)

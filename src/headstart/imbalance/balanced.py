"""The answer of a comparison of ways to correct an imbalance."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from headstart.imbalance._labels import Codes, Floats
from headstart.metrics import Interval
from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to correct an imbalance, out of fold.

    Attributes
    ----------
    name : str
    score : Interval
        The metric of its decisions.
    gain : Interval
        Over no correction, paired.
    log_loss : float
        Of its probabilities, which all answer for the classes as frequent as they are in the data.
    """

    name: str
    score: Interval
    gain: Interval
    log_loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balance(Answer):
    """Ways to correct an imbalance, and the one that was taken.

    Attributes
    ----------
    metric : str
        What decisions were judged by, see ``choose_metric``.
    ways : tuple of Way
        The simplest first.
    taken : str
    even : bool
        Whether the classes are represented equally, so that nothing had to be corrected.
    blind : bool
        Whether a model that never looks at an example is about as good as what the rule takes: nothing is moved then.
    expected_gain : Interval
        Over no correction, of whichever way the rule takes, the choice paid for: chosen and judged on different rows.
    offsets : tuple of float, length k
        Added to each class's log probability before the highest is taken. A way that trains another head has its own
        (``fit_balanced``); here they are 0 then.
    classes : tuple of str, length k
    n : int
    y : ndarray of int64, shape (n,)
    plain : ndarray, shape (n, k)
        Probabilities out of fold, nothing corrected.
    probabilities, decisions : ndarray, shape (n, k) and (n,)
        Out of fold, of what was taken.
    """

    metric: str
    ways: tuple[Way, ...]
    taken: str
    even: bool
    blind: bool
    expected_gain: Interval
    offsets: tuple[float, ...]
    classes: tuple[str, ...]
    n: int
    y: Codes = dataclasses.field(repr=False)
    plain: Floats = dataclasses.field(repr=False)
    probabilities: Floats = dataclasses.field(repr=False)
    decisions: Codes = dataclasses.field(repr=False)

    question = "Should the imbalance be corrected?"

    @property
    def shown(self) -> int:
        """Code of the class that curves are drawn of: the rarest."""
        return int(np.bincount(self.y, minlength=len(self.classes)).argmin())

    def __getitem__(self, name: str) -> Way:
        return next(way for way in self.ways if way.name == name)

    def headline(self) -> str:
        """One sentence: what is done, and what it gains."""
        way = self[self.taken]
        if self.taken == "none":
            best = max(self.ways, key=lambda one: one.score.value)
            if self.even:
                return f"No: the classes are represented equally; {self.metric} is {way.score}."
            if self.blind:
                return f"No: {self.metric} is {way.score} as it is, and no correction is better than a useless model."
            if best.name == "none":
                return f"No: {self.metric} is {way.score} as it is, and every correction makes it lower."
            return f"No: {self.metric} is {way.score} as it is ({best.score.value:.3f} by {best.name})."
        gain, expected = way.gain, self.expected_gain.value
        answer = "Yes, by" if gain.low > 0 else "No gain is certain; done is"
        return (
            f"{answer} {way.name}: {self.metric} {way.score} instead of {self['none'].score.value:.3f}, a gain of "
            f"{100 * gain.low:.1f} to {100 * gain.high:.1f} points ({100 * expected:.1f} with the choice paid for); "
            "probabilities stay those of the data."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a way: the metric with its interval, the gain over none with its own, log loss."""
        import pandas as pd

        rows = [
            {
                "way": way.name,
                self.metric: way.score.value,
                "low": way.score.low,
                "high": way.score.high,
                "gain": way.gain.value,
                "gain low": way.gain.low,
                "gain high": way.gain.high,
                "log loss": way.log_loss,
            }
            for way in self.ways
        ]
        return pd.DataFrame(rows).set_index("way")

    def plot(self) -> Figure:
        """Return the gain of each way over none, with its interval."""
        from headstart.imbalance.plots import gains

        return gains(self)

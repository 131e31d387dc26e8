"""Which head, with which penalty: heads for ranks, numbers or several labels, compared on the same folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.evaluation.scored import TITLES
from headstart.metrics import Interval
from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadChoice(Answer):
    """Heads on the same features, each with the penalty that cross-validation chose for it.

    Attributes
    ----------
    chosen : str
        The head that is taken.
    metric : str
        What was compared, out of fold.
    heads : mapping of str to mapping of str to float
        Figures of each head, out of fold at its own penalty: ``penalty`` and metrics. Where one head answers several
        things, a row is one of these.
    gains : mapping of str to Interval
        What another head gains over the plain one, paired by row. It is taken only where the interval lies above 0.
    n, n_folds : int
        Examples and folds.
    penalties : mapping of str to str
        What the penalty of each head is called: "alpha" (larger: stronger) or "C" (smaller: stronger).
    """

    chosen: str
    metric: str
    heads: Mapping[str, Mapping[str, float]]
    gains: Mapping[str, Interval]
    n: int
    n_folds: int
    penalties: Mapping[str, str]

    question = "Which head reads the features?"

    def headline(self) -> str:
        """One sentence: the head, and what it has out of fold."""
        title = titled(self.metric)
        how = f"cross-validation of {self.n:,} examples in {self.n_folds} folds, which also chose the penalty"
        if self.chosen in self.heads:
            found = self.heads[self.chosen]
            what = f"{self.chosen}, {self.penalties[self.chosen]} = {found['penalty']:g}"
            return f"{what[0].upper()}{what[1:]}: {title} {found[self.metric]:.3f} in {how}."
        mean = sum(found[self.metric] for found in self.heads.values()) / len(self.heads)
        return f"{self.chosen[0].upper()}{self.chosen[1:]}: mean {title} {mean:.3f} in {how}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each head: penalty, metrics, and its gain over the plain one with its interval."""
        import pandas as pd

        rows = []
        for name, found in self.heads.items():
            row: dict[str, float | str] = {"penalty": f"{self.penalties[name]} = {found['penalty']:g}"}
            row |= {titled(key): found[key] for key in found if key != "penalty"}
            gain = self.gains.get(name)
            if self.gains:
                row |= {
                    "gain": gain.value if gain else float("nan"), "low": gain.low if gain else float("nan"),
                    "high": gain.high if gain else float("nan"),
                }  # fmt: skip
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index(list(self.heads), name="head"))


def titled(metric: str) -> str:
    """Return what a person reads for a metric."""
    return TITLES[metric][0] if metric in TITLES else metric


def better_than_plain(gains: Mapping[str, Interval], plain: str) -> str:
    """Return the head with the largest gain whose interval lies above 0, else the plain one."""
    better = [name for name, gain in gains.items() if gain.low > 0]
    return max(better, key=lambda name: gains[name].value) if better else plain

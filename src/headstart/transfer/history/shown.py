"""The history as an answer: what it holds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headstart.results import Answer
from headstart.transfer.history.record import Record
from headstart.transfer.history.store import VARIABLE, history_folder, records

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class History(Answer):
    """What is remembered of finished runs on this machine.

    Attributes
    ----------
    folder : str
        Where it is kept; ``""`` where it is switched off.
    records : tuple of Record
        The oldest first.
    """

    folder: str
    records: tuple[Record, ...]

    question = "What was learned from earlier targets?"

    def headline(self) -> str:
        """One sentence: how much is remembered, and where."""
        if not self.folder:
            return f"The history is switched off by {VARIABLE}."
        if not self.records:
            return f"Nothing is remembered yet; finished runs are, in {self.folder}."
        n, targets = len(self.records), len({one.data for one in self.records})
        runs, sets = f"{n} run{'s' * (n > 1)}", f"{targets} data set{'s' * (targets > 1)}"
        return f"{runs} on {sets}, in {self.folder}; it stays on this machine."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a run, the oldest first."""
        import pandas as pd

        rows = [
            {
                "target": one.target,
                "kind": one.modality,
                "source": one.source,
                "examples": one.best.n,
                "tried": len(one.trials),
                "best": one.best.name,
                "macro-F1": one.best.macro_f1,
            }
            for one in self.records
        ]
        columns = ["target", "kind", "source", "examples", "tried", "best", "macro-F1"]
        return pd.DataFrame(rows, columns=columns).set_index("target")


def history() -> History:
    """Return what is remembered of finished runs on this machine."""
    folder = history_folder()
    return History(folder="" if folder is None else str(folder), records=tuple(records()))

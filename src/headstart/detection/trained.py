"""How a detector was trained: what was tried, and how every epoch of it did on the validation part."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True)
class Course:
    """The course of one training.

    Attributes
    ----------
    name : str
        What was trained, such as ``"lite0, trained from blocks.2 on"``.
    losses : tuple of float
        Mean loss of each epoch.
    scores : tuple of float
        Mean average precision (IoU 0.5 to 0.95) on the validation part after each epoch, where each was scored.
    best : int
        The epoch, from 0, whose weights were kept.
    score : float or None
        The validation score of these weights; ``None`` without a validation part.
    """

    name: str
    losses: tuple[float, ...]
    scores: tuple[float, ...]
    best: int
    score: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorTraining(Answer):
    """What was tried, and the course of the detectors that were trained to the end.

    Attributes
    ----------
    rounds : tuple of Course
        Short trainings that told ways apart, in the order in which they were made.
    courses : tuple of Course
        Trainings to the end; the first started from the source.
    pictures : int
        Pictures of an epoch.
    """

    rounds: tuple[Course, ...]
    courses: tuple[Course, ...]
    pictures: int

    question = "What learns, and how long?"

    def headline(self) -> str:
        """One sentence: the way, its epochs, and the best of them."""
        first = self.courses[0]
        told = f"{first.name}: {len(first.losses)} epochs of {self.pictures:,} pictures"
        if first.score is None:
            return f"{told}; the last one is kept, as there is no validation part."
        return f"{told}; the best on the validation part is epoch {first.best + 1}, mAP {first.score:.3f}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each training: epochs, the one that was kept, its loss and validation mAP."""
        import pandas as pd

        named = [(f"{one.name}, tried", one) for one in self.rounds] + [(one.name, one) for one in self.courses]
        rows = [(len(one.losses), one.best + 1, one.losses[one.best], one.score) for _, one in named]
        index = pd.Index([name for name, _ in named], name="training")
        return pd.DataFrame(rows, index=index, columns=["epochs", "kept", "loss", "validation mAP"])

    def by_epoch(self) -> pd.DataFrame:
        """Return one row for each epoch of the trainings to the end: loss and validation mAP of each."""
        import pandas as pd

        columns = {}
        for one in self.courses:
            columns[f"{one.name}: loss"] = pd.Series(one.losses)
            columns[f"{one.name}: mAP"] = pd.Series(one.scores, dtype=float)
        frame = pd.DataFrame(columns)
        return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="epoch"))

    def plot(self) -> Figure:
        """Return the validation score of every epoch of the trainings to the end."""
        from plotly import graph_objects as go

        from headstart.results.plotting import styled

        figure = go.Figure()
        for one in self.courses:
            figure.add_scatter(
                x=list(range(1, len(one.scores) + 1)), y=list(one.scores), name=one.name, mode="lines+markers"
            )
        return styled(figure, height=320, x="epoch", y="mAP on the validation part").update_yaxes(rangemode="tozero")

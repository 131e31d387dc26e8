"""The ways in which a network may be trained, and how a training run did."""

from __future__ import annotations

import dataclasses
from typing import Any

from headstart.pipeline.norm_ways import BATCH, GROUP, RECALIBRATED, SOURCE

TOLD = {
    SOURCE: "",
    RECALIBRATED: ", statistics of the target",
    GROUP: ", group normalization",
    BATCH: ", statistics of each batch",
}


@dataclasses.dataclass(frozen=True)
class Way:
    """How a network is trained.

    Attributes
    ----------
    cut : str
        The lowest stage that is trained; ``""`` for the whole network.
    crops : bool
        Whether augmented views are crops, or show the whole picture.
    rate : float
        Peak learning rate of the stages.
    norm : str
        What the normalization layers go by; see ``Norming``.
    """

    cut: str
    crops: bool
    rate: float
    norm: str = SOURCE


@dataclasses.dataclass(frozen=True, eq=False)
class Round:
    """One training run of the bake-off, scored on rows that it did not see.

    Attributes
    ----------
    way : Way
    fold, epochs : int
    macro_f1, log_loss : float
        On the fold's test rows, the log loss after temperature scaling.
    """

    way: Way
    fold: int
    epochs: int
    macro_f1: float
    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return the round as one flat row."""
        row = dataclasses.asdict(self)
        return {**row.pop("way"), **row}


def file_name(way: Way, epochs: int) -> str:
    """Return what the files of a way's training begin with."""
    cut = way.cut.replace(".", "_") or "whole"
    norm = "" if way.norm == SOURCE else f"-{way.norm}"
    return f"{cut}-{'crops' if way.crops else 'whole'}-{way.rate:g}{norm}-{epochs}"

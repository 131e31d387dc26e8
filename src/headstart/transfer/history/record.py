"""What one finished run leaves to the next: the target in numbers, and how each way did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.results import DataError
from headstart.results.answer import plain

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Trial:
    """One way, and what it reached.

    Attributes
    ----------
    name : str
        The candidate's.
    kind : str
        "frozen", "fine-tuned" or "target-only".
    settings : str
        What was chosen for it.
    macro_f1, log_loss : float
        Out of fold.
    n : int
        Rows that it predicted.
    """

    name: str
    kind: str
    settings: str
    macro_f1: float
    log_loss: float
    n: int


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes
    ----------
    target : str
        Name of the folder or file.
    data : str
        Fingerprint of the data.
    modality : str
        "pictures" or "features".
    source : str
        Name of the source; ``""`` for a table.
    meta : mapping of str to float
        See :func:`headstart.transfer.history.describe`.
    trials : tuple of Trial
        In the order in which they stand in the bake-off.
    rounds : tuple of mapping
        Fine-tuning, run by run: cut, crops, rate, fold, epochs, macro_f1, log_loss.
    centre : tuple of float
        Mean feature vector, to four digits; empty for a table. Only those of the same source compare.
    """

    target: str
    data: str
    modality: str
    source: str
    meta: Mapping[str, float]
    trials: tuple[Trial, ...]
    rounds: tuple[Mapping[str, Any], ...] = ()
    centre: tuple[float, ...] = ()

    @property
    def best(self) -> Trial:
        """The trial that carries knowledge over with the highest macro-F1; without one, the highest of all."""
        carrying = [one for one in self.trials if one.kind != "target-only"] or list(self.trials)
        return max(carrying, key=lambda one: one.macro_f1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"format": FORMAT, **plain(self)}

    @classmethod
    def from_dict(cls, values: Any) -> Record:
        """Return the record that ``to_dict`` gave.

        Raises
        ------
        DataError
            If it is none, or of a later format.
        """
        try:
            if values["format"] != FORMAT:
                raise DataError(f"a record of format {values['format']!r}: this version reads {FORMAT}")
            rest = {name: values[name] for name in ("target", "data", "modality", "source")}
            trials = tuple(
                Trial(
                    str(one["name"]), str(one["kind"]), str(one["settings"]), _number(one["macro_f1"]),
                    _number(one["log_loss"]), int(one["n"]),
                )
                for one in values["trials"]
            )  # fmt: skip
            if not trials or not all(np.isfinite(one.macro_f1) and one.n > 0 for one in trials):
                raise ValueError
            return cls(
                **{name: str(value) for name, value in rest.items()},
                meta={str(name): _number(value) for name, value in values["meta"].items()},
                trials=trials,
                rounds=tuple(dict(one) for one in values["rounds"]),
                centre=tuple(map(float, values["centre"])),
            )
        except DataError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError("not a record of a run") from None


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)

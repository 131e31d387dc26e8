"""The warm start: what the history says of a new target, asked once and then kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import Answer
from headstart.transfer.history.order import likeness, missed, order
from headstart.transfer.history.record import Record
from headstart.transfer.history.store import records

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmStart(Answer):
    """What worked on the targets most like this one.

    Attributes
    ----------
    ways, cuts, rates : tuple of str
        Candidates on frozen features, cuts (``""`` is the whole network) and learning rates that the history knows, the
        most promising first; see :func:`headstart.transfer.history.order.order`.
    targets : tuple of str
        The earlier targets, the most alike first.
    likeness : tuple of float
        Of each, 0.05 to 1.
    best : tuple of str
        What was best on each.
    """

    ways: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    likeness: tuple[float, ...] = ()
    best: tuple[str, ...] = ()

    question = "What worked on targets like this one?"

    def __bool__(self) -> bool:
        """Whether there was a history to ask."""
        return bool(self.targets)

    def headline(self) -> str:
        """One sentence: what is tried first, and on whose word."""
        if not self:
            return "There is no earlier target of this kind: things are tried in the usual order."
        named = ", ".join(self.targets[:_NAMED])
        return f"{self.ways[0][0].upper()}{self.ways[0][1:]} first, as on {named} ({len(self.targets)} earlier in all)."

    def to_frame(self) -> pd.DataFrame:
        """Return one row an earlier target, the most alike first."""
        import pandas as pd

        columns = {"target": self.targets, "likeness": self.likeness, "best": self.best}
        return pd.DataFrame(columns).set_index("target")

    def first(self, names: Iterable[str], wanted: Sequence[str]) -> list[str]:
        """Return ``names`` in the order of ``wanted``; those that it does not have come after, as they stood."""
        place = {name: rank for rank, name in enumerate(wanted)}
        return sorted(names, key=lambda name: place.get(name, len(place)))


def warm_start(
    meta: Mapping[str, float], *, modality: str, source: str = "", data: str = "", centre: Sequence[float] = ()
) -> WarmStart:
    """Return what the history says of a target.

    Parameters
    ----------
    meta : mapping of str to float
        See :func:`headstart.transfer.history.describe`.
    modality : str
        "pictures" or "features"; targets of the other kind are not asked.
    source : str
        Only targets that were met with the same source are asked: its cuts are its own.
    data : str
        The target's fingerprint: earlier runs on the very same data are not asked, so that a command that is given
        again decides the same.
    centre : sequence of float
        Mean feature vector; the cosine to each earlier one's counts as one more meta-feature.

    Examples
    --------
    >>> warm_start({"rows": 5.0}, modality="tea leaves").headline()
    'There is no earlier target of this kind: things are tried in the usual order.'
    """
    return advice(records(), meta, modality=modality, source=source, data=data, centre=centre)


def advice(
    history: Sequence[Record],
    meta: Mapping[str, float],
    *,
    modality: str,
    source: str = "",
    data: str = "",
    centre: Sequence[float] = (),
) -> WarmStart:
    """Return what these records say of a target; see :func:`warm_start`."""
    alike = [one for one in history if (one.modality, one.source) == (modality, source) and one.data != data]
    asked = [one for one in alike if len(_frozen(one)) > 1]
    if not asked:
        return WarmStart()
    weights = likeness({**meta, "angle": 1.0}, [{**one.meta, "angle": _cosine(centre, one.centre)} for one in asked])
    ranked = np.argsort(-weights, kind="stable")
    ways = [(_frozen(run), run.best.n) for run in asked]
    return WarmStart(
        ways=_ordered(ways, weights),
        cuts=_ordered([_by(run, "cut", short=True) for run in asked], weights),
        rates=_ordered([_by(run, "rate", short=False) for run in asked], weights),
        targets=tuple(asked[place].target for place in ranked),
        likeness=tuple(round(float(weights[place]), 4) for place in ranked),
        best=tuple(asked[place].best.name for place in ranked),
    )


def kept(path: Path, ask: Any) -> WarmStart:
    """Return the warm start that stands at ``path``; if there is none, that of ``ask()``, written there.

    A run that goes on after it was stopped decides as it began, whatever the history has learned in between.
    """
    from headstart.results.files import write_json

    if not path.is_file():
        write_json(path, ask().to_dict())
    values = json.loads(path.read_text(encoding="utf-8"))
    return WarmStart(**{name: tuple(value) for name, value in values.items()})


def _ordered(tables: Sequence[tuple[Mapping[str, float], int]], weights: Any) -> tuple[str, ...]:
    known = [place for place, (scores, _) in enumerate(tables) if scores]
    names = list(dict.fromkeys(name for place in known for name in tables[place][0]))
    return order(names, [missed(*tables[place]) for place in known], weights[known])


def _frozen(run: Record) -> dict[str, float]:
    """Return the scores of the ways that leave the network as it is."""
    return {one.name: one.macro_f1 for one in run.trials if one.kind == "frozen"}


def _by(run: Record, what: str, *, short: bool) -> tuple[dict[str, float], int]:
    """Return the score by cut of the first round, or by rate of the training to the end, and the rows that it is of."""
    found: dict[str, list[float]] = {}
    least = min((one["epochs"] for one in run.rounds), default=0)
    for one in run.rounds:
        if (one["epochs"] == least and one["fold"] == 0) == short:
            key = f"{one[what]:g}" if what == "rate" else str(one[what])
            found.setdefault(key, []).append(float(one["macro_f1"]))
    folds = {one["fold"] for one in run.rounds}
    best = max if short else np.mean  # kinds of views of a cut; folds of a rate
    return {key: float(best(scores)) for key, scores in found.items()}, max(1, run.best.n // max(5, len(folds)))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if not len(a) or a.shape != b.shape:
        return float("nan")
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), np.finfo(np.float64).tiny))

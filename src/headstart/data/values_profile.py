"""What do I have, where a row has no single class: how numbers, ranks and labels are spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.profile import Profile, profile, target_warnings
from headstart.data.readers.base import count
from headstart.data.target import PARTS, Target

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_SKEWED = 1.0  # of a number: an exponential distribution has 2
_RARE = 0.05
_UNEVEN = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValuesProfile(Profile):
    """What a target of ranks, numbers, labels or heads holds; ``classes`` and ``counts`` are those of its strata.

    Attributes
    ----------
    task : str
        See :class:`headstart.data.Target`.
    spread : mapping of str to mapping of str to float
        Outside the test part. Of a number: ``mean``, ``deviation``, ``skewness``, ``minimum``, quartiles, ``maximum``.
        Of each rank, label, or class of a head: ``examples`` and ``share``.
    """

    task: str
    spread: Mapping[str, Mapping[str, float]]

    def headline(self) -> str:
        """One sentence: how much of what."""
        totals = {part: sum(self.counts[part]) for part in PARTS}
        parts = " + ".join(f"{total:,} {part}" for part, total in totals.items() if total)
        thing = count(sum(totals.values()), "picture" if self.modality == "pictures" else "row")
        if self.task == "regression":
            name, found = next(iter(self.spread.items()))
            what = (
                f"the number {name!r} from {found['minimum']:.4g} to {found['maximum']:.4g} (median "
                f"{found['median']:.4g}, skewness {found['skewness']:.1f})"
            )
        else:
            rarest = min(self.spread, key=lambda name: self.spread[name]["share"])
            kind = {"ordinal": "ordered classes", "multilabel": "labels", "heads": "classes in all heads"}[self.task]
            what = f"{len(self.spread)} {kind}, the rarest {rarest!r} with {self.spread[rarest]['share']:.1%}"
        return f"{thing} ({parts}): {what}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each number, rank, label or class: how it is spread outside the test part."""
        import pandas as pd

        frame = pd.DataFrame(list(self.spread.values()), index=pd.Index(list(self.spread), name="what"))
        if "examples" in frame:
            frame["examples"] = frame["examples"].astype(int)
        return frame

    def plot(self) -> Figure:
        """Return bars of the strata by part."""
        from headstart.data.plots import class_bars

        return class_bars(super().to_frame())


def values_profile(target: Target) -> ValuesProfile:
    """Answer "What do I have?" for a target that has ``values``.

    Examples
    --------
    >>> from headstart.data import load_target
    >>> target = load_target((np.arange(40.0).reshape(20, 2), np.arange(20.0)), task="regression")
    >>> values_profile(target).headline()
    "20 rows (15 train + 5 test): the number 'y' from 1 to 19 (median 10, skewness 0.0)"
    """
    base = profile(target)
    known: dict[str, Any] = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    spread = _spread(target)
    ratio = base.imbalance_ratio if target.task == "ordinal" else 1.0  # other strata are no classes
    too_small = base.too_small if target.task == "ordinal" else ()
    known |= {"imbalance_ratio": ratio, "too_small": too_small}
    notes = target_warnings(target, base.leakage, base.contradictions, too_small, 1.0)
    known["warnings"] = (*notes, *_warnings(target.task, spread, ratio))
    return ValuesProfile(**known, task=target.task, spread=spread)


def _spread(target: Target) -> dict[str, dict[str, float]]:
    assert target.values is not None
    values = target.values[target.rows("train", "val")]
    if target.task == "regression":
        column = values[:, 0]
        deviation = float(column.std())
        names = ("minimum", "lower quartile", "median", "upper quartile", "maximum")
        return {
            next(iter(target.outputs)): {
                "mean": float(column.mean()),
                "deviation": deviation,
                "skewness": float(((column - column.mean()) ** 3).mean() / deviation**3) if deviation else 0.0,
                **dict(zip(names, np.quantile(column, (0, 0.25, 0.5, 0.75, 1)).tolist(), strict=True)),
            }
        }
    found: dict[str, dict[str, float]] = {}
    for place, (name, classes) in enumerate(target.outputs.items()):
        if target.task == "multilabel":
            counts = {name: int(values[:, place].sum())}
        else:
            prefix = f"{name}=" if target.task == "heads" else ""
            counts = {f"{prefix}{one}": int((values[:, place] == code).sum()) for code, one in enumerate(classes)}
        found |= {one: {"examples": float(n), "share": n / max(len(values), 1)} for one, n in counts.items()}
    return found


def _warnings(task: str, spread: Mapping[str, Mapping[str, float]], ratio: float) -> tuple[str, ...]:
    if task == "regression":
        skewness = next(iter(spread.values()))["skewness"]
        if abs(skewness) < _SKEWED:
            return ()
        tail = "large" if skewness > 0 else "small"
        return (f"the number is skewed ({skewness:.1f}): few examples have {tail} ones; look at the errors there",)
    if ratio >= _UNEVEN:
        return (
            f"the largest class has {ratio:,.0f} times the examples of the smallest: read quadratic weighted kappa and "
            "the macro-averaged error, not accuracy",
        )
    rare = [name for name, found in spread.items() if found["share"] < _RARE]
    if task != "multilabel" or not rare:
        return ()
    more = f" and {len(rare) - 3} more" if len(rare) > 3 else ""
    return (
        f"{', '.join(map(repr, rare[:3]))}{more}: fewer than {_RARE:.0%} of the examples have it, so never saying it "
        "is nearly always right; read macro-F1, not Hamming loss",
    )

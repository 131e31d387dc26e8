"""Are source and target described by the same features?"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np

from headstart.scenario.finding import Finding
from headstart.scenario.table import Table

if TYPE_CHECKING:
    import pandas as pd

_OTHER_UNIT = 10.0  # times the spread; a column that is named alike may be in another unit


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSpace(Finding):
    """Which features source and target have in common.

    Attributes
    ----------
    shared : tuple of str
        Columns of the same name and type, in the source's order, as the source calls them.
    source_only, target_only : tuple of str
    retyped : tuple of str
        Columns of the same name that hold numbers on one side and categories on the other.
    """

    shared: tuple[str, ...]
    source_only: tuple[str, ...] = ()
    target_only: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    question = "Are the features the same?"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a feature: where it is."""
        import pandas as pd

        rows = [(name, "both") for name in self.shared] + [(name, "both, of different types") for name in self.retyped]
        rows += [(name, "source") for name in self.source_only] + [(name, "target") for name in self.target_only]
        return pd.DataFrame(rows, columns=["feature", "in"]).set_index("feature")


def compare_features(source: Table, target: Table) -> tuple[FeatureSpace, dict[str, str]]:
    """Say which columns both have, and how the target calls each of them.

    Names are compared without regard to case, spaces and punctuation. Columns of plain arrays are only numbered: where
    the numbers of columns differ, none of them can be matched.

    Returns
    -------
    FeatureSpace
        ``statistic`` is the share of all columns that both have, ``effect`` the share that is on one side only.
    dict
        Source's name of each shared column -> the target's.
    """
    if not (source.named and target.named) and len(source.columns) != len(target.columns):
        n, m = len(source.columns), len(target.columns)
        sentence = (
            f"The feature spaces differ: {n:,} columns in the source, {m:,} in the target, and at least one side has "
            "no names to match them by."
        )
        return FeatureSpace(
            differs=True, sentence=sentence, statistic=0.0, measure="share of columns in common", effect=1.0,
            shared=(), source_only=tuple(source.columns), target_only=tuple(target.columns),
        ), {}  # fmt: skip
    if source.named and target.named:
        pairs = _by_name(list(source.columns), list(target.columns))
    else:
        pairs = dict(zip(source.columns, target.columns, strict=True))
    retyped = tuple(name for name, other in pairs.items() if source.kinds[name] != target.kinds[other])
    shared = {name: other for name, other in pairs.items() if name not in retyped}
    taken = set(pairs.values())
    gone = tuple(name for name in source.columns if name not in pairs)
    new = tuple(name for name in target.columns if name not in taken)
    everything = len(shared) + len(retyped) + len(gone) + len(new)
    share = len(shared) / everything
    differs = share < 1
    if differs:
        parts = [
            f"{len(names):,} {text} ({_some(names)})"
            for names, text in (
                (gone, "only in the source"),
                (new, "only in the target"),
                (retyped, "of another type"),
            )
            if names
        ]
        sentence = f"The feature spaces differ: {len(shared):,} columns are in both, {', '.join(parts)}."
    else:
        sentence = f"The feature spaces are the same: {len(shared):,} columns" + (
            " of the same names and types." if source.named and target.named else "."
        )
    return FeatureSpace(
        differs=differs, sentence=sentence, statistic=share, measure="share of columns in common", effect=1 - share,
        shared=tuple(shared), source_only=gone, target_only=new, retyped=retyped,
        warnings=tuple(_units(source, target, shared)),
    ), shared  # fmt: skip


def _by_name(source: list[str], target: list[str]) -> dict[str, str]:
    """Return the pairs of equal names: exactly equal ones first, then those that are equal without punctuation."""
    pairs = {name: name for name in source if name in target}
    loose: dict[str, list[str]] = {}
    for name in target:
        if name not in pairs:
            loose.setdefault(_plain(name), []).append(name)
    again: dict[str, list[str]] = {}
    for name in source:
        if name not in pairs:
            again.setdefault(_plain(name), []).append(name)
    pairs |= {names[0]: loose[key][0] for key, names in again.items() if len(names) == len(loose.get(key, ())) == 1}
    return {name: pairs[name] for name in source if name in pairs}


def _units(source: Table, target: Table, shared: dict[str, str]) -> list[str]:
    """Return a warning for each column whose values do not even overlap and whose spread is another by far."""
    found = []
    for name, other in shared.items():
        if source.kinds[name] != "number":
            continue
        sides = [values[~np.isnan(values)] for values in (source.columns[name], target.columns[other])]
        if min(map(len, sides)) < 2:
            continue
        (low, high), (low2, high2) = ((side.min(), side.max()) for side in sides)
        spreads = sorted(float(side.std()) for side in sides)
        if (high < low2 or high2 < low) and spreads[0] > 0 and spreads[1] >= _OTHER_UNIT * spreads[0]:
            found.append(
                f"column {name!r} goes from {low:g} to {high:g} in the source and from {low2:g} to {high2:g} in the "
                "target: see that both have the same unit"
            )
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold() or name


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 3 else shown

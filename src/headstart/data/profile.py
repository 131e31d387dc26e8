"""Question 1: what do I have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.base import count
from headstart.data.scan import scan
from headstart.data.target import PARTS, Target
from headstart.results import Answer, plain

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

# Five-fold cross-validation, by which everything is decided, shows each fold at least one example of five.
FEWEST = 5
# Training examples in the median class. Provisional: they set expectations, measurements decide.
SMALL, LARGE = 100, 1000
_SKEWED = 10.0
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Profile(Answer):
    """What a target holds, and what is wrong with it.

    Attributes
    ----------
    name, modality : str
    classes : tuple of str
        The k classes.
    counts : mapping of str to tuple of int
        "train", "val", "test" -> usable rows of each class.
    n_rows, n_left_out : int
        Rows as they were given, and those among them that are not used, for whatever reason.
    imbalance_ratio : float
        Rows of the largest class over rows of the smallest, outside the test part; at least 1.
    effective_classes : float
        exp(H) of the class shares outside the test part, in 1–k: so many equally large classes are as uncertain.
        The Hill number of order 1 (Hill, *Diversity and evenness*, Ecology 54, 1973).
    scale : str
        "small": the median class has fewer than 100 training rows, "large": 1,000 or more, "medium": between.
    median_class : float
        Training rows of the median class.
    too_small : tuple of str
        Classes with fewer than 5 training rows: five-fold cross-validation leaves folds without them.
    copies : int
        Rows that show what an earlier row shows already.
    twins : tuple of tuple of str
        ids of each picture that stands more than once.
    leakage : tuple of (str, str, str)
        Own splits only: id that was left out, the copy of it that stayed, and that copy's part.
    contradictions : tuple of tuple of (str, str)
        (id, label) of each picture that stands under more than one label.
    unreadable : mapping of str to str
        id -> reason.
    sizes : mapping of str to tuple of float
        "width" and "height" in pixels: minimum, quartiles, maximum. Empty without pictures, as are the next two.
    modes, formats : mapping of str to int
        Readable pictures of each colour mode and file format, most frequent first.
    n_features : int
        Columns of a table of features, else 0.
    notes : tuple of str
        What was done while loading.
    """

    name: str
    modality: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    n_rows: int
    n_left_out: int
    imbalance_ratio: float
    effective_classes: float
    scale: str
    median_class: float
    too_small: tuple[str, ...]
    copies: int
    twins: tuple[tuple[str, ...], ...]
    leakage: tuple[tuple[str, str, str], ...]
    contradictions: tuple[tuple[tuple[str, str], ...], ...]
    unreadable: Mapping[str, str]
    sizes: Mapping[str, tuple[float, ...]]
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    n_features: int
    notes: tuple[str, ...]

    question = "What do I have?"

    def headline(self) -> str:
        """One sentence: how much of what, and what to mend first."""
        totals = {part: sum(self.counts[part]) for part in PARTS}
        parts = " + ".join(f"{total:,} {part}" for part, total in totals.items() if total)
        thing = _thing(self.modality)
        mend = ", ".join(
            f"{count(len(found), noun)} {what}".rstrip()
            for found, noun, what in (
                (self.contradictions, thing, "under more than one label"),
                (self.leakage, thing, "in more than one part"),
                (self.unreadable, "unreadable file", ""),
                (self.too_small, "class", f"with fewer than {FEWEST} training examples"),
            )
            if found
        )
        return (
            f"{count(sum(totals.values()), thing)} of {count(len(self.classes), 'class')} ({parts}), "
            f"a {self.scale} target ({self.median_class:,.0f} training examples in the median class), the largest "
            f"class {self.imbalance_ratio:,.1f} times the smallest; "
            + (f"look at {mend}" if mend else "nothing to mend")
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each class: usable rows in train, val and test, and the class's share of all."""
        import pandas as pd

        frame = pd.DataFrame({part: self.counts[part] for part in PARTS}, index=pd.Index(self.classes, name="class"))
        total = frame.sum(axis=1)
        return frame.assign(share=total / max(int(total.sum()), 1))

    def plot(self) -> Figure:
        """Return bars of the classes by part."""
        from headstart.data.plots import class_bars

        return class_bars(self.to_frame())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; of lists by row the first 100, and in ``cut`` how many more there are."""
        result, cut = {}, {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("twins", "leakage", "contradictions", "unreadable") and len(value) > _LISTED:
                cut[field.name] = len(value) - _LISTED
                value = dict(list(value.items())[:_LISTED]) if isinstance(value, Mapping) else value[:_LISTED]
            result[field.name] = plain(value)
        return {**result, "cut": cut}


def profile(data: Any, **load_kwargs: Any) -> Profile:
    """Answer "What do I have?".

    Parameters
    ----------
    data : Target or data
        Whatever :func:`headstart.load_target` takes.
    **load_kwargs
        Handed to :func:`headstart.load_target`.

    Raises
    ------
    DataError
        If the data cannot be loaded.

    Examples
    --------
    >>> answer = profile((np.arange(60.0).reshape(30, 2), ["cat"] * 20 + ["dog"] * 10))
    >>> answer.imbalance_ratio, round(answer.effective_classes, 2)
    (2.0, 1.89)
    >>> answer.headline()
    '30 rows of 2 classes (24 train + 6 test), a small target (12 training examples in the median class), the largest
    class 2.0 times the smallest; nothing to mend'
    """
    from headstart.data.load import load_target

    target = load_target(data, **load_kwargs)
    k = len(target.classes)
    counts = {part: np.bincount(target.y[target.rows(part)], minlength=k) for part in PARTS}
    develop = counts["train"] + counts["val"]
    median = float(np.median(counts["train"]))
    ratio = float(develop.max() / max(develop.min(), 1))
    too_small = tuple(name for name, n in zip(target.classes, counts["train"], strict=True) if n < FEWEST)
    label_of = dict(zip(target.ids.tolist(), target.labels.tolist(), strict=True))
    contradictions = tuple(
        tuple((name, label_of[name]) for name in twins)
        for twins in target.twins
        if len({label_of[name] for name in twins} - {""}) > 1
    )
    leakage = _leakage(target)
    return Profile(
        name=target.name,
        modality=target.modality,
        classes=target.classes,
        counts={part: tuple(found.tolist()) for part, found in counts.items()},
        n_rows=len(target),
        n_left_out=len(target.left_out),
        imbalance_ratio=ratio,
        effective_classes=effective_number(develop),
        scale="small" if median < SMALL else "medium" if median < LARGE else "large",
        median_class=median,
        too_small=too_small,
        copies=sum(len(twins) - 1 for twins in target.twins),
        twins=target.twins,
        leakage=leakage,
        contradictions=contradictions,
        unreadable=dict(target.unreadable),
        n_features=0 if target.features is None else target.features.shape[1],
        notes=target.notes,
        warnings=target_warnings(target, leakage, contradictions, too_small, ratio),
        **_looks(target),
    )


def effective_number(counts: NDArray[np.int64]) -> float:
    """Return exp of the Shannon entropy of ``counts``, the Hill number of order 1; 0 if all are 0.

    >>> effective_number(np.array([5, 5, 5, 0])), effective_number(np.array([99, 1])) < 1.1
    (3.0, True)
    """
    total = counts.sum()
    if total == 0:
        return 0.0
    share = counts[counts > 0] / total
    return float(np.round(np.exp(-(share * np.log(share)).sum()), 12))


def _looks(target: Target) -> dict[str, Any]:
    """Return sizes, modes and formats of the readable pictures; the scan comes from the cache of the loader's."""
    if target.pictures is None:
        return {"sizes": {}, "modes": {}, "formats": {}}
    found = scan(target.pictures)
    readable = found.reasons == ""
    if not readable.any():
        return {"sizes": {}, "modes": {}, "formats": {}}
    quantiles = np.quantile(found.sizes[readable], _QUANTILES, axis=0)
    return {
        "sizes": {side: tuple(quantiles[:, i].tolist()) for i, side in enumerate(("width", "height"))},
        "modes": _tally(found.modes[readable]),
        "formats": _tally(found.formats[readable]),
    }


def _tally(values: NDArray[np.str_]) -> dict[str, int]:
    names, numbers = np.unique(values, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return dict(zip(names[order].tolist(), numbers[order].tolist(), strict=True))


def _leakage(target: Target) -> tuple[tuple[str, str, str], ...]:
    """Return (left out, kept, part of the kept one) where a copy was left out for the sake of another part."""
    if not target.own_split:
        return ()
    part_of = dict(zip(target.ids.tolist(), target.split.tolist(), strict=True))
    found = []
    for twins in target.twins:
        for part, title in (("test", "test"), ("val", "validation")):
            kept = next((name for name in twins if part_of[name] == part), None)
            for name in twins:
                if target.left_out.get(name, "").endswith(f" of the {title} part"):
                    found.append((name, kept or "", part))
    return tuple(found)


def _thing(modality: str) -> str:
    return "picture" if modality == "pictures" else "row"


def target_warnings(
    target: Target,
    leakage: tuple[tuple[str, str, str], ...],
    contradictions: tuple[tuple[tuple[str, str], ...], ...],
    too_small: tuple[str, ...],
    ratio: float,
) -> tuple[str, ...]:
    """Return what a person should know of a target before trusting anything that is made of it."""
    thing, found = _thing(target.modality), []
    if leakage:
        gone, kept, part = leakage[0]
        found.append(
            f"{count(len(leakage), thing)} of the split that was given stand in a later part as well and were left out "
            f"of the earlier one (for example {gone!r} is {kept!r} of {part}): figures measured with them were too good"
        )
    if contradictions:
        (first, label), *rest = contradictions[0]
        second, other = next(pair for pair in rest if pair[1] != label)
        found.append(
            f"{count(len(contradictions), thing)} under more than one label "
            f"(for example {first!r} is {label!r} and {second!r} is {other!r}): decide which is right"
        )
    if target.unreadable:
        name, reason = next(iter(target.unreadable.items()))
        found.append(f"{count(len(target.unreadable), thing)} cannot be read (for example {name!r}: {reason})")
    if too_small:
        found.append(
            f"{count(len(too_small), 'class')} with fewer than {FEWEST} training examples (for example "
            f"{too_small[0]!r}): cross-validation sees too little of such a class; add examples or merge it"
        )
    if ratio >= _SKEWED:
        found.append(
            f"the largest class has {ratio:,.0f} times the examples of the smallest: "
            "read macro-F1 or balanced accuracy, not accuracy"
        )
    return tuple(found)

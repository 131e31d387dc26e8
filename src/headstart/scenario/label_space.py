"""Do source and target tell the same classes apart?"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.scenario.finding import Finding, p_text

if TYPE_CHECKING:
    import pandas as pd

Relation = Literal["same", "subset", "superset", "partial overlap", "disjoint"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A class of the source and the class of the target that it is taken for.

    Attributes
    ----------
    source, target : str
    by : str
        "name", "meaning" where class vectors say so, or "examples" where the examples of the two look alike.
    likeness : float
        1 for names; else the cosine of the classes' vectors.
    """

    source: str
    target: str
    by: Literal["name", "meaning", "examples"]
    likeness: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSpace(Finding):
    """Which classes source and target have in common.

    Attributes
    ----------
    relation : str or None
        Of the target's classes to the source's, by name: "same", "subset" (the source has more), "superset", "partial
        overlap" or "disjoint"; None without target labels.
    pairs : tuple of Pair
        Classes that both have, by name.
    meanings : tuple of Pair
        Classes without a partner by name that are taken for each other by class vectors or by their examples. They
        are a proposal: nothing else in the diagnosis uses them.
    source_only, target_only : tuple of str
        Classes without a partner by name.
    """

    relation: Relation | None = None
    pairs: tuple[Pair, ...] = ()
    meanings: tuple[Pair, ...] = ()
    source_only: tuple[str, ...] = ()
    target_only: tuple[str, ...] = ()

    question = "Are the classes the same?"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: what it is called on either side, and by what it was matched."""
        import pandas as pd

        matched = [*self.pairs, *self.meanings]
        rows: list[tuple[str | None, str | None, str | None, float | None]] = [
            (one.source, one.target, one.by, one.likeness) for one in matched
        ]
        rows += [(name, None, None, None) for name in self.source_only if name not in {one.source for one in matched}]
        rows += [(None, name, None, None) for name in self.target_only if name not in {one.target for one in matched}]
        return pd.DataFrame(rows, columns=["source", "target", "by", "likeness"])


def match_names(source: Sequence[str], target: Sequence[str]) -> tuple[Pair, ...]:
    """Return the classes of both that have the same name; each class is matched once.

    Names that are exactly equal come first, then those that are equal without case, punctuation and a plural's s, then
    those of which an alternative is ("T-shirt/top" and "t-shirt"), where it fits one class only.

    Examples
    --------
    >>> for pair in match_names(["T-shirt/top", "Dress", "bag"], ["t-shirt", "dress", "Bags", "hat"]):
    ...     print(pair.source, "=", pair.target)
    T-shirt/top = t-shirt
    Dress = dress
    bag = Bags
    """
    found: dict[str, str] = {}
    left = list(target)
    for forms in (_exactly, _loosely, _alternatives):
        free = [name for name in source if name not in found]
        fits = {name: [other for other in left if forms(name) & forms(other)] for name in free}
        for name, others in fits.items():
            rivals = [one for one in free if others and others[0] in fits[one]]
            if len(others) == 1 and rivals == [name]:
                found[name] = others[0]
        left = [name for name in left if name not in found.values()]
    return tuple(Pair(name, found[name], "name") for name in source if name in found)


def _exactly(name: str) -> set[str]:
    return {name}


def _loosely(name: str) -> set[str]:
    plain = re.sub(r"[\W_]+", "", name).casefold()
    return {plain.removesuffix("s") or plain} if plain else {name}


def _alternatives(name: str) -> set[str]:
    return {form for part in re.split(r"[/,;|]|\bor\b", name) if part.strip() for form in _loosely(part)}


def match_meanings(
    source: Mapping[str, ArrayLike],
    target: Mapping[str, ArrayLike],
    *,
    least: float = 0.5,
    by: Literal["meaning", "examples"] = "meaning",
) -> tuple[Pair, ...]:
    """Return the classes that are each other's nearest by the cosine of their vectors, if it is at least ``least``.

    Parameters
    ----------
    source, target : mapping of str to array_like, shape (d,)
        A vector for each class to match, for instance sentence vectors of the names.
    least : float
        Cosine.
    by : str
        What the pairs are said to be matched by.

    Raises
    ------
    DataError
        If vectors differ in length.

    Examples
    --------
    >>> match_meanings({"pants": [1, 0.1], "hat": [0, 1]}, {"trousers": [1, 0]})[0].target
    'trousers'
    """
    if not source or not target:
        return ()
    mine, theirs = list(source), list(target)
    rows = [np.asarray(vector, dtype=np.float64) for vector in (*source.values(), *target.values())]
    if len({row.shape for row in rows}) > 1 or rows[0].ndim != 1:
        raise DataError("class vectors differ in shape: give one vector of the same length for each class")
    table = np.stack(rows)
    table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    cosine = table[: len(mine)] @ table[len(mine) :].T
    pairs = [
        Pair(name, theirs[int(best)], by, float(cosine[row, best]))
        for row, (name, best) in enumerate(zip(mine, cosine.argmax(axis=1), strict=True))
        if cosine[:, best].argmax() == row and cosine[row, best] >= least
    ]
    return tuple(sorted(pairs, key=lambda one: -one.likeness))


def class_means(rows: NDArray[np.float64], labels: NDArray[np.object_]) -> dict[str, NDArray[np.float64]]:
    """Return how the mean of each class lies to that of all classes, in standard deviations of the rows (n, d).

    So two places can be compared although all that is in one of them looks different.
    """
    scale = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    means = {str(name): scaled[labels == name].mean(axis=0) for name in np.unique(labels)}
    centre = np.mean(list(means.values()), axis=0)
    return {name: mean - centre for name, mean in means.items()}


def likely_names(
    space: LabelSpace, source: Mapping[str, ArrayLike], target: Mapping[str, ArrayLike], *, by_examples: bool
) -> LabelSpace:
    """Return the finding with those classes paired that no name pairs, by their vectors.

    By examples the least cosine is 3 / sqrt(d), three times what unrelated vectors have, but between 0.3 and 0.9.
    """
    gone = {name: source[name] for name in space.source_only if name in source}
    new = {name: target[name] for name in space.target_only if name in target}
    if not gone or not new:
        return space
    d = np.size(next(iter(gone.values())))
    least = float(np.clip(3 / np.sqrt(d), 0.3, 0.9)) if by_examples else 0.5
    pairs = match_meanings(gone, new, least=least, by="examples" if by_examples else "meaning")
    if not pairs:
        return space
    named = ", ".join(f"{one.source} = {one.target} ({one.likeness:.2f})" for one in pairs[:4])
    text = f"{space.sentence} By {'their examples' if by_examples else 'meaning'}: {named}."
    return dataclasses.replace(space, meanings=pairs, sentence=text)


def compare_labels(
    ys: NDArray[np.object_],
    yt: NDArray[np.object_] | None,
    *,
    level: float,
) -> LabelSpace:
    """Say whether the classes are the same.

    A class that one side lacks counts only if it would hardly be missing by chance: with the share that it has on
    the other side, the probability of n rows without it is at most ``level``.

    Parameters
    ----------
    ys, yt : ndarray of object, shapes (ns,) and (nt,)
        Labels as text, none missing; ``yt`` is None without target labels.
    level : float
    """
    if yt is None:
        return LabelSpace(
            differs=None, sentence="Whether the classes are the same cannot be told without target labels."
        )
    (names_s, counts_s), (names_t, counts_t) = (np.unique(y, return_counts=True) for y in (ys, yt))
    pairs = match_names(names_s.tolist(), names_t.tolist())
    gone = tuple(name for name in names_s.tolist() if name not in {one.source for one in pairs})
    new = tuple(name for name in names_t.tolist() if name not in {one.target for one in pairs})
    missed = [(1 - counts_s[names_s == name][0] / len(ys)) ** len(yt) for name in gone]
    missed += [(1 - counts_t[names_t == name][0] / len(yt)) ** len(ys) for name in new]
    p_value = float(min(1.0, min(missed) * len(missed))) if missed else 1.0
    relation: Relation
    if not gone and not new:
        relation, text = "same", f"The classes are the same, {len(pairs)} of them."
    else:
        if not pairs:
            relation = "disjoint"
        elif gone and new:
            relation = "partial overlap"
        else:
            relation = "subset" if gone else "superset"
        text = f"{len(pairs)} classes are in both" + "".join(
            f", {len(names)} only in the {side} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})"
            for side, names in (("source", gone), ("target", new))
            if names
        )
        text = f"The label spaces differ ({relation}): {text}."
    differs: bool | None = relation != "same"
    if differs and p_value > level:
        differs = None
        text = f"{', '.join((gone + new)[:4])} may be missing on one side by chance ({p_text(p_value)})."
    union = len(pairs) + len(gone) + len(new)
    return LabelSpace(
        differs=differs, sentence=text, statistic=len(pairs) / union, measure="share of classes in common",
        p_value=p_value, effect=1 - len(pairs) / union, relation=relation, pairs=pairs, source_only=gone,
        target_only=new,
    )  # fmt: skip

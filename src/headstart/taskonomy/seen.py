"""What a target's classes look like to a source: "your pants are seen as jean .61"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import Answer, DataError
from headstart.taskonomy.hierarchy import Hierarchy, imagenet
from headstart.taskonomy.superclasses import Branch, checked, coverage, nearest_branch, nearest_superclasses

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class SeenClass:
    """How the source sees one class of the target.

    Attributes
    ----------
    name : str
    n : int
        Examples.
    top : tuple of (str, float)
        The source classes with the highest mean probability: name, probability.
    superclasses : tuple of Branch
        The synsets that say the most about the class, none overlapping.
    branch : Branch or None
        The part of the hierarchy that is nearest; None where the source sees nothing in particular.
    inside : float
        Share of the examples whose likeliest source class is in that branch; 0 without one.
    confidence : float
        Mean probability of the likeliest source class: low where the source's label space has no word for the class.
    spread : float
        Source classes that the class is spread over: the exponential of the entropy of the mean probabilities.
    """

    name: str
    n: int
    top: tuple[tuple[str, float], ...]
    superclasses: tuple[Branch, ...]
    branch: Branch | None
    inside: float
    confidence: float
    spread: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeenAs(Answer):
    """What a target's classes look like to a source.

    Attributes
    ----------
    classes : tuple of SeenClass
        In the order of their names or codes.
    branch : Branch or None
        The part of the hierarchy that is nearest to the whole target, each class counting the same.
    covered : float
        How much of the target that branch covers, 0 to 1, each class counting the same.
    """

    classes: tuple[SeenClass, ...]
    branch: Branch | None
    covered: float

    question = "What do the classes look like to the source?"

    def headline(self) -> str:
        """One sentence: the class that the source is surest about, and the nearest branch."""
        surest = max(self.classes, key=lambda one: one.top[0][1])
        seen = ", ".join(f"{name} {p:.2f}" for name, p in surest.top[:2])
        if self.branch is None:
            return f"{surest.name} is seen as {seen}; no branch of the hierarchy stands out."
        return f"{surest.name} is seen as {seen}; the nearest branch, {self.branch.name}, covers {self.covered:.0%}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: what it is seen as, the nearest branch with its level, and how sure the source is."""
        import pandas as pd

        rows = {
            one.name: {
                "seen as": ", ".join(f"{name} {p:.2f}" for name, p in one.top),
                "branch": one.branch.name if one.branch else "",
                "level": one.branch.depth if one.branch else -1,
                "covered": one.branch.probability if one.branch else 0.0,
                "inside": one.inside,
                "confidence": one.confidence,
                "spread": one.spread,
                "n": one.n,
            }
            for one in self.classes
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")

    def superclasses(self) -> pd.DataFrame:
        """Return the nearest superclasses of every class, one row each: class, name, wnid, level, probability."""
        import pandas as pd

        rows = [
            (one.name, branch.name, branch.wnid, branch.depth, branch.n_classes, branch.probability)
            for one in self.classes
            for branch in one.superclasses
        ]
        return pd.DataFrame(rows, columns=["class", "superclass", "wnid", "level", "n_classes", "probability"])


def seen_as(
    probabilities: ArrayLike,
    y: ArrayLike,
    names: Sequence[str] | None = None,
    hierarchy: Hierarchy | None = None,
    *,
    n_top: int = 3,
    n_superclasses: int = 10,
) -> SeenAs:
    """Say what each class of a target looks like to a source, from the source's probabilities.

    Parameters
    ----------
    probabilities : array_like, shape (n, c)
        The source's probabilities of its c classes for n examples of the target.
    y : array_like, shape (n,)
        The target's labels: codes or names.
    names : sequence of str, optional
        The names of the codes; without them the labels are the names.
    hierarchy : Hierarchy, optional
        Of the source's classes; ImageNet's 1,000 by default.
    n_top, n_superclasses : int
        How many source classes and superclasses to tell for each class.

    Returns
    -------
    SeenAs

    Raises
    ------
    DataError
        If there is no example, lengths differ, or these are no probabilities.
    """
    known = hierarchy or imagenet()
    labels = np.asarray(y)
    given = checked(probabilities, known)
    if given.ndim != 2 or labels.ndim != 1 or len(labels) != len(given):
        raise DataError(f"probabilities have shape {given.shape} and labels {labels.shape}: give a row for each label")
    if len(labels) == 0:
        raise DataError("there is no example: give at least one")
    if n_top < 1 or n_superclasses < 1:
        raise DataError(f"n_top is {n_top} and n_superclasses {n_superclasses}: tell at least one of each")
    codes = np.unique(labels)
    named = names is None or (np.issubdtype(codes.dtype, np.integer) and codes[0] >= 0 and codes[-1] < len(names))
    if names is not None and not named:
        raise DataError(f"labels go from {codes[0]} to {codes[-1]}: give integer codes below {len(names)}, one a name")
    means = np.stack([given[labels == code].mean(axis=0) for code in codes])
    means /= means.sum(axis=1, keepdims=True)
    whole = means.mean(axis=0)
    branch = nearest_branch(whole, known)
    classes = tuple(
        _seen(str(code if names is None else names[code]), given[labels == code], mean, known, n_top, n_superclasses)
        for code, mean in zip(codes, means, strict=True)
    )
    return SeenAs(classes=classes, branch=branch, covered=branch.probability if branch else 0.0)


def _seen(
    name: str,
    rows: NDArray[np.float64],
    mean: NDArray[np.float64],
    known: Hierarchy,
    n_top: int,
    n_superclasses: int,
) -> SeenClass:
    from scipy.special import entr

    order = np.argsort(-mean, kind="stable")[:n_top]
    branch = nearest_branch(mean, known)
    likeliest = np.zeros_like(rows)
    likeliest[np.arange(len(rows)), rows.argmax(axis=1)] = 1
    return SeenClass(
        name=name,
        n=len(rows),
        top=tuple((known[known.classes[k]].name, float(mean[k])) for k in order),
        superclasses=nearest_superclasses(mean, n_superclasses, known),
        branch=branch,
        inside=float(coverage(likeliest, branch.wnid, known).mean()) if branch else 0.0,
        confidence=float(rows.max(axis=1).mean()),
        spread=float(np.exp(entr(mean).sum())),
    )

"""The rule of thumb that everybody is taught, with its words measured: small or large, similar or dissimilar."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Way = Literal["freeze", "fine-tune", "low-level", "scratch"]

# From `python benchmarks/probe.py SHARED --calibrate`, docs/probe.md; what they stand for is told in `place`.
LARGE = 50  # examples a class, the middle of 21 curves
LARGE_RANGE = (16.0, 640.0)  # a quarter of the curves lies below, a third beyond
SIMILAR = 0.905
SIMILAR_RANGE = (0.90, 0.91)

WAYS: dict[Way, str] = {
    "freeze": "freeze the trunk, train the head",
    "fine-tune": "fine-tune many layers",
    "low-level": "an SVM on low-level features",
    "scratch": "train from scratch",
}
_CELLS: dict[tuple[bool, bool], Way] = {
    (False, True): "freeze",
    (True, True): "fine-tune",
    (False, False): "low-level",
    (True, False): "scratch",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoByTwo(Answer):
    """Where a target stands in the 2x2 table, and what the rule says.

    Attributes
    ----------
    n, n_classes : int
        Examples of the development part, and classes.
    similarity : float or None
        To the source, 0 to 1 (:func:`headstart.finetuning.similarity.source_similarity`); ``None``: not known.
    large : bool
        Whether there are at least ``LARGE`` examples a class.
    similar : bool or None
        Whether the similarity is at least ``SIMILAR``.
    ways : tuple of {"freeze", "fine-tune", "low-level", "scratch"}
        What the rule says; both cells of the row where the similarity is not known.
    """

    n: int
    n_classes: int
    similarity: float | None
    large: bool
    similar: bool | None
    ways: tuple[Way, ...]

    question = "What would the rule of thumb say?"

    @property
    def per_class(self) -> float:
        """Examples a class, on average."""
        return self.n / self.n_classes

    def headline(self) -> str:
        """One sentence: where the target stands, what the rule says, and what that is worth."""
        size = f"{'large' if self.large else 'small'} ({self.per_class:,.0f} examples a class)"
        if self.similarity is None:
            place = f"{size}, and how similar to the source is not known"
        else:
            place = f"{size} and {'similar' if self.similar else 'dissimilar'} to the source ({self.similarity:.2f})"
        said = ", or ".join(WAYS[way] for way in self.ways)
        return f"By the rule's measure the target is {place}: {said}. It only proposes: the measurement decides."

    def to_frame(self) -> pd.DataFrame:
        """Return the table, the cell of this target marked with an arrow."""
        import pandas as pd

        columns = {
            f"{name} source": [
                ("→ " if (way := _CELLS[large, similar]) in self.ways else "") + WAYS[way] for large in (False, True)
            ]
            for name, similar in (("similar", True), ("dissimilar", False))
        }
        return pd.DataFrame(columns, index=pd.Index(["small", "large"], name="target"))

    def plot(self) -> Figure:
        """Return the four fields with the target's place in them."""
        from headstart.finetuning.plots import four_fields

        return four_fields(self)


def place(n: int, n_classes: int, similarity: float | None) -> TwoByTwo:
    """Return the target's place in the table of small or large target and similar or dissimilar source.

    The rule is taught with words; here each has a measure and a threshold, calibrated against something that it was
    not computed from.

    *Similar* is told from the statistics of unlabelled pictures. What it is to decide is whether the source's top layer
    can be trusted, and that is what calibrates it, with labels: whether the probe finds an earlier tap measurably
    better than the last. The threshold separates best the pairs of target and source where it does from those where it
    does not.

    *Large* is told from the number of examples. What it is to decide is whether the features themselves may be
    changed, which pays where they, not the number of examples, are the limit. The learning curve of a head on the
    frozen last tap, score(n) = c - a n^-b, splits what is missing to 1 into a n^-b, which more examples would bring,
    and 1 - c, which these features never will. The threshold is the size at which the two are equal, in the middle of
    the targets and sources at hand, whose own sizes lie far apart.

    Neither threshold is sharp, and the rule is often wrong: which layers to change depends on the kind of the shift,
    not on its size alone. So it is shown beside what was measured, and which arms compete does not depend on it.

    Parameters
    ----------
    n, n_classes : int
        Examples of the development part and classes.
    similarity : float or None
        ``Similarity.overall`` of :func:`headstart.finetuning.similarity.source_similarity`.

    Raises
    ------
    DataError
        If a number is out of range.

    References
    ----------
    Li, Karpathy and Johnson, CS231n, Transfer learning (the rule); Yosinski et al. (2014), arXiv:1411.1792; Lee et al.
    (2023), Surgical fine-tuning improves adaptation to distribution shifts, arXiv:2210.11466 (where it fails).

    Examples
    --------
    >>> place(400, 14, 0.97).ways, place(60_000, 10, 0.89).ways, place(300, 3, None).ways
    (('freeze',), ('scratch',), ('fine-tune', 'scratch'))
    """
    if n < 1 or n_classes < 1:
        raise DataError(f"n={n} examples of n_classes={n_classes}: give at least one of each")
    if similarity is not None and not 0 <= similarity <= 1:
        raise DataError(f"similarity={similarity} is none: give a number from 0 to 1, or None where it is not known")
    per_class = n / n_classes
    large = per_class >= LARGE
    similar = None if similarity is None else similarity >= SIMILAR
    notes = []
    if LARGE_RANGE[0] <= per_class <= LARGE_RANGE[1]:
        notes.append(
            f"{per_class:,.0f} examples a class are near the border of small and large, {LARGE}, which is hardly "
            f"known: of the curves that it comes from, a quarter lies below {LARGE_RANGE[0]:,.0f} and a third beyond "
            f"{LARGE_RANGE[1]:,.0f}"
        )
    if similarity is not None and SIMILAR_RANGE[0] <= similarity <= SIMILAR_RANGE[1]:
        notes.append(f"a similarity of {similarity:.3f} is near the border of similar and dissimilar, {SIMILAR}")
    sides = (True, False) if similar is None else (similar,)
    return TwoByTwo(
        n=n,
        n_classes=n_classes,
        similarity=similarity,
        large=large,
        similar=similar,
        ways=tuple(_CELLS[large, side] for side in sides),
        warnings=tuple(notes),
    )

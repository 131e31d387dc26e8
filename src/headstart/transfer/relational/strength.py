"""How far labels should spread: learned on a labelled graph, used on another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import Answer, DataError
from headstart.transfer.relational.drawing import draw
from headstart.transfer.relational.graph import Graph
from headstart.transfer.relational.operators import label_spreading

if TYPE_CHECKING:
    import pandas as pd

ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpreadingStrength(Answer):
    """The strength of label spreading that does best on a source.

    Attributes
    ----------
    alpha : float
        For :func:`headstart.transfer.relational.label_spreading`.
    alphas : tuple of float
        What was tried.
    accuracies : tuple of float
        Mean accuracy of each, on labels that were not shown.
    chance : float
        Share of the most frequent class.
    source : str
    """

    alpha: float
    alphas: tuple[float, ...]
    accuracies: tuple[float, ...]
    chance: float
    source: str

    question = "How far should labels spread along relations?"

    def headline(self) -> str:
        """One sentence: the strength, and what it reaches."""
        return (
            f"alpha {self.alpha:g}: accuracy {max(self.accuracies):.3f} on {self.source}, "
            f"whose most frequent class has {self.chance:.3f}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the accuracy of each strength."""
        import pandas as pd

        return pd.DataFrame({"accuracy": self.accuracies}, index=pd.Index(self.alphas, name="alpha"))


def learn_spreading(
    source: Graph, *, n_labels: int = 10, alphas: Sequence[float] = ALPHAS, n_episodes: int = 5, random_state: int = 0
) -> SpreadingStrength:
    """Find how far labels should spread on ``source``: a few are shown, the others are asked for.

    Parameters
    ----------
    source : Graph
        Labelled, with two classes or more.
    n_labels : int
        Labels of each class that are shown; about as many as the target has.
    alphas : sequence of float
        What is tried, each from 0 to below 1. Of equal ones the first is taken.
    n_episodes : int
        Drawings of labels.
    random_state : int

    Raises
    ------
    DataError
        If no class has two labels, or there is nothing to try.

    Examples
    --------
    >>> chain = Graph([[i, i + 1] for i in range(19)], ["a"] * 10 + ["b"] * 10)
    >>> learn_spreading(chain, n_labels=2, alphas=[0, 0.9]).alpha
    0.9
    """
    if not len(alphas) or n_episodes < 1:
        raise DataError(f"{len(alphas)} strengths in {n_episodes} drawings: give at least one of each")
    counts = np.bincount(source.y[source.y >= 0])
    if len(counts) < 2 or counts.max() < 2:
        raise DataError(f"{source.name!r} has too few labels to show some and ask for others: give another source")
    right = np.zeros((n_episodes, len(alphas)))
    for number in range(n_episodes):
        shown = draw(source.y, n_labels, np.random.default_rng([random_state, number]), spare=1)
        asked = np.setdiff1d(np.flatnonzero(source.y >= 0), shown)
        known = source.only(shown)
        for place, alpha in enumerate(alphas):
            said = label_spreading(known, alpha)[asked].argmax(axis=1)
            right[number, place] = (said == source.y[asked]).mean()
    accuracies = right.mean(axis=0)
    return SpreadingStrength(
        alpha=float(alphas[int(accuracies.argmax())]),
        alphas=tuple(float(alpha) for alpha in alphas),
        accuracies=tuple(accuracies.tolist()),
        chance=float(counts.max() / counts.sum()),
        source=source.name,
    )

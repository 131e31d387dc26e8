"""What a fit needs to know of a task: which heads compete, what is decided, and how a decision is measured."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headstart.data import Target
    from headstart.evaluation import HeadChoice, Scored
    from headstart.pipeline.model import Head
    from headstart.results import Answer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Folds = Sequence[tuple[Rows, Rows]]
Rule = Mapping[str, tuple[float, ...]]


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """A head with its penalty, not yet fitted on all rows.

    Attributes
    ----------
    answer : HeadChoice
    table : ndarray of float64, shape (n, columns)
        What it gives of each row out of fold.
    fit : callable
        Returns the head fitted on features (n, d) and values (n, m).
    rule : Answer or None
        How decisions are made of ``table``, where that was tuned.
    """

    answer: HeadChoice
    table: Floats
    fit: Callable[[NDArray[Any], Floats], Head]
    rule: Answer | None = None


class Kind(ABC):
    """A task other than classification, on the values of one target.

    Parameters
    ----------
    target : Target
        With ``values``.
    """

    score = ""  # of a picture, in words

    def __init__(self, target: Target) -> None:
        assert target.values is not None
        self.target, self.outputs = target, dict(target.outputs)
        self.values: Floats = target.values

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that a head gives."""

    @abstractmethod
    def choose(self, X: NDArray[Any], rows: Rows, folds: Folds, seed: int) -> Chosen:
        """Choose head, penalty and rule by folds of ``rows``; ``X`` (n, d) are the features of these rows."""

    @abstractmethod
    def rule_of(self, chosen: Chosen) -> Rule:
        """Return what ``decide`` needs to know."""

    @abstractmethod
    def out_of_fold(self, chosen: Chosen) -> Floats:
        """Return what was decided of each row (n, m) by folds that the row had no part in."""

    @abstractmethod
    def by_picture(self, rows: Rows, decisions: Floats) -> Floats:
        """Return a score (n,) of each decision, higher is better."""

    @abstractmethod
    def evaluate(self, rows: Rows, table: Floats, decisions: Floats, learned: Rows, seed: int) -> Scored:
        """Measure decisions on held-out rows."""

    @abstractmethod
    def evidence(self, X: NDArray[Any], rows: Rows) -> float:
        """Return LogME of features (n, d) for these rows."""


def kind_of(target: Target) -> Kind:
    """Return what the target's task needs."""
    from headstart.pipeline.kind_numbers import Numbers
    from headstart.pipeline.kind_ordered import Ordered
    from headstart.pipeline.kind_several import Heads, Labels

    kinds: dict[str, Callable[[Target], Kind]] = {
        "regression": Numbers,
        "ordinal": Ordered,
        "multilabel": Labels,
        "heads": Heads,
    }
    return kinds[target.task](target)


def standardized_evidence(X: NDArray[Any], Y: Floats) -> float:
    """Return LogME of features (n, d) for numbers (n, m) of deviation 1, mean over the columns that vary."""
    from headstart.transferability.logme import logme

    spread = Y.std(axis=0)
    return float(logme(X, ((Y - Y.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, spread > 0], regression=True))

"""What a decision rule is judged by: functions of the confusion matrix, or its cost."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.imbalance._labels import Codes, Floats
from headstart.metrics.counts import share
from headstart.results import DataError

ALIASES = {"macro_f1": "f1_macro", "mcc": "matthews_corrcoef"}
COUNTED = ("f1_macro", "balanced_accuracy", "accuracy", "matthews_corrcoef", "geometric_mean", "f1")


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
    """A metric of decisions, higher is better.

    Attributes
    ----------
    name : str
        One of ``COUNTED``, or ``"neg_cost"``: minus the mean cost of a decision.
    positive : int
        Class that ``"f1"`` is of.
    cost : ndarray, shape (k, k), optional
        Cost of saying class j of an example of class i.
    """

    name: str
    positive: int = 1
    cost: Floats | None = None

    @classmethod
    def of(cls, metric: str, positive: int, n_classes: int) -> Objective:
        """Return the metric of this name, or say which there are."""
        name = ALIASES.get(metric, metric)
        if name not in COUNTED:
            raise DataError(f"metric={metric!r} is no function of decisions: choose among {', '.join(COUNTED)}")
        if name == "f1" and n_classes != 2:
            raise DataError(f"f1 is of one of two classes and there are {n_classes}: choose f1_macro")
        if name == "f1" and positive not in (0, 1):
            raise DataError(f"positive={positive!r}: give 0 or 1, the class that f1 is of")
        return cls(name, positive)

    def of_matrix(self, matrix: Floats) -> Floats:
        """Return the metric (...) of confusion matrices (..., k, k), rows being the true classes."""
        if self.cost is not None:
            return np.asarray(-(matrix * self.cost).sum(axis=(-2, -1)) / matrix.sum(axis=(-2, -1)))
        hits = np.diagonal(matrix, axis1=-2, axis2=-1)
        return self.of_counts(hits, matrix.sum(axis=-2), matrix.sum(axis=-1))

    def of_counts(self, hits: Floats, predicted: Floats, support: Floats) -> Floats:
        """Return the metric (...) from right predictions, predictions and examples of each class, (..., k) each."""
        return self.of_sums(self.terms(hits, predicted, support, np.arange(hits.shape[-1])).sum(axis=-2))

    def terms(self, hits: Floats, predicted: Floats, support: Floats, codes: Codes) -> Floats:
        """Return what each class (...) adds to the sums (..., m) that the metric is a function of.

        So a change in two classes changes the sums by their terms alone, and all thresholds of a class are found in
        one pass.
        """
        there = support > 0
        parts: list[NDArray[Any]]
        if self.name == "accuracy":
            parts = [hits, support]
        elif self.name == "matthews_corrcoef":
            parts = [hits, predicted * support, predicted**2, support**2, support]
        elif self.name == "balanced_accuracy":
            parts = [np.nan_to_num(share(hits, support)), there]
        elif self.name == "geometric_mean":
            logs = np.log(np.where(hits > 0, hits, 1.0) / np.where(hits > 0, support, 1.0))
            parts = [logs, there & (hits <= 0), there]
        else:
            either = support + predicted > 0
            counted = codes == self.positive if self.name == "f1" else either
            parts = [np.where(counted, np.nan_to_num(share(2 * hits, support + predicted)), 0.0), counted]
        return np.stack(np.broadcast_arrays(*[np.asarray(part, dtype=np.float64) for part in parts]), axis=-1)

    def of_sums(self, sums: Floats) -> Floats:
        """Return the metric (...) from the sums (..., m) of all classes' terms."""
        if self.name == "geometric_mean":
            logs, missed, there = np.moveaxis(sums, -1, 0)
            return np.asarray(np.where(missed > 0.5, 0.0, np.exp(logs / np.maximum(there, 1))))
        if self.name == "matthews_corrcoef":
            hits, crossed, predicted, support, total = np.moveaxis(sums, -1, 0)
            below = np.maximum(total**2 - predicted, 0) * np.maximum(total**2 - support, 0)
            return np.nan_to_num(share(hits * total - crossed, np.sqrt(below)), nan=0.0)
        return share(sums[..., 0], sums[..., 1])

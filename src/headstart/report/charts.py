"""Charts that need no script: the confusion matrix and the bars of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.report.blocks import Block

if TYPE_CHECKING:
    from headstart.report.page import Page

_LEGIBLE = 30  # classes; a larger matrix is shown by its most confused pairs alone


@dataclass(frozen=True, eq=False)
class ConfusionMatrix(Block):
    """Given classes in rows, predicted classes in columns, and the pairs that are confused most often.

    Attributes
    ----------
    counts : array_like of int, shape (k, k)
        ``counts[i, j]`` examples of class i were predicted as class j.
    classes : sequence of str, length k
        Names of the classes.
    caption : str
        What the table shows.
    pairs : int
        Most confused pairs that are listed; three times as many where k is over 30 and no matrix is drawn.

    Raises
    ------
    ValueError
        If ``counts`` is not square or does not fit ``classes``.
    """

    counts: ArrayLike
    classes: Sequence[str]
    caption: str = ""
    pairs: int = 5
    template = "confusion_matrix.html"

    def __post_init__(self) -> None:
        shape, k = np.shape(self.counts), len(self.classes)
        if shape != (k, k):
            raise ValueError(f"counts have shape {shape}, {k} classes need {(k, k)}: give one row and column a class")

    def view(self, page: Page) -> dict[str, Any]:
        counts = np.asarray(self.counts)
        given = counts.sum(axis=1)
        legible = len(self.classes) <= _LEGIBLE
        pairs = self._confused(counts, given)
        listed = pairs[: self.pairs if legible else 3 * self.pairs]
        return {
            "legible": legible,
            "classes": self.classes,
            "rows": [self._row(counts, given, row) for row in range(len(counts))] if legible else [],
            "precision": [_share(counts[j, j], counts[:, j].sum()) for j in range(len(counts))],
            "pairs": listed,
            "more": len(pairs) - len(listed),
            "wrong": int(counts.sum() - counts.trace()),
            "total": int(counts.sum()),
            "dense": len(self.classes) > 16,
        }

    def _row(self, counts: NDArray[Any], given: NDArray[Any], row: int) -> dict[str, Any]:
        shares = counts[row] / max(int(given[row]), 1)
        cells = [
            {
                "count": int(counts[row, column]),
                "right": row == column,
                # The root lets a share of a few per cent be seen at all.
                "tint": round(float(shares[column] if row == column else math.sqrt(shares[column])), 3),
                "title": f"{self.classes[row]} → {self.classes[column]}: {int(counts[row, column])} of {given[row]}",
            }
            for column in range(len(counts))
        ]
        return {
            "name": self.classes[row],
            "cells": cells,
            "total": int(given[row]),
            "recall": _share(counts[row, row], given[row]),
        }

    def _confused(self, counts: NDArray[Any], given: NDArray[Any]) -> list[dict[str, Any]]:
        wrong = counts.copy()
        np.fill_diagonal(wrong, 0)
        # Most frequent first; among equals the larger share, then the order of the classes.
        found = sorted(
            zip(*np.nonzero(wrong), strict=True), key=lambda ij: (-wrong[ij], -wrong[ij] / given[ij[0]], *ij)
        )
        return [
            {
                "given": self.classes[i],
                "predicted": self.classes[j],
                "count": int(wrong[i, j]),
                "total": int(given[i]),
                "share": _share(wrong[i, j], given[i]),
                "back": int(counts[j, i]),
            }
            for i, j in found
        ]


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}\u202f%" if whole else "–"


@dataclass(frozen=True, eq=False)
class ClassBars(Block):
    """Precision, recall and F1 of each class with its number of examples, the weakest class first.

    Attributes
    ----------
    classes : sequence of str, length k
        Names of the classes.
    precision, recall, f1 : array_like of float, shape (k,), in [0, 1]
        NaN where a figure is not defined; it is then shown as a dash.
    support : array_like of int, shape (k,)
        Examples of each class that were judged.
    caption : str
        What the chart shows.
    limit : int
        Classes that are shown at once; the others open on demand.

    Raises
    ------
    ValueError
        If the lengths differ.
    """

    classes: Sequence[str]
    precision: ArrayLike
    recall: ArrayLike
    f1: ArrayLike
    support: ArrayLike
    caption: str = ""
    limit: int = 40
    template = "class_bars.html"

    def __post_init__(self) -> None:
        for name in ("precision", "recall", "f1", "support"):
            if np.shape(getattr(self, name)) != (len(self.classes),):
                raise ValueError(
                    f"{name} has shape {np.shape(getattr(self, name))}, {len(self.classes)} classes need "
                    f"{(len(self.classes),)}: give one value a class"
                )

    def view(self, page: Page) -> dict[str, Any]:
        precision, recall, f1 = (np.asarray(values, float) for values in (self.precision, self.recall, self.f1))
        support = np.asarray(self.support)
        order = np.argsort(np.nan_to_num(f1, nan=2.0), kind="stable")
        rows = [
            {
                "name": self.classes[i],
                "f1": _number(f1[i]),
                "precision": _number(precision[i]),
                "recall": _number(recall[i]),
                "support": f"{int(support[i]):,}",
                "at": _percent(f1[i]),
                "precision_at": _percent(precision[i]),
                "recall_at": _percent(recall[i]),
                "low": min((v for v in (_percent(precision[i]), _percent(recall[i])) if v is not None), default=None),
                "high": max((v for v in (_percent(precision[i]), _percent(recall[i])) if v is not None), default=None),
            }
            for i in order
        ]
        cut = self.limit if len(rows) > self.limit + 3 else len(rows)
        return {"first": rows[:cut], "rest": rows[cut:]}


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _percent(value: float) -> float | None:
    return round(100 * min(max(float(value), 0.0), 1.0), 2) if math.isfinite(value) else None

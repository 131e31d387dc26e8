"""The rows of source and target that are compared: of shared classes, independent, few enough, and as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.scenario.label_space import LabelSpace
from headstart.scenario.table import Table, as_numbers

Rows = NDArray[np.int64]
Labels = NDArray[np.object_]


class Case:
    """The rows that are compared, as numbers: the source's, the target's, and which of the target's have labels."""

    def __init__(
        self, source: Table, target: Table, columns: tuple[str, ...], labels_s: Labels, labels_t: Labels | None,
        label_space: LabelSpace, most: int, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.columns, self.notes = columns, []
        rows_s, rows_t = np.arange(len(source)), np.arange(len(target))
        called = {one.target: one.source for one in label_space.pairs}
        own = labels_s
        theirs = np.full(len(target), None, dtype=object)
        if labels_t is not None:
            theirs = np.array([None if y is None else called.get(y, f"\0{y}") for y in labels_t], dtype=object)
        self.complete = labels_t is not None and all(y is not None for y in theirs)
        if self.complete and called:
            in_both = set(called.values())
            rows_s = np.flatnonzero([y in in_both for y in own])
            rows_t = np.flatnonzero([y in in_both for y in theirs])
            lost = len(source) - len(rows_s) + len(target) - len(rows_t)
            if lost:
                self.notes.append(f"{lost:,} rows of classes that one side lacks were left out of the tests")
        elif labels_t is not None and (label_space.source_only or label_space.target_only) and called:
            self.notes.append("rows without a label may be of classes that one side lacks: P(X) was compared on all")
        self.classes = sorted(set(own[rows_s]))
        index = {name: code for code, name in enumerate(self.classes)}
        self.counts = np.stack([
            np.bincount([index[y] for y in side if y in index], minlength=len(index))
            for side in (own[rows_s], theirs[rows_t])
        ])  # fmt: skip
        labelled = rows_t[[theirs[row] in index for row in rows_t]]
        if max(len(rows_s), len(rows_t)) > most:
            self.notes.append(f"tests looked at a random sample of {most:,} rows a side")
        rows_s, rows_t, labelled = (
            np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
            for rows in (rows_s, rows_t, labelled)
        )
        if self.complete:
            labelled = rows_t
        every = np.union1d(rows_t, labelled)
        self.source, self.target = source.take(rows_s), target.take(rows_t)
        self.numbers_s, numbers = as_numbers(self.source, target.take(every), columns)
        self.numbers_t = numbers[np.searchsorted(every, rows_t)]
        self.labelled = numbers[np.searchsorted(every, labelled)]
        self.codes_s = np.array([index[y] for y in own[rows_s]], dtype=np.int64)
        self.codes_t = np.array([index[y] for y in theirs[labelled]], dtype=np.int64) if called else labelled[:0]


def as_labels(ys: Any, yt: Any, ns: int, nt: int) -> tuple[Labels, Labels | None]:
    """Return labels as text, None where the target has none."""
    from headstart.data.labels import labelled
    from headstart.data.readers.values import labels_of

    if ys is None:
        raise DataError("the source has no labels: give ys, one class a row")
    given = np.asarray(ys)
    if given.shape != (ns,):
        raise DataError(f"Xs has {ns:,} rows and ys shape {given.shape}: give one class a row")
    import pandas as pd

    source = np.array(labels_of(pd.Series(given), [str(row) for row in range(ns)], "ys"), dtype=object)
    if yt is None:
        return source, None
    theirs = np.asarray(yt)
    if theirs.shape != (nt,):
        raise DataError(f"Xt has {nt:,} rows and yt shape {theirs.shape}: give one label a row, None where it has none")
    there = np.flatnonzero(labelled(theirs, given if given.dtype.kind in "iu" else None))
    if not len(there):
        return source, None
    target = np.full(nt, None, dtype=object)
    target[there] = labels_of(pd.Series(theirs[there]), [str(row) for row in there], "yt")
    return source, target


def one_a_group(groups: ArrayLike | None, n: int, rng: np.random.Generator) -> Rows:
    """Return one random row of each group, ascending; all rows without groups."""
    if groups is None:
        return np.arange(n)
    given = np.asarray(groups)
    if given.shape != (n,):
        raise DataError(f"{n:,} rows but groups of shape {given.shape}: give one group each")
    order = rng.permutation(n)
    return np.sort(order[np.unique(given[order], return_index=True)[1]])


def renamed(target: Table, shared: Mapping[str, str]) -> Table:
    """Return the target with its shared columns under the source's names."""
    if not shared:
        return target
    return Table(
        {name: target.columns[other] for name, other in shared.items()},
        {name: target.kinds[other] for name, other in shared.items()},
        target.named,
    )

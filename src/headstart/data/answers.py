"""What is to be predicted, checked: its strata, that there is something to learn, and a split that leaves it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.answers import HEADS, Answers, labelled, ordered
from headstart.data.readers.base import CLASSIFICATION, Rows, natural_key, some
from headstart.data.splits import split_parts
from headstart.data.strata import label_strata, number_strata
from headstart.results import DataError

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_ATTEMPTS = 20


def given_answers(rows: Rows, task: str, order: str | Sequence[str] | None) -> Answers | None:
    """Return what is to be predicted, from a table's columns or the names of class folders; ``None``: one class.

    Raises
    ------
    DataError
        If the labels are not what the task needs.
    """
    if task == CLASSIFICATION:
        return None
    answers = rows.answers
    if answers is None:
        import pandas as pd

        found: Answers = labelled(pd.DataFrame({"label": list(rows.labels)}), rows.ids, task, "")["answers"]
        answers = found
    return ordered(answers, order) if task == "ordinal" else answers


def strata(
    labels: NDArray[np.object_], answers: Answers | None, usable: NDArray[np.bool_], groups: Codes
) -> tuple[tuple[str, ...], Codes]:
    """Return the classes and the class of each row (-1: not usable); where a row has no single class, strata."""
    if answers is not None and answers.task == "regression":
        return number_strata(answers.values[:, 0], usable)
    if answers is not None and answers.task != "ordinal":
        onehot, names = _onehot(answers)
        return label_strata(onehot, names, usable, groups)
    there = set(labels[usable])
    found = sorted(there, key=natural_key) if answers is None else next(iter(answers.outputs.values()))
    classes = tuple(name for name in found if name in there)
    index = {name: code for code, name in enumerate(classes)}
    return classes, np.array([index[name] if ok else -1 for name, ok in zip(labels, usable, strict=True)], np.int64)


def identity(labels: NDArray[np.object_], answers: Answers, y: Codes) -> Codes:
    """Return codes of rows that say the same, by which copies of a picture contradict each other; -1: not usable.

    Numbers say the same within a range: two readings of one thing differ a little.
    """
    if answers.task == "regression":
        return y
    return np.where(y < 0, -1, np.unique(labels.astype(str), return_inverse=True)[1])


def check_answers(answers: Answers, kept: NDArray[np.bool_], clusters: Codes) -> None:
    """Raise a DataError unless every output varies over at least two pictures on either side."""
    values = answers.values[kept]
    if not len(values):
        raise DataError("no row can be used, each picture is unreadable: see that the files are pictures")
    if answers.task == "regression":
        if values.min() == values.max():
            raise DataError(
                f"{next(iter(answers.outputs))!r} is {values[0, 0]:g} in every row: there is nothing to predict"
            )
        return
    onehot, names = _onehot(answers)
    table, cluster = onehot[kept], clusters[kept]
    few = [name for name, column in zip(names, table.T, strict=True) if _fewest(column, cluster) < 2]
    if few:
        raise DataError(
            f"{some(few)}: fewer than two different examples with it, or without it: add examples or leave it out"
        )


def check_learned(answers: Answers, parts: NDArray[np.str_], notes: list[str]) -> None:
    """Raise a DataError if an output is constant where it is to be learned; note those that the test part lacks."""
    learned = np.isin(parts, ("train", "val"))
    if answers.task == "regression":
        column = answers.values[learned, 0]
        if not len(column) or column.min() == column.max():
            raise DataError("the number does not vary outside the test part: give another split")
        return
    if answers.task == "ordinal":
        return
    onehot, names = _onehot(answers)
    lost = [name for name, column in zip(names, onehot[learned].T, strict=True) if column.min() == column.max()]
    if lost:
        raise DataError(f"outside the test part no example tells {some(lost)}: add examples, or give another split")
    test = onehot[parts == "test"]
    untested = [name for name, column in zip(names, test.T, strict=True) if not column.any()]
    if untested and len(test):
        notes.append(f"the test part has no example of {some(untested)}, so nothing is known about it there")


def split_answers(
    answers: Answers,
    kept: NDArray[np.bool_],
    y: Codes,
    groups: Codes,
    *,
    test_size: float,
    random_state: int | np.random.Generator | None,
) -> NDArray[np.str_]:
    """Return "train" or "test" for each row kept: stratified, groups whole, and every output known on both sides.

    Raises
    ------
    DataError
        If no such split was found.
    """
    rng = np.random.default_rng(random_state)
    members, codes = groups[kept], y[kept]
    onehot = None if answers.task == "regression" else _onehot(answers)[0][kept]
    parts = np.full(len(codes), "train", dtype="<U5")
    for attempt in range(_ATTEMPTS):
        tied = attempt >= _ATTEMPTS // 2  # perhaps the groups tie the strata together
        try:
            parts = split_parts(
                np.zeros_like(codes) if tied else codes, members, test_size=test_size,
                random_state=int(rng.integers(2**31)),
            )  # fmt: skip
        except DataError:
            if tied:
                raise
            continue
        if onehot is None or all(_both(onehot[parts == part]) for part in ("train", "test")):
            return parts
    if len(set(parts.tolist())) < 2:
        raise DataError("no split was found in which groups stay whole: give a split of your own or smaller groups")
    return parts  # what it lacks is said by check_learned


def _both(onehot: Floats) -> bool:
    return bool(len(onehot) and onehot.any(axis=0).all())


def _onehot(answers: Answers) -> tuple[Floats, list[str]]:
    """Return 0 or 1 (n, m) for each label, or for each class of each head, and their names."""
    if answers.task == "multilabel":
        return answers.values, list(answers.outputs)
    names = [
        f"{head}={name}" if answers.task == HEADS else name
        for head, classes in answers.outputs.items()
        for name in classes
    ]
    columns: list[Any] = [
        answers.values[:, place] == code
        for place, classes in enumerate(answers.outputs.values())
        for code in range(len(classes))
    ]
    return np.column_stack(columns).astype(np.float64), names


def _fewest(column: Floats, clusters: Codes) -> int:
    """Return how many different pictures have the label, or lack it, whichever is less."""
    return min(len(np.unique(clusters[column == value])) for value in (0.0, 1.0))

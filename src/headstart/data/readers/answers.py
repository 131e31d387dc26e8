"""What is to be predicted, where it is not one class of each row: numbers, ordered classes, several labels or heads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.base import CLASSIFICATION, count, natural_key, short, some
from headstart.data.readers.values import labels_of
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
TASKS = (CLASSIFICATION, "ordinal", "regression", "multilabel")
HEADS = "heads"  # what "multilabel" is with several columns of classes

_SEPARATOR = re.compile(r"[;|]")
_YES_NO = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True, eq=False)
class Answers:
    """What is to be predicted of each row.

    Attributes
    ----------
    task : str
        "ordinal", "regression", "multilabel" or "heads".
    labels : list of str
        The answer of each row as text.
    values : ndarray of float64, shape (n, m)
        A rank, a number, 0 or 1 for each label, or a class for each head.
    outputs : mapping of str to tuple of str
        Name of each of the m columns, with its classes; a number and a label have none.
    """

    task: str
    labels: list[str]
    values: Floats
    outputs: Mapping[str, tuple[str, ...]]

    def texts(self) -> list[str]:
        """Return each row's values as text that tells them apart to the last digit."""
        return [repr(row) for row in self.values.tolist()]


def labelled(given: pd.DataFrame, ids: Sequence[str], task: str, what: str) -> dict[str, Any]:
    """Return ``labels``, and ``answers`` where the task is not classification, from columns of labels.

    Parameters
    ----------
    given : DataFrame, n rows
        The columns as they were read.
    ids : sequence of str, length n
        Names of the rows, for errors.
    task : str
        One of ``TASKS``.
    what : str
        What goes before a column's name in errors.

    Raises
    ------
    DataError
        If the columns are not what the task needs.
    """
    if task not in (CLASSIFICATION, "multilabel") and given.shape[1] > 1:
        raise DataError(f"{task} knows one column of labels, not {some(list(given.columns))}: give one")
    if task == CLASSIFICATION:
        if given.shape[1] > 1:
            raise DataError(f"labels in {some(list(given.columns))}: give one column, or --task multilabel")
        return {"labels": labels_of(given.iloc[:, 0], ids, _called(given.columns[0], what))}
    readers = {"regression": _numbers, "ordinal": _ranks, "multilabel": _several}
    answers = readers[task](given, ids, what)
    return {"labels": answers.labels, "answers": answers}


def ordered(answers: Answers, order: str | Sequence[str] | None) -> Answers:
    """Return ordinal answers with ranks by ``order``, such as ``"none<slight<severe"``; by value where it is ``None``.

    Raises
    ------
    DataError
        If the classes are no numbers and have no order, or the order and the classes are not the same.
    """
    found = sorted(set(answers.labels), key=natural_key)
    if order is None:
        numbers = [_number(name) for name in found]
        if None in numbers:
            raise DataError(
                f"the classes {some(found, 6)} are no numbers: say their order, lowest first, with "
                f"--order {'<'.join(found[:6])!r}"
            )
        named = [name for _, name in sorted(zip(numbers, found, strict=True))]
    else:
        named = [name.strip() for name in order.split("<")] if isinstance(order, str) else [str(name) for name in order]
    strange = [name for name in found if name not in named]
    if strange or len(set(named)) < len(named):
        wrong = f"says nothing of {some(strange)}" if strange else "names a class twice"
        raise DataError(f"the order {'<'.join(named)!r} {wrong}: name each of {some(found, 12)} once, lowest first")
    classes = tuple(name for name in named if name in found)
    rank = {name: float(code) for code, name in enumerate(classes)}
    values = np.array([[rank[name]] for name in answers.labels])
    return replace(answers, values=values, outputs=dict.fromkeys(answers.outputs, classes))


def _numbers(given: pd.DataFrame, ids: Sequence[str], what: str) -> Answers:
    import pandas as pd

    column = given.columns[0]
    series, name = given[column], _called(column, what)
    numbers = pd.to_numeric(series.astype(object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    empty = _empty(series)
    for wrong, how in (
        (empty, "has no value"), (np.isnan(numbers) & ~empty, "holds no number"), (np.isinf(numbers), "is infinite"),
    ):  # fmt: skip
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{name} {how} in {wrong.sum():,} of {count(len(series), 'row')}, the first {ids[first]!r}"
                f"{'' if empty[first] else f' ({short(series.iloc[first])})'}: mend or remove these rows"
            )
    return Answers("regression", [f"{number:.6g}" for number in numbers], numbers[:, None], {str(column): ()})


def _ranks(given: pd.DataFrame, ids: Sequence[str], what: str) -> Answers:
    column = given.columns[0]
    labels = labels_of(given[column], ids, _called(column, what))
    return Answers("ordinal", labels, np.full((len(labels), 1), np.nan), {str(column): ()})


def _several(given: pd.DataFrame, ids: Sequence[str], what: str) -> Answers:
    if given.shape[1] == 1:
        return _sets(given.iloc[:, 0], _called(given.columns[0], what))
    tables = [_yes_no(given[column]) for column in given.columns]
    names = [str(column) for column in given.columns]
    if all(table is not None for table in tables):
        values = np.column_stack([table for table in tables if table is not None])
        return Answers("multilabel", _joined(values, names), values, dict.fromkeys(names, ()))
    texts = [labels_of(given[column], ids, _called(column, what)) for column in given.columns]
    classes = [tuple(sorted(set(column), key=natural_key)) for column in texts]
    codes = [[found.index(text) for text in column] for column, found in zip(texts, classes, strict=True)]
    labels = [" | ".join(row) for row in zip(*texts, strict=True)]
    return Answers(HEADS, labels, np.array(codes, dtype=np.float64).T, dict(zip(names, classes, strict=True)))


def _sets(series: pd.Series, name: str) -> Answers:
    """Read a column of several labels a row: sequences, or text with ; or | between them; empty: none."""
    empty = _empty(series)
    rows: list[list[str]] = []
    joined = False
    for value, nothing in zip(series, empty, strict=True):
        if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
            joined, row = True, [str(one) for one in value]
        else:
            row = [] if nothing else _SEPARATOR.split(str(value))
            joined |= len(row) > 1
        rows.append(sorted({one.strip() for one in row} - {""}, key=natural_key))
    names = sorted({one for row in rows for one in row}, key=natural_key)
    if not joined:
        raise DataError(
            f"{name} holds one value in each row, such as {short(next(iter(names), ''))}: for several labels put ; or "
            "| between them or name several columns (--label a,b,c); for one class take --task classify"
        )
    place = {one: number for number, one in enumerate(names)}
    values = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        values[number, [place[one] for one in row]] = 1.0
    return Answers("multilabel", _joined(values, names), values, dict.fromkeys(names, ()))


def _yes_no(series: pd.Series) -> Floats | None:
    """Return a column of 0 and 1 (or false and true), or ``None`` if it holds anything else."""
    found = [_YES_NO.get(str(value).strip().casefold()) for value in series]
    return None if None in found else np.array(found, dtype=np.float64)


def _joined(values: Floats, names: Sequence[str]) -> list[str]:
    return ["; ".join(name for name, there in zip(names, row, strict=True) if there) for row in values]


def _empty(series: pd.Series) -> NDArray[np.bool_]:
    """Say which values are missing or blank."""
    lists = (list, tuple, set, frozenset, np.ndarray)
    return np.array(
        [
            not isinstance(value, lists) and (value is None or value != value or not str(value).strip())
            for value in series.astype(object)
        ],
        dtype=bool,
    )


def _called(column: object, what: str) -> str:
    return f"{what}{str(column)!r}" if what else str(column)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def decoded(values: Floats, outputs: Mapping[str, tuple[str, ...]], task: str) -> list[str]:
    """Return rows of ``values`` (n, m) as text, as ``Answers.labels`` are."""
    names: Iterable[str] = outputs
    if task == "regression":
        return [f"{number:.6g}" for number in values[:, 0]]
    if task == "multilabel":
        return _joined(values, list(names))
    return [
        " | ".join(classes[int(code)] for classes, code in zip(outputs.values(), row, strict=True)) for row in values
    ]

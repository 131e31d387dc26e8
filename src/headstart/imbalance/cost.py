"""What a wrong decision costs, and the decision that costs least."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Codes, Floats
from headstart.results import DataError

_PLACES = {"tn": (0, 0), "fp": (0, 1), "fn": (1, 0), "tp": (1, 1)}


def parse_cost(text: str, positive: int = 1) -> Floats:
    """Return the cost matrix of two classes from text such as ``"fn=10,fp=1"``.

    Parameters
    ----------
    text : str
        Costs of what is missed (fn), of false alarms (fp) and, where they cost anything, of right answers (tp, tn).
    positive : {0, 1}
        Index of the positive class.

    Returns
    -------
    ndarray, shape (2, 2)
        Entry (i, j): the cost of saying class j of an example of class i.

    Raises
    ------
    DataError
        If the text cannot be read.

    Examples
    --------
    >>> parse_cost("fn=10, fp=1").tolist()
    [[0.0, 1.0], [10.0, 0.0]]
    """
    if positive not in (0, 1):
        raise DataError(f"positive={positive!r}: give 0 or 1, the index of the positive class")
    cost = np.zeros((2, 2))
    seen: set[str] = set()
    for part in text.split(","):
        name, _, value = (piece.strip().lower() for piece in part.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if name not in _PLACES or not math.isfinite(number):
            raise DataError(f"cost {text!r}: {part.strip()!r} cannot be read; write it like 'fn=10,fp=1'")
        if name in seen:
            raise DataError(f"cost {text!r} gives {name} twice: give it once")
        seen.add(name)
        cost[_PLACES[name]] = number
    return checked_cost(cost if positive == 1 else cost[::-1, ::-1].copy(), 2)


def cost_matrix(given: ArrayLike | str, classes: Sequence[str], positive: str | None = None) -> Floats:
    """Return the cost matrix (k, k) from ``"fn=10,fp=1"``, from the text of a CSV table, or from an array.

    Parameters
    ----------
    given : str or array_like, shape (k, k)
        A table has the classes in its first row and first column; in the row of class i and the column of class j
        stands the cost of saying j of an example of i.
    classes : sequence of str, length k
        In the order of the matrix.
    positive : str, optional
        The positive class of two; the second where it is not given.

    Raises
    ------
    DataError
        If it cannot be read or does not fit the classes.

    Examples
    --------
    >>> cost_matrix(",cat,dog\\ndog,5,0\\ncat,0,1", ["cat", "dog"]).tolist()
    [[0.0, 1.0], [5.0, 0.0]]
    """
    names = list(classes)
    if not isinstance(given, str):
        return checked_cost(given, len(names))
    if "\n" not in given.strip():
        if len(names) != 2:
            raise DataError(f"cost {given!r} is for two classes and there are {len(names)}: give a table of costs")
        return parse_cost(given, 1 if positive is None else names.index(positive))
    header, *rows = [[cell.strip() for cell in row] for row in csv.reader(given.strip().splitlines()) if row]
    named = [row[0] for row in rows]
    for found in (header[1:], named):
        odd = sorted(set(found) ^ set(names)) or [name for name in found if found.count(name) > 1]
        if odd:
            raise DataError(f"the classes of the table of costs are not those of the data, see {odd[0]!r}")
    try:
        table = {row[0]: dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows}
    except ValueError:
        raise DataError("the table of costs has a cell that is no number, or a row too short or too long") from None
    return checked_cost([[table[true][said] for said in names] for true in names], len(names))


def checked_cost(cost: ArrayLike, n_classes: int) -> Floats:
    """Return a cost matrix (k, k), in which no wrong answer is as cheap as the right one.

    Raises
    ------
    DataError
        If the shape does not fit, a cost is not finite, or to be wrong costs no more than to be right.
    """
    matrix = np.asarray(cost, dtype=np.float64)
    if matrix.shape != (n_classes, n_classes):
        raise DataError(f"cost has shape {matrix.shape} for {n_classes} classes: give ({n_classes}, {n_classes})")
    if not np.isfinite(matrix).all():
        raise DataError(f"cost is {matrix.tolist()}: give finite numbers")
    excess = matrix - np.diag(matrix)[:, None]
    np.fill_diagonal(excess, np.inf)
    if n_classes > 1 and excess.min() <= 0:
        i, j = (int(place) for place in np.unravel_index(excess.argmin(), excess.shape))
        raise DataError(
            f"to say class {j} of an example of class {i} costs {matrix[i, j]:g} and to be right {matrix[i, i]:g}: "
            "let each mistake cost more than the right answer"
        )
    return matrix


def bayes_decision(probabilities: ArrayLike, cost: ArrayLike) -> Codes:
    """Return the class that costs least in expectation, for each example.

    It is right as far as the probabilities are: calibrate them first, and correct them for the deployed prior. With
    two classes it says the positive one from the probability
    (fp - tn) / (fp - tn + fn - tp) on.

    Parameters
    ----------
    probabilities : array_like, shape (n, k)
    cost : array_like, shape (k, k)
        Entry (i, j): the cost of saying class j of an example of class i.

    Returns
    -------
    ndarray of int64, shape (n,)
        The first of equals.

    Raises
    ------
    DataError
        If shapes do not fit or ``cost`` rewards mistakes.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, equations 1 and 2.

    Examples
    --------
    >>> bayes_decision([[0.95, 0.05], [0.85, 0.15]], parse_cost("fn=10,fp=1")).tolist()
    [0, 1]
    """
    table = checked_probabilities(probabilities)
    return np.asarray((table @ checked_cost(cost, table.shape[1])).argmin(axis=1), dtype=np.int64)


def checked_probabilities(probabilities: ArrayLike) -> Floats:
    """Return probabilities (n, k), rows of which add up to 1 (to 0.001)."""
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise DataError(f"probabilities have shape {table.shape}: give one row an example and one column a class")
    good = (table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1) < 1e-3)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"probabilities of row {row} are {table[row, :5].tolist()}: give numbers from 0 on that add up to 1"
        )
    return table

"""From what a head gives to what is said: a rank, a number, labels or classes, and the columns of a table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.answers import decoded

Floats = NDArray[np.float64]
Outputs = Mapping[str, Sequence[str]]
CLASSIFICATION = "classification"


def decide(task: str, table: Floats, outputs: Outputs, rule: Mapping[str, Sequence[float]]) -> Floats:
    """Return what is said of each row, (n, m), as ``Target.values`` are; NaN where ``table`` is.

    Parameters
    ----------
    task : {"ordinal", "regression", "multilabel", "heads"}
    table : ndarray, shape (n, columns)
        Probabilities, or numbers.
    outputs : mapping of str to sequence of str
        See ``Target.outputs``.
    rule : mapping
        ``cuts`` of expected ranks, or ``thresholds`` of labels.

    Examples
    --------
    >>> decide("ordinal", np.array([[0.4, 0.3, 0.3]]), {"damage": "abc"}, {"cuts": [0.5, 1.5]}).tolist()
    [[1.0]]
    """
    known = np.isfinite(table).all(axis=1)
    given = table[known]
    if task == "regression":
        said = given
    elif task == "multilabel":
        said = (given >= np.asarray(rule["thresholds"])).astype(np.float64)
    elif task == "heads":
        from headstart.pipeline.kind_several import most_probable

        said = most_probable(given, [len(classes) for classes in outputs.values()])
    elif rule.get("cuts"):
        from headstart.imbalance.cuts import cut

        said = cut(given @ np.arange(given.shape[1]), rule["cuts"])[:, None].astype(np.float64)
    else:
        said = given.argmax(axis=1)[:, None].astype(np.float64)
    found = np.full((len(table), said.shape[1]), np.nan)
    found[known] = said
    return found


def said_names(task: str, decisions: Floats, outputs: Outputs) -> NDArray[Any]:
    """Return decisions as a person says them: (n,) numbers, class names or tuples of labels; (n, h) names of heads.

    >>> said_names("multilabel", np.array([[1.0, 0.0], [1.0, 1.0]]), {"red": (), "round": ()}).tolist()
    [('red',), ('red', 'round')]
    """
    if task == "regression":
        return decisions[:, 0]
    if task == "multilabel":
        found = np.empty(len(decisions), dtype=object)
        names = list(outputs)
        found[:] = [tuple(name for name, there in zip(names, row, strict=True) if there) for row in decisions]
        return found
    columns = [
        [classes[int(code)] for code in column] for classes, column in zip(outputs.values(), decisions.T, strict=True)
    ]
    table: NDArray[np.object_] = np.array(columns, dtype=object).T
    return table[:, 0] if task == "ordinal" else table


def columns_of(
    task: str, table: Floats, decisions: Floats, outputs: Outputs, columns: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the columns of a table of predictions; rows without one are empty.

    ``predicted``, of several heads ``predicted(HEAD)``, the ``probability`` of a class that is said, and ``p(NAME)`` of
    each column but a number's.
    """
    known = np.atleast_1d(np.isfinite(table).all(axis=1))
    given = {name: tuple(classes) for name, classes in outputs.items()}
    texts = iter(decoded(decisions[known], given, task))
    said: list[Any] = [next(texts) if there else "" for there in known]
    if task == "regression":
        return {"predicted": decisions[:, 0].tolist()}
    found: dict[str, list[Any]] = {"predicted": said}
    starts = np.cumsum([0, *(len(classes) for classes in outputs.values())])
    for number, (name, classes) in enumerate(given.items() if task in ("ordinal", "heads") else ()):
        suffix = f"({name})" if task == "heads" else ""
        codes = np.nan_to_num(decisions[:, number]).astype(np.int64)
        if suffix:
            found[f"predicted{suffix}"] = [
                classes[code] if there else "" for code, there in zip(codes, known, strict=True)
            ]
        probability = table[np.arange(len(table)), starts[number] + codes]
        found[f"probability{suffix}"] = np.where(known, probability, np.nan).tolist()
    if task == "ordinal":
        found["expected rank"] = (table @ np.arange(table.shape[1])).tolist()
    return {**found, **{f"p({name})": table[:, number].tolist() for number, name in enumerate(columns)}}

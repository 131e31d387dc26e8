"""Predicted ranks, numbers, labels and heads, measured beside useless answers and in parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.evaluation.scored import Scored, Values, scored
from headstart.metrics.counts import confusion, mean_defined
from headstart.metrics.labelled import label_each, label_scores
from headstart.metrics.numbers import number_scores
from headstart.metrics.ordered import ordered_scores
from headstart.metrics.scores import weighted_scores

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Seed = int | np.random.Generator | None

_TAILS = (0.1, 0.5, 0.9)
_FEW = 10


def score_numbers(
    y: ArrayLike,
    predicted: ArrayLike,
    learned: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    unit: str = "",
    random_state: Seed = 0,
    part: str = "test",
) -> Scored:
    """Measure predicted numbers (n,), beside always the mean and always the median of ``learned`` (m,).

    ``each`` has the errors in the tails: the lowest and the highest tenth of ``learned``, and what lies between.

    Parameters
    ----------
    y, predicted : array_like, shape (n,)
        Truth and prediction.
    learned : array_like, shape (m,)
        The numbers that were learned from.
    groups : array_like, shape (n,), optional
        Copies and other rows that hang together share a value.
    unit, part : str
        For sentences.
    random_state : int or Generator
        Seed of the resamples.

    Raises
    ------
    DataError
        If shapes do not fit, or a number is not finite.
    """
    true, said, known = (np.asarray(one, dtype=np.float64) for one in (y, predicted, learned))

    def constant(value: float) -> Callable[[Floats], Values]:
        return lambda weights: number_scores(true, np.full(len(true), value), weights)

    edges = np.unique(np.quantile(known, _TAILS))
    place = np.searchsorted(edges, true, side="right")
    names = [f"below {edges[0]:.4g}", *(f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(edges)),
             f"from {edges[-1]:.4g}"]  # fmt: skip
    each = {}
    for code in np.unique(place).tolist():
        error = (said - true)[place == code]
        each[names[code]] = {
            "examples": float(len(error)),
            "mean error": float(error.mean()),
            "mean absolute error": float(np.abs(error).mean()),
        }
    return scored(
        lambda weights: number_scores(true, said, weights),
        {"the mean": constant(float(known.mean())), "the median": constant(float(np.median(known)))},
        _grouped(groups, len(true)),
        task="regression", part=part, each=each, random_state=random_state, unit=unit,
        warnings=_tail_warning(each),
    )  # fmt: skip


def score_ordered(
    y: ArrayLike,
    predicted: ArrayLike,
    learned: ArrayLike,
    *,
    classes: Sequence[str],
    groups: ArrayLike | None = None,
    random_state: Seed = 0,
    part: str = "test",
) -> Scored:
    """Measure predicted ranks (n,), beside always the most frequent and always the median class of ``learned`` (m,).

    Parameters
    ----------
    y, predicted : array_like of int, shape (n,)
        True and predicted rank.
    learned : array_like of int, shape (m,)
        The ranks that were learned from.
    classes : sequence of str
        Names, lowest first.
    groups, random_state, part
        As for :func:`score_numbers`.

    Raises
    ------
    DataError
        If shapes or ranks do not fit.
    """
    true, said, known = (np.asarray(one).astype(np.int64) for one in (y, predicted, learned))
    k = len(classes)

    def constant(code: int) -> Callable[[Floats], Values]:
        return lambda weights: ordered_scores(true, np.full(len(true), code), k, weights)

    usual, middle = int(np.bincount(known, minlength=k).argmax()), int(np.sort(known)[len(known) // 2])
    useless = {f"{classes[usual]!r} (most frequent)": constant(usual)}
    if middle != usual:
        useless[f"{classes[middle]!r} (median)"] = constant(middle)
    each = {}
    for code, name in enumerate(classes):
        error = (said - true)[true == code]
        each[name] = {
            "examples": float(len(error)),
            "recall": float((error == 0).mean()) if len(error) else np.nan,
            "mean error": float(error.mean()) if len(error) else np.nan,
            "mean absolute error": float(np.abs(error).mean()) if len(error) else np.nan,
        }
    return scored(
        lambda weights: ordered_scores(true, said, k, weights), useless, _grouped(groups, len(true)),
        task="ordinal", part=part, each=each, random_state=random_state, unit="steps",
        confusion=confusion(true, said, k), warnings=_few(each, part),
    )  # fmt: skip


def score_labels(
    Y: ArrayLike,
    probabilities: ArrayLike,
    predicted: ArrayLike,
    learned: ArrayLike,
    *,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
    random_state: Seed = 0,
    part: str = "test",
) -> Scored:
    """Measure predicted labels (n, m), beside no label, every label, and those that most of ``learned`` (l, m) have.

    Parameters
    ----------
    Y, predicted : array_like, shape (n, m)
        0 or 1.
    probabilities : array_like, shape (n, m)
        Of each label.
    learned : array_like, shape (l, m)
        The labels that were learned from.
    labels : sequence of str
        Names.
    groups, random_state, part
        As for :func:`score_numbers`.

    Raises
    ------
    DataError
        If shapes or values do not fit.
    """
    true, table, said, known = (np.asarray(one, dtype=np.float64) for one in (Y, probabilities, predicted, learned))
    shares = np.broadcast_to(known.mean(axis=0), true.shape)

    def constant(row: Floats) -> Callable[[Floats], Values]:
        return lambda weights: label_scores(true, shares, np.broadcast_to(row, true.shape), weights)

    usual = (known.mean(axis=0) >= 0.5).astype(np.float64)
    useless = {"no label": constant(np.zeros_like(usual)), "every label": constant(np.ones_like(usual))}
    if 0 < usual.sum() < len(usual):
        useless["the usual labels"] = constant(usual)
    found = label_each(true, table, said)
    renamed = {"support": "examples", "ap": "average precision"}
    each = {
        name: {renamed.get(key, key): float(values[number]) for key, values in found.items()}
        for number, name in enumerate(labels)
    }
    return scored(
        lambda weights: label_scores(true, table, said, weights), useless, _grouped(groups, len(true)),
        task="multilabel", part=part, each=each, random_state=random_state, warnings=_few(each, part),
    )  # fmt: skip


def score_heads(
    Y: ArrayLike,
    tables: Sequence[Floats],
    learned: ArrayLike,
    *,
    heads: Mapping[str, Sequence[str]],
    groups: ArrayLike | None = None,
    random_state: Seed = 0,
    part: str = "test",
) -> Scored:
    """Measure several choices at once, beside the most frequent class of ``learned`` (l, h) in each.

    The metrics are means over the heads; ``exact`` asks that all heads are right, ``hamming`` is the share of heads
    that is wrong.

    Parameters
    ----------
    Y : array_like of int, shape (n, h)
        True class in each head.
    tables : sequence of ndarray, h of shape (n, k)
        Probabilities of each head.
    learned : array_like of int, shape (l, h)
        The classes that were learned from.
    heads : mapping of str to sequence of str
        Names and classes.
    groups, random_state, part
        As for :func:`score_numbers`.

    Raises
    ------
    DataError
        If shapes or classes do not fit.
    """
    true, known = np.asarray(Y).astype(np.int64), np.asarray(learned).astype(np.int64)
    usual = [
        np.tile(np.eye(len(names))[np.bincount(column, minlength=len(names)).argmax()], (len(true), 1))
        for names, column in zip(heads.values(), known.T, strict=True)
    ]

    def measured(given: Sequence[Floats]) -> Callable[[Floats], Values]:
        return lambda weights: _head_scores(true, given, weights)

    once, each = np.ones((1, len(true))), {}
    for number, name in enumerate(heads):
        metrics = ("macro_f1", "accuracy", "pr_auc")
        mine = weighted_scores(true[:, number], tables[number], once, metrics)
        lazy = weighted_scores(true[:, number], usual[number], once, metrics)
        each[name] = {
            "classes": float(len(heads[name])), "macro-F1": float(mine["macro_f1"][0]),
            "accuracy": float(mine["accuracy"][0]), "average precision": float(mine["pr_auc"][0]),
            "most frequent: macro-F1": float(lazy["macro_f1"][0]), "its accuracy": float(lazy["accuracy"][0]),
        }  # fmt: skip
    return scored(
        measured(tables), {"the most frequent classes": measured(usual)}, _grouped(groups, len(true)),
        task="heads", part=part, each=each, random_state=random_state,
    )  # fmt: skip


def _head_scores(true: Codes, tables: Sequence[Floats], weights: Floats) -> dict[str, Floats]:
    metrics = ("macro_f1", "accuracy", "pr_auc")
    found = [weighted_scores(column, table, weights, metrics) for column, table in zip(true.T, tables, strict=True)]
    means = {name: mean_defined(np.column_stack([one[name] for one in found])) for name in metrics}
    right = np.column_stack([table.argmax(axis=1) for table in tables]) == true
    total = weights.sum(axis=1)
    return {
        "macro_f1": means["macro_f1"],
        "macro_ap": means["pr_auc"],
        "accuracy": means["accuracy"],
        "exact": weights @ right.all(axis=1) / total,
        "hamming": weights @ (1 - right.mean(axis=1)) / total,
    }


def _grouped(groups: ArrayLike | None, n: int) -> Codes:
    return np.arange(n) if groups is None else np.asarray(groups)


def _few(each: Mapping[str, Mapping[str, float]], part: str) -> tuple[str, ...]:
    few = [f"{name!r} ({found['examples']:.0f})" for name, found in each.items() if found["examples"] < _FEW]
    if not few:
        return ()
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return (f"fewer than {_FEW} {part} examples: {', '.join(few[:5])}{more}; their figures are hardly known",)


def _tail_warning(each: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    """Say so where a tail is predicted much worse than the middle, as a mean that shrinks does."""
    errors = {name: found["mean absolute error"] for name, found in each.items()}
    worst = max(errors, key=errors.__getitem__)
    if len(errors) < 3 or worst not in (next(iter(errors)), list(errors)[-1]):
        return ()
    rest = min(errors.values())
    if errors[worst] < 2 * rest:
        return ()
    where = "above" if each[worst]["mean error"] > 0 else "below"
    return (
        f"numbers {worst} are off by {errors[worst]:.3g} on average, others by as little as {rest:.3g}: predictions "
        f"there lie {where} the truth",
    )

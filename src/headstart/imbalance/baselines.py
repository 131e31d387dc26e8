"""What models that never look at an example score, exactly, from the class counts alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from headstart.imbalance._counted import Objective
from headstart.imbalance._labels import Codes, Floats

_REACH = 12  # standard deviations of a binomial beyond which its mass is below rounding

TWO = (
    "matthews_corrcoef", "balanced_accuracy", "roc_auc", "average_precision", "f1", "f1_macro", "precision", "recall",
    "accuracy", "f1_weighted", "top_k_accuracy", "false_positive_rate", "geometric_mean",
)  # fmt: skip
MANY = (
    "f1_macro", "balanced_accuracy", "matthews_corrcoef", "roc_auc_ovr", "average_precision", "accuracy",
    "f1_weighted", "top_k_accuracy", "geometric_mean",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What useless models score in one metric.

    Attributes
    ----------
    metric : str
    majority : float
        Of a model that always says the most frequent class (and gives each class its share as probability).
    positive : float
        Of one that always says the positive class; NaN with more than two classes.
    random : float
        What a model is expected to score that draws its answers with the shares of the classes, and ranks at random.
    chance : float
        The line to hold against this metric: what is expected of the best model that does not look at the examples.
    """

    metric: str
    majority: float
    positive: float
    random: float
    chance: float


def baselines(counts: Codes, names: Sequence[str], positive: int | None) -> tuple[Baseline, ...]:
    """Return what useless models score in each metric.

    Undefined is 0, as scikit-learn's scorers have it: the precision of a class that is never predicted, a Matthews
    coefficient without variance.

    Average precision of a random ranking is above the prevalence, which is what constant scores get, by about
    log(n) / n (Bestgen 2015, Exact expected average precision of the random baseline for system evaluation, Prague
    Bulletin of Mathematical Linguistics 103). A mean of F1 over the classes is at most 1 / k for answers that are
    independent of the truth: F1 is concave in how often a class is said, and the slopes are equal where each class is
    said as often as it occurs.

    Parameters
    ----------
    counts : ndarray of int64, shape (k,)
        Examples of each class, none 0.
    names : sequence of str
        Of the classes, for the rows ``recall[name]``.
    positive : int or None
        Index of the positive class of two; ``None`` with more.
    """
    k, n = len(counts), int(counts.sum())
    shares = counts / n
    majority = most_frequent(counts, positive)
    said = [majority] if positive is None else [majority, positive]
    constant = [_constant(counts, code, positive) for code in said]
    by_chance = _random(counts, positive)
    lines = _chance(shares, positive)
    rows = []
    for metric in MANY if positive is None else TWO:
        values = [of[metric] for of in constant]
        always = values[1] if len(values) > 1 else math.nan
        rows.append(Baseline(metric, values[0], always, by_chance[metric], lines[metric]))
    for code in range(k):
        always = math.nan if positive is None else float(code == positive)
        rows.append(Baseline(f"recall[{names[code]}]", float(code == majority), always, float(shares[code]), 1.0))
    return tuple(rows)


def most_frequent(counts: Codes, positive: int | None) -> int:
    """Return the largest class: of equals the positive one, else the first."""
    if positive is not None and counts[positive] == counts.max():
        return positive
    return int(counts.argmax())


def _chance(shares: Floats, positive: int | None) -> dict[str, float]:
    """Return the lines that hold for every model that does not look at the examples."""
    k = len(shares)
    lines = {"accuracy": float(shares.max()), "matthews_corrcoef": 0.0, "roc_auc": 0.5, "roc_auc_ovr": 0.5}
    lines |= dict.fromkeys(("balanced_accuracy", "f1_macro", "geometric_mean"), 1 / k)
    lines["f1_weighted"] = _best_weighted_f1(shares)
    lines["top_k_accuracy"] = float(np.sort(shares)[-2:].sum())
    lines["average_precision"] = 1 / k
    if positive is not None:
        p = float(shares[positive])
        lines |= {"precision": p, "average_precision": p, "recall": 1.0, "f1": 2 * p / (1 + p)}
        lines["false_positive_rate"] = 0.0
    return lines


def _best_weighted_f1(shares: Floats) -> float:
    """Return the highest expected weighted F1 of answers that are drawn with any shares q.

    The sum of 2 p^2 q / (p + q) is concave, and highest where q = max(0, s p^1.5 - p) for the s that makes the q add
    up to 1.
    """
    from scipy.optimize import brentq

    def drawn(s: float) -> Floats:
        return np.maximum(0.0, s * shares**1.5 - shares)

    s = brentq(lambda s: drawn(s).sum() - 1, 0.0, 2 / float(shares.max()) ** 1.5, xtol=1e-14)
    q = drawn(s)
    return float((2 * shares**2 * q / (shares + q)).sum())


def _constant(counts: Codes, said: int, positive: int | None) -> dict[str, float]:
    """Return what a model scores that always says one class and gives every example the same probabilities."""
    k, n = len(counts), int(counts.sum())
    predicted = np.zeros(k)
    predicted[said] = n
    hits, support = np.where(predicted > 0, counts, 0).astype(np.float64), counts.astype(np.float64)
    found = {name: _counted(name, hits, predicted, support) for name in _COUNTED}
    f1 = 2 * hits / (support + predicted)
    found["f1_weighted"] = float((support * f1).sum() / n)
    found["roc_auc" if positive is not None else "roc_auc_ovr"] = 0.5
    found["top_k_accuracy"] = float(np.sort(counts)[-2:].sum() / n)
    found["average_precision"] = 1 / k
    if positive is not None:
        p, right = float(counts[positive] / n), said == positive
        found |= {"average_precision": p, "f1": float(f1[positive]), "recall": float(right)}
        found |= {"precision": p if right else 0.0, "false_positive_rate": float(right)}
    return found


def _random(counts: Codes, positive: int | None) -> dict[str, float]:
    """Return what is expected of answers that are drawn with the shares of the classes, ranked at random.

    How many examples are said to be of a class is binomial; given that number, the right ones among them are in
    expectation its share. So each expectation is one sum over a binomial.
    """
    k, n = len(counts), int(counts.sum())
    shares = counts / n

    def f1(code: int) -> float:
        p = float(shares[code])
        return _expected(n, p, lambda said: 2 * said * p / (said + counts[code]))

    each = np.array([f1(code) for code in range(k)])
    # Right answers of different classes are independent, so the mean of their product is the product of means.
    roots = [_expected(m, m / n, partial(_root, m=m, k=k)) for m in counts.tolist()]
    precise = [_random_average_precision(n, int(m)) for m in counts]
    found = {
        "accuracy": float((shares**2).sum()),
        "balanced_accuracy": 1 / k,
        "matthews_corrcoef": 0.0,
        "f1_macro": float(each.mean()),
        "f1_weighted": float((shares * each).sum()),
        "geometric_mean": float(np.prod(roots)),
        "top_k_accuracy": min(2, k) / k,
        "average_precision": float(np.mean(precise)),
        "roc_auc" if positive is not None else "roc_auc_ovr": 0.5,
    }
    if positive is not None:
        p = float(shares[positive])
        found |= {"average_precision": precise[positive], "f1": float(each[positive]), "recall": p}
        found |= {"precision": p * -math.expm1(n * math.log1p(-p)), "false_positive_rate": p}
    return found


def _root(hits: Floats, m: int, k: int) -> Floats:
    return np.asarray((hits / m) ** (1 / k))


def _expected(n: int, p: float, value: Callable[[Floats], Floats]) -> float:
    """Return the expectation of a function of a binomial number."""
    from scipy.stats import binom

    reach = _REACH * math.sqrt(n * p * (1 - p)) + _REACH**2
    numbers = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1, dtype=np.float64)
    return float(binom.pmf(numbers, n, p) @ value(numbers))


def _random_average_precision(n: int, positives: int) -> float:
    """Return the expected average precision of a random ranking of n examples."""
    if n == positives:
        return 1.0
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    return (positives - 1) / (n - 1) + harmonic / n * (n - positives) / (n - 1)


_COUNTED = ("accuracy", "balanced_accuracy", "matthews_corrcoef", "f1_macro", "geometric_mean")


def _counted(name: str, hits: Floats, predicted: Floats, support: Floats) -> float:
    return float(Objective(name).of_counts(hits, predicted, support))

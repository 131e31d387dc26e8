"""Where a class begins: thresholds tuned on out-of-fold probabilities, and what they gain on rows they never saw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._counted import Objective
from headstart.imbalance._labels import Codes, Floats, Seed
from headstart.imbalance.cost import bayes_decision, checked_cost, checked_probabilities
from headstart.imbalance.offsets import best_offsets, decide
from headstart.metrics import Interval
from headstart.metrics._arrays import checked
from headstart.metrics.counts import weighted_confusion
from headstart.metrics.intervals import _groups, paired_bootstrap
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thresholds(Answer):
    """Offsets of the classes, and what to expect of them.

    Attributes
    ----------
    offsets : tuple of float
        Added to each class's log probability before the highest is taken; their mean is 0.
    metric : str
        What was made high; ``"neg_cost"`` is minus the mean cost of a decision.
    untuned : Interval
        The metric of the decision that needs no tuning, with a 95 % interval: the most probable class or, with a cost
        matrix, the one that costs least in expectation.
    tuned : Interval
        The metric to expect of tuned offsets: each fold is decided by offsets that were tuned on the others.
    gain : Interval
        ``tuned`` minus ``untuned``, paired by row.
    flattered : float
        The metric on the very rows that the offsets were tuned on. Not to be believed.
    classes : tuple of str
    """

    offsets: tuple[float, ...]
    metric: str
    untuned: Interval
    tuned: Interval
    gain: Interval
    flattered: float
    classes: tuple[str, ...]

    question = "From which probability on is it that class?"

    @property
    def threshold(self) -> float:
        """With two classes: the probability of the second from which on it is said.

        Raises
        ------
        DataError
            If there are not two classes.
        """
        if len(self.offsets) != 2:
            raise DataError(f"{len(self.offsets)} classes have no single threshold: use predict or offsets")
        return 1 / (1 + math.exp(np.clip(self.offsets[1] - self.offsets[0], -700, 700)))

    def predict(self, probabilities: ArrayLike) -> Codes:
        """Return the class (n,) of each row of ``probabilities`` (n, k)."""
        table = checked_probabilities(probabilities)
        if table.shape[1] != len(self.offsets):
            raise DataError(f"probabilities have {table.shape[1]} columns for {len(self.offsets)} classes")
        return decide(table, self.offsets)

    def headline(self) -> str:
        """One sentence: whether it pays to move the thresholds."""
        where = f"{self.metric} {self.tuned} instead of {self.untuned}, measured on rows that did not tune"
        if self.gain.low > 0:
            return f"Moved thresholds help: {where}."
        if self.gain.high < 0:
            return f"Moved thresholds hurt: {where}; keep the decision that needs no tuning."
        return f"No evidence that moved thresholds help: {where}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each class: its offset, and the factor by which its odds against the others grow."""
        import pandas as pd

        index = pd.Index(self.classes, name="class")
        return pd.DataFrame({"offset": self.offsets, "factor": np.exp(self.offsets)}, index=index)


def tune_thresholds(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    metric: str = "f1_macro",
    cost: ArrayLike | None = None,
    positive: int = 1,
    groups: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    n_folds: int = 5,
    n_boot: int = 1000,
    random_state: Seed = 0,
) -> Thresholds:
    """Tune one offset a class on out-of-fold probabilities, and measure them by cross-fitting.

    The decision is argmax_c(log p_c + b_c). The offsets b make the metric, over all rows given, as high as coordinate
    ascent gets it (:func:`headstart.imbalance.offsets.best_offsets`): exact with two classes. What is reported is
    measured otherwise: the rows are divided into folds, groups whole, and each fold is decided by offsets that were
    tuned on the other folds. Its interval is a bootstrap over groups.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Of a model that was not fitted on these rows; after calibration, if there is any.
    metric : str
        f1_macro, balanced_accuracy, accuracy, matthews_corrcoef, geometric_mean, or f1 of two classes.
    cost : array_like, shape (k, k), optional
        Cost of saying class j of an example of class i, instead of a metric.
    positive : {0, 1}
        Class that ``f1`` is of.
    groups : array_like, shape (n,), optional
        Rows with equal values stay on one side.
    classes : sequence of str, optional
        Names.
    n_folds : int
        At least 2; where there are fewer groups, as many as groups.
    n_boot : int
        Resamples of the intervals.
    random_state : int, Generator or None
        Of folds and resamples.

    Raises
    ------
    DataError
        If shapes, metric or cost do not fit, or there is one group only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random(600) < 0.1).astype(int)
    >>> p = 1 / (1 + np.exp(-(rng.normal(size=600) + 2 * y - 3.5)))
    >>> found = tune_thresholds(y, np.column_stack([1 - p, p]), metric="f1")
    >>> found.gain.low > 0, found.threshold < 0.5
    (True, True)
    """
    table = checked_probabilities(probabilities)
    codes, _ = checked(y, table)
    k = table.shape[1]
    names = tuple(str(code) for code in range(k)) if classes is None else tuple(classes)
    if len(names) != k:
        raise DataError(f"{len(names)} class names for {k} columns: give one for each")
    if k < 2:
        raise DataError("there is one class: a decision needs at least two")
    if cost is None:
        objective, untuned = Objective.of(metric, positive, k), table.argmax(axis=1)
    else:
        objective = Objective("neg_cost", cost=checked_cost(cost, k))
        untuned = bayes_decision(table, cost)
    group = _groups(groups, len(codes))
    rng = np.random.default_rng(random_state)
    crossed = np.empty(len(codes), dtype=np.int64)
    fold = _dealt(codes, group, n_folds, rng)
    for number in range(int(fold.max()) + 1):
        here = fold == number
        crossed[here] = decide(table[here], best_offsets(codes[~here], table[~here], objective))
    offsets = best_offsets(codes, table, objective)
    seed = int(rng.integers(2**31))

    def scored(decisions: Codes, weights: Floats) -> Floats:
        return objective.of_matrix(weighted_confusion(codes, decisions, k, weights))

    def interval(*decisions: Codes) -> Interval:
        def value(weights: Floats) -> Floats:
            found = scored(decisions[0], weights)
            return found - scored(decisions[1], weights) if len(decisions) > 1 else found

        return paired_bootstrap(value, group, n_boot=n_boot, random_state=seed)

    once = np.ones((1, len(codes)))
    return Thresholds(
        offsets=tuple(offsets.tolist()),
        metric=objective.name,
        untuned=interval(untuned),
        tuned=interval(crossed),
        gain=interval(crossed, untuned),
        flattered=float(scored(decide(table, offsets), once)[0]),
        classes=names,
        warnings=_warnings(codes, names),
    )


def _dealt(y: Codes, groups: Codes, n_folds: int, rng: np.random.Generator) -> Codes:
    """Return a fold for each row: groups whole, dealt class by class. A class may be in one fold only."""
    first = np.unique(groups, return_index=True)[1]
    if n_folds < 2 or len(first) < 2:
        raise DataError(f"{len(first)} independent rows in {n_folds} folds: give two of each or more")
    order = np.lexsort((rng.random(len(first)), y[first]))
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % min(n_folds, len(first))
    return np.asarray(fold[groups])


def _warnings(y: Codes, names: tuple[str, ...]) -> tuple[str, ...]:
    counts = np.bincount(y, minlength=len(names))
    few = [names[code] for code in np.flatnonzero(counts < 10)]
    if not few:
        return ()
    more = f" and {len(few) - 3} more" if len(few) > 3 else ""
    return (f"{', '.join(map(repr, few[:3]))}{more}: fewer than 10 examples, too few to tune an offset on",)

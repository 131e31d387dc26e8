"""Estimates of a procedure that chooses: what choosing by the best score flatters is taken out again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.splits import stratified_group_folds
from headstart.metrics import Interval
from headstart.metrics.intervals import bias_corrected, percentiles, resamples
from headstart.metrics.scores import RANKED, weighted_scores
from headstart.training.path import Choice, Folds, Rows, Trace, checked_grid, logistic_path, rate, select

Floats = NDArray[np.float64]
Advance = Callable[[int], None]
Seed = int | np.random.Generator | None

_REACH = float(np.sqrt(np.e - 1))
_LARGE = 20_000  # rows above which 200 resamples take as long as anybody wants to wait


@dataclass(frozen=True, eq=False)
class Honest:
    """A choice of C and an estimate that covers the choice.

    Attributes
    ----------
    choice : Choice
        Made on all rows.
    estimate : Interval
        Of the metric, for the whole procedure.
    picks : ndarray of int, shape (m,)
        How often each C was chosen while the estimate was made: the more spread, the less it matters or is known.
    """

    choice: Choice
    estimate: Interval
    picks: NDArray[np.int64]


def nested(
    X: NDArray[Any],
    y: Rows,
    groups: NDArray[Any],
    Cs: Sequence[float],
    *,
    classes: Sequence[str],
    metric: str,
    n_folds: int,
    n_repeats: int,
    random_state: Seed,
    scaling: str = "standard",
    advance: Advance | None = None,
) -> Honest:
    """Choose C by repeated cross-validation and estimate the result by repeated nested cross-validation.

    For each outer fold, C is chosen by cross-validation over the other folds, and the model with that C predicts the
    outer fold. The model that is trained without folds i and j serves the inner cross-validation of both, so a
    repeat costs n_folds (n_folds + 1) / 2 paths instead of n_folds². The figure is the mean over the repeats of the
    metric of all outer predictions.

    Its interval is the bias-corrected bootstrap over groups of that mean, each end moved out by sqrt(e - 1) = 1.31,
    the factor that BBC-CV has by construction. A bootstrap of finished predictions knows nothing of how much the
    models hang on their training rows, and its plain ends held the true macro-F1 of the model made in 87, 85 and 87 %
    of simulated sets only; so they hold it in 96, 94 and 95 % (three classes, 150 and 60 examples, 200 sets each;
    five classes, 300 examples, 120 sets).

    Returns
    -------
    Honest
        Scores and losses of ``choice`` are means over the repeats; its out-of-fold probabilities are the first one's.

    References
    ----------
    Varma and Simon (2006), Bias in error estimation when using cross-validation for model selection; Bates, Hastie
    and Tibshirani (2023), Cross-validation: what does it estimate and how well does it do it?, arXiv:2104.00673.
    """
    rng, n_classes = np.random.default_rng(random_state), len(classes)
    divisions = [
        stratified_group_folds(y, groups, n_folds=n_folds, random_state=rng, classes=classes) for _ in range(n_repeats)
    ]
    repeats = [_Repeat(y, folds, n_classes, metric) for folds in divisions]
    fits = [fit for repeat in repeats for fit in repeat.fits]
    ends = np.cumsum([len(repeat.fits) for repeat in repeats])
    final, shown = Trace(len(y)), Trace(len(y))
    for found in logistic_path(X, y, fits, Cs, n_classes=n_classes, scaling=scaling, advance=advance):
        parts = [found[end - len(repeat.fits) : end] for repeat, end in zip(repeats, ends, strict=True)]
        rated = [repeat.add(part) for repeat, part in zip(repeats, parts, strict=True)]
        shown.add(*np.mean(rated, axis=0))
        if not final.is_past_top():
            final.add(shown.scores[-1], shown.losses[-1])
        if final.is_past_top() and all(inner.is_past_top() for repeat in repeats for inner in repeat.inner):
            break
    m = len(shown.scores)
    tables = np.stack(repeats[0].tables)
    choice = Choice(checked_grid(Cs)[:m], tuple(shown.scores), tuple(shown.losses), final.best, tables)
    outer = [repeat.outer() for repeat in repeats]
    picked = np.array([inner.best for repeat in repeats for inner in repeat.inner])

    def mean(weights: Floats) -> Floats:
        return np.asarray(np.mean([weighted_scores(y, table, weights, [metric])[metric] for table in outer], axis=0))

    group = np.unique(groups, return_inverse=True)[1]
    n_boot = 300 if metric in RANKED else 1000
    drawn = [mean(weights) for weights in resamples(group, n_boot, rng, cells=n_classes**2)]
    estimate = bias_corrected(float(mean(np.ones((1, len(y))))[0]), np.concatenate(drawn))
    return Honest(choice, _widened(estimate), np.bincount(picked, minlength=m))


def _widened(interval: Interval) -> Interval:
    """Return the interval with each end sqrt(e - 1) times as far out, between 0 and 1."""
    low, high = (
        float(np.clip(interval.value + _REACH * (end - interval.value), 0, 1)) for end in (interval.low, interval.high)
    )
    return replace(interval, low=low, high=high)


class _Repeat:
    """One division into folds, and what has been seen of it along the path."""

    def __init__(self, y: Rows, folds: Folds, n_classes: int, metric: str) -> None:
        self.y, self.n_classes, self.metric = y, n_classes, metric
        self.tests = [test for _, test in folds]
        self.pairs = [(i, j) for j in range(len(folds)) for i in range(j)]
        both = [np.concatenate([self.tests[i], self.tests[j]]) for i, j in self.pairs]
        self.fits = [*folds, *((np.setdiff1d(np.arange(len(y)), test), test) for test in both)]
        self.inner = [Trace(len(y) - len(test)) for test in self.tests]
        self.tables: list[Floats] = []

    def add(self, found: Sequence[Floats]) -> tuple[float, float]:
        """Take in the next C; return score and log loss of the plain cross-validation."""
        table = np.zeros((len(self.y), self.n_classes))
        for test, part in zip(self.tests, found, strict=False):
            table[test] = part
        self.tables.append(table)
        without: list[list[tuple[Rows, Floats]]] = [[] for _ in self.tests]
        for (i, j), part in zip(self.pairs, found[len(self.tests) :], strict=True):
            first = len(self.tests[i])
            without[j].append((self.tests[i], part[:first]))
            without[i].append((self.tests[j], part[first:]))
        for trace, parts in zip(self.inner, without, strict=True):
            if not trace.is_past_top():
                rows = np.concatenate([test for test, _ in parts])
                trace.add(*rate(self.y[rows], np.concatenate([part for _, part in parts]), self.metric))
        return rate(self.y, table, self.metric)

    def outer(self) -> Floats:
        """Return the prediction of each outer fold at the C that the other folds chose."""
        table = np.zeros((len(self.y), self.n_classes))
        for test, trace in zip(self.tests, self.inner, strict=True):
            table[test] = self.tables[trace.best][test]
        return table


def bias_corrected_cv(
    choice: Choice, y: Rows, groups: NDArray[Any], *, metric: str, random_state: Seed, n_boot: int | None = None
) -> Honest:
    """Estimate a cross-validated choice by the bootstrap bias corrected cross-validation (BBC-CV).

    Out-of-fold predictions are resampled by groups: C is chosen on the rows drawn and scored on those not drawn. No
    model is fitted again. The figure is the mean of those scores and the interval their 2.5 and 97.5 percentiles, as
    published. Those rows are a share 1/e of all, drawn without replacement, so the interval is about sqrt(e - 1) = 1.31
    times as wide as a bootstrap of the figure itself, or more for macro averages. That is kept, see :func:`nested`:
    it held the truth in 96, 97 and 96 % of 150, 150 and 100 simulated sets.

    References
    ----------
    Tsamardinos, Greasidou and Borboudakis (2018), Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation, Machine Learning 107, arXiv:1708.07180, algorithm 5.
    """
    m, n, k = choice.probabilities.shape
    losses = -np.log(np.clip(choice.probabilities[:, np.arange(n), y], np.finfo(np.float64).eps, 1))
    group = np.unique(groups, return_inverse=True)[1]
    n_boot = n_boot or (200 if metric in RANKED or n > _LARGE else 1000)
    kept, picked = [], []
    for weights in resamples(group, n_boot, random_state, cells=k**2):
        drawn = [weighted_scores(y, table, weights, [metric])[metric] for table in choice.probabilities]
        best = select(np.stack(drawn, axis=1), weights @ losses.T / weights.sum(axis=1, keepdims=True), n)
        left = (weights == 0).astype(np.float64)
        found = np.full(len(weights), np.nan)
        for c in np.unique(best):
            mine = (best == c) & left.any(axis=1)
            if mine.any():
                found[mine] = weighted_scores(y, choice.probabilities[c], left[mine], [metric])[metric]
        kept.append(found)
        picked.append(best)
    scores = np.concatenate(kept)
    estimate = percentiles(float(np.nanmean(scores)), scores)
    return Honest(choice, estimate, np.bincount(np.concatenate(picked), minlength=m))

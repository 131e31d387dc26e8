"""Out-of-fold probabilities of the head along a grid of penalties, and the choice among them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from headstart.metrics.scores import COUNTED, RANKED, weighted_scores
from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.head import probabilities

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Folds = Sequence[tuple[Rows, Rows]]

# Half decades: between neighbours the score of a ridge-like penalty hardly moves.
CS = tuple(float(f"{10 ** (step / 2):.1e}") for step in range(-10, 3))
SELECTORS = (*COUNTED, *RANKED)
_TOL = 1e-4
_KEPT = 2**30  # bytes of standardized features that are kept between two steps of the path


def logistic_path(
    X: ArrayLike, y: ArrayLike, folds: Folds, Cs: Sequence[float] = CS, *, n_classes: int, max_iter: int = 1000
) -> Iterator[list[Floats]]:
    """Yield, for each C in ascending order, the probabilities of each fold's test rows.

    Every fold starts from its own solution for the C before, standardizes by its own training rows and works in
    their row space where they are fewer than the features (:class:`headstart.training.design.Design`). The folds run
    in threads, each with one BLAS thread, so that the number of processors does not change the result. Nothing is
    fitted before it is asked for: a caller who has seen enough stops.

    Parameters
    ----------
    X : array_like, shape (n, d)
        float32 stays float32: at 20,000 x 1,280 that is 1.8 times as fast.
    y : array_like of int, shape (n,)
        Classes, from 0 to ``n_classes`` - 1.
    folds : sequence of (ndarray, ndarray)
        Training rows and test rows. A class that a training side lacks has probability 0 there.
    Cs : sequence of float
        Inverse penalties, ascending.
    n_classes : int
    max_iter : int
        Most iterations of a step; the tolerance is 1e-4, which is enough to choose.

    Yields
    ------
    list of ndarray of float64, shape (test rows of the fold, n_classes)
    """
    from threadpoolctl import threadpool_limits

    features = np.asarray(X)
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float64)
    grid = checked_grid(Cs)
    keep = sum(len(train) * min(len(train), features.shape[1]) for train, _ in folds) * features.itemsize <= _KEPT
    fits = [_Fit(features, np.asarray(y), train, test, n_classes, max_iter, keep) for train, test in folds]
    with ThreadPoolExecutor(min(len(fits), os.cpu_count() or 1)) as pool:
        for C in grid:
            with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what has not converged at this tolerance is far past the best C
                found = list(pool.map(lambda fit, C=C: fit.step(C), fits))
            yield found


class _Fit:
    """One fold on its way along the path."""

    def __init__(
        self, X: NDArray[Any], y: Rows, train: Rows, test: Rows, n_classes: int, max_iter: int, keep: bool
    ) -> None:
        self.X, self.labels, self.train, self.test = X, y[train], train, test
        self.n_classes, self.keep = n_classes, keep
        self.present = np.unique(self.labels)
        self.model = LogisticRegression(tol=_TOL, max_iter=max_iter, warm_start=True)
        self.design: Design | None = None

    def step(self, C: float) -> Floats:
        """Go to the solution for ``C``; return the probabilities of the test rows."""
        found = np.zeros((len(self.test), self.n_classes))
        if len(self.present) == 1:
            found[:, self.present] = 1.0
            return found
        design = self.design or Design.of(self.X[self.train])
        self.design = design if self.keep else None
        self.model.C = C
        self.model.fit(design.rows, self.labels)
        weight, bias = design.original(self.model.coef_, self.model.intercept_)
        scores = self.X[self.test] @ weight.T + bias
        found[:, self.present] = probabilities(scores[:, 0] if len(self.present) == 2 else scores)
        return found


@dataclass(frozen=True, eq=False)
class Choice:
    """A penalty chosen by cross-validation.

    Attributes
    ----------
    Cs : tuple of float
        The penalties that were tried, ascending; the grid ends early once the score has clearly passed its top.
    scores : tuple of float
        Score of each, over the out-of-fold predictions of all rows together.
    best : int
        Index of the chosen one.
    probabilities : ndarray, shape (m, n, k)
        Out-of-fold probabilities of each; NaN for rows in no test fold.
    """

    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    best: int
    probabilities: Floats

    @property
    def C(self) -> float:
        """The chosen penalty."""
        return self.Cs[self.best]


def choose(
    X: ArrayLike, y: ArrayLike, folds: Folds, Cs: Sequence[float] = CS, *, n_classes: int, metric: str = "macro_f1"
) -> Choice:
    """Choose C by the out-of-fold score; the smallest C of those that share the best score.

    Parameters
    ----------
    X, y, folds, Cs, n_classes
        As for :func:`logistic_path`; the test sides of the folds are disjoint.
    metric : str
        macro_f1, balanced_accuracy, accuracy, roc_auc or pr_auc.

    Raises
    ------
    DataError
        If there is no such metric, or if ``Cs`` is not ascending.
    """
    codes = np.asarray(y)
    rows = np.sort(np.concatenate([test for _, test in folds]))
    kept, reached = [], []
    for found in logistic_path(X, codes, folds, Cs, n_classes=n_classes):
        table = np.full((len(codes), n_classes), np.nan)
        for (_, test), part in zip(folds, found, strict=True):
            table[test] = part
        kept.append(table)
        reached.append(selection_score(codes[rows], table[rows], metric))
        if is_past_top(reached, len(rows)):
            break
    return Choice(checked_grid(Cs)[: len(kept)], tuple(reached), best_of(reached), np.stack(kept))


def out_of_fold(
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    Cs: Sequence[float] = CS,
    n_folds: int = 5,
    random_state: int | np.random.Generator | None,
    metric: str = "macro_f1",
) -> Floats:
    """Return the out-of-fold probabilities (n, k) of the best C of a grid, folds stratified and groups kept whole."""
    from headstart.data.splits import stratified_group_folds

    codes = np.asarray(y)
    folds = stratified_group_folds(codes, groups, n_folds=n_folds, random_state=random_state)
    found = choose(X, codes, folds, Cs, n_classes=int(codes.max()) + 1, metric=metric)
    return found.probabilities[found.best]


def checked_grid(Cs: Sequence[float]) -> tuple[float, ...]:
    """Return the grid, positive and ascending, or say what is wrong with it."""
    grid = tuple(float(C) for C in Cs)
    if not grid or grid[0] <= 0 or not np.isfinite(grid).all() or any(a >= b for a, b in zip(grid, grid[1:])):  # noqa: B905
        raise DataError(f"Cs={list(grid)}: give positive numbers, ascending, each once")
    return grid


def selection_score(y: Rows, table: Floats, metric: str) -> float:
    """Return a metric that can choose: higher is better, between 0 and 1."""
    if metric not in SELECTORS:
        raise DataError(f"metric={metric!r} cannot choose C: give one of {', '.join(SELECTORS)}")
    return float(weighted_scores(y, table, np.ones((1, len(y))), [metric])[metric][0])


def best_of(reached: Sequence[float]) -> int:
    """Return the index of the best score; of equals the first, which has the stronger penalty."""
    return int(np.argmax(np.nan_to_num(reached, nan=-1.0)))


def is_past_top(reached: Sequence[float], n: int) -> bool:
    """Return whether the two latest scores both lie below the best by more than its standard error.

    The error is that of a proportion among n, sqrt(s (1 - s) / n): rough for a macro average, but a score that lies
    lower twice running will not come back as the penalty vanishes.
    """
    best = float(np.nanmax(reached)) if not np.isnan(reached).all() else 0.0
    margin = np.sqrt(best * (1 - best) / n)
    return len(reached) > 2 and all(score < best - margin for score in reached[-2:])

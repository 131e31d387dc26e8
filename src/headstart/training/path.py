"""Out-of-fold probabilities of the head along a grid of penalties, and the choice among them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.metrics.scores import COUNTED, RANKED, weighted_scores
from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.head import probabilities
from headstart.training.scaling import Ranks, checked_scaling

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Folds = Sequence[tuple[Rows, Rows]]

# Half decades: between neighbours the score hardly moves.
CS = tuple(float(f"{10 ** (step / 2):.1e}") for step in range(-10, 5))
SELECTORS = (*COUNTED, *RANKED)
_TOL = 1e-4
_KEPT = 2**30  # bytes of standardized features that are kept between two steps of the path


def logistic_path(
    X: ArrayLike,
    y: ArrayLike,
    folds: Folds,
    Cs: Sequence[float] = CS,
    *,
    n_classes: int,
    max_iter: int = 1000,
    scaling: str = "standard",
    advance: Callable[[int], None] | None = None,
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
        Number of columns of the probabilities.
    max_iter : int
        Most iterations of a step; the tolerance is 1e-4, which is enough to choose.
    scaling : {"standard", "robust", "quantile"}
        As for :class:`headstart.training.LogisticHead`, by each fold's training rows.
    advance : callable, optional
        Called with 1 after each fit.

    Yields
    ------
    list of ndarray of float64, shape (test rows of the fold, n_classes)
    """
    features = np.asarray(X)
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float64)
    grid = checked_grid(Cs)
    checked_scaling(scaling)
    keep = sum(len(train) * min(len(train), features.shape[1]) for train, _ in folds) * features.itemsize <= _KEPT
    fits = [_Fit(features, np.asarray(y), train, test, n_classes, max_iter, keep, scaling) for train, test in folds]
    with ThreadPoolExecutor(min(len(fits), os.cpu_count() or 1)) as pool:
        for C in grid:
            with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what has not converged at this tolerance is far past the best C
                found = []
                for part in pool.map(_Fit.step, fits, [C] * len(fits)):
                    found.append(part)
                    if advance:
                        advance(1)
            yield found


class _Fit:
    """One fold on its way along the path."""

    def __init__(
        self,
        X: NDArray[Any],
        y: Rows,
        train: Rows,
        test: Rows,
        n_classes: int,
        max_iter: int,
        keep: bool,
        scaling: str = "standard",
    ) -> None:
        self.X, self.labels, self.train, self.test = X, y[train], train, test
        self.n_classes, self.keep, self.scaling = n_classes, keep, scaling
        self.ranks = Ranks.of(X[train]) if scaling == "quantile" else None
        self.ranked = self.ranks.transform(X[test]) if self.ranks else None
        self.present = np.unique(self.labels)
        self.model = LogisticRegression(tol=_TOL, max_iter=max_iter, warm_start=True)
        self.design: Design | None = None

    def step(self, C: float) -> Floats:
        """Go to the solution for ``C``; return the probabilities of the test rows."""
        found = np.zeros((len(self.test), self.n_classes))
        if len(self.present) == 1:
            found[:, self.present] = 1.0
            return found
        design = self.design or Design.of(self._learned(), robust=self.scaling == "robust")
        self.design = design if self.keep else None
        self.model.C = C
        self.model.fit(design.rows, self.labels)
        weight, bias = design.original(self.model.coef_, self.model.intercept_)
        scores = (self.X[self.test] if self.ranked is None else self.ranked) @ weight.T + bias
        found[:, self.present] = probabilities(scores[:, 0] if len(self.present) == 2 else scores)
        return found

    def _learned(self) -> NDArray[Any]:
        rows = self.X[self.train]
        return self.ranks.transform(rows) if self.ranks else rows


@dataclass(frozen=True, eq=False)
class Choice:
    """A penalty chosen by cross-validation.

    Attributes
    ----------
    Cs : tuple of float
        The penalties that were tried, ascending; the grid ends early once it has passed its top.
    scores, losses : tuple of float
        Score and log loss of each, over the out-of-fold predictions of all rows together.
    best : int
        Index of the chosen one, see :func:`select`.
    probabilities : ndarray, shape (m, n, k)
        Out-of-fold probabilities of each; NaN for rows in no test fold.
    """

    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    losses: tuple[float, ...]
    best: int
    probabilities: Floats

    @property
    def C(self) -> float:
        """The chosen penalty."""
        return self.Cs[self.best]


def choose(
    X: ArrayLike,
    y: ArrayLike,
    folds: Folds,
    Cs: Sequence[float] = CS,
    *,
    n_classes: int,
    metric: str = "macro_f1",
    scaling: str = "standard",
    advance: Callable[[int], None] | None = None,
) -> Choice:
    """Choose C by out-of-fold predictions, as :func:`select` does.

    Parameters
    ----------
    X, y, folds, Cs, n_classes, scaling, advance
        As for :func:`logistic_path`; the test sides of the folds are disjoint.
    metric : str
        macro_f1, balanced_accuracy, accuracy, roc_auc or pr_auc.

    Raises
    ------
    DataError
        If there is no such metric, or if ``Cs`` is not ascending.
    """
    codes = np.asarray(y)
    rows = np.concatenate([test for _, test in folds])
    tables: list[Floats] = []
    trace = Trace(len(rows))
    for found in logistic_path(X, codes, folds, Cs, n_classes=n_classes, scaling=scaling, advance=advance):
        pooled = np.concatenate(found)
        trace.add(*rate(codes[rows], pooled, metric))
        tables.append(np.full((len(codes), n_classes), np.nan))
        tables[-1][rows] = pooled
        if trace.is_past_top():
            break
    tried = checked_grid(Cs)[: len(tables)]
    return Choice(tried, tuple(trace.scores), tuple(trace.losses), trace.best, np.stack(tables))


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
    """Return out-of-fold probabilities (n, k) at the chosen C of a grid, folds stratified and groups kept whole."""
    from headstart.data.splits import stratified_group_folds

    codes = np.asarray(y)
    folds = stratified_group_folds(codes, groups, n_folds=n_folds, random_state=random_state)
    found = choose(X, codes, folds, Cs, n_classes=int(codes.max()) + 1, metric=metric)
    return np.asarray(found.probabilities[found.best])


class Trace:
    """Score and log loss along a path, as far as it has been followed.

    Parameters
    ----------
    n : int
        Examples that were scored.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.scores: list[float] = []
        self.losses: list[float] = []

    def add(self, score: float, loss: float) -> None:
        """Note the next step."""
        self.scores.append(score)
        self.losses.append(loss)

    @property
    def best(self) -> int:
        """Index of the step that is chosen."""
        return int(select(np.array(self.scores), np.array(self.losses), self.n))

    def is_past_top(self) -> bool:
        """Return whether the log loss rose twice running and its lowest is what would be taken."""
        if len(self.losses) < 3:
            return False
        before, last, now = self.losses[-3:]
        return before < last < now and self.best == int(np.argmin(self.losses))


def select(scores: Floats, losses: Floats, n: int) -> NDArray[np.int64]:
    """Return the index along the last axis of the penalty to take.

    Among those whose score lies within one standard error of the best, sqrt(s (1 - s) / n), and so cannot be told
    from it, the one with the lowest log loss; of equals the first, which has the stronger penalty. On subsets of
    200, 500 and 1,000 clothing photos (8, 8 and 4 draws), scored on the other two thousand and more, this gave the
    macro-F1 of the plain best score (+0.002, -0.002, +0.002) with a far better calibration error (0.043, 0.034, 0.016
    instead of 0.090, 0.072, 0.061): the score is flat where features separate the classes, and the plain best then
    wanders to where the penalty vanishes. The usual one-standard-error rule, which takes the strongest penalty, lost
    0.015, 0.005 and 0.003.

    Parameters
    ----------
    scores, losses : ndarray, shape (..., m)
        Along a grid of ascending C; a score that is NaN is never taken.
    n : int
        Examples that were scored.
    """
    reached = np.nan_to_num(scores, nan=-np.inf)
    best = reached.max(axis=-1, keepdims=True)
    margin = np.sqrt(np.clip(best * (1 - best), 0, None) / n)
    return np.asarray(np.where(reached >= best - margin, losses, np.inf).argmin(axis=-1))


def rate(y: Rows, table: Floats, metric: str) -> tuple[float, float]:
    """Return score and log loss of out-of-fold probabilities."""
    if metric not in SELECTORS:
        raise DataError(f"metric={metric!r} cannot choose C: give one of {', '.join(SELECTORS)}")
    found = weighted_scores(y, table, np.ones((1, len(y))), [metric, "log_loss"])
    return float(found[metric][0]), float(found["log_loss"][0])


def checked_grid(Cs: Sequence[float]) -> tuple[float, ...]:
    """Return the grid, positive and ascending, or say what is wrong with it."""
    grid = tuple(float(C) for C in Cs)
    if not grid or grid[0] <= 0 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise DataError(f"Cs={list(grid)}: give positive numbers, ascending, each once")
    return grid

"""TrAdaBoost for numbers: one stage, and two stages with cross-validation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from headstart.results import DataError
from headstart.transfer.domain import Domain
from headstart.transfer.instance._rows import Floats
from headstart.transfer.instance.boosting import BoostingAdapter, source_rate

_TINY = 1e-12  # weighted error, of the largest one, that counts as none


class RegressionBoostingAdapter(BoostingAdapter):
    """Base of the boosted regressions; trees of depth 4 learn by default."""

    def _fresh(self) -> Any:
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(max_depth=4) if self.estimator is None else clone(self.estimator)

    def _check(self, learner: Any) -> None:
        if not is_regressor(learner):
            raise DataError(f"{type(self).__name__} boosts regressors: give one, or use TrAdaBoost for classes")

    def predict(self, X: ArrayLike) -> Floats:
        """Return the median of the learners' predictions, weighted by their votes, (n,)."""
        seen = self._seen(X)
        learners, votes = self._later()
        return weighted_median(np.stack([learner.predict(seen) for learner in learners]), votes)


class TrAdaBoostR2(RegressionBoostingAdapter):
    """Boosted regression on target and source together: AdaBoost.R2 on the target, shrinking weights on the source.

    With ``d_i = |error_i| / max |error|`` over both sides and e the weighted mean of d on the target, a round
    multiplies target rows by ``((1 - e) / e) ** d`` and source rows by ``(1 / (1 + sqrt(2 ln ns / N))) ** d``.
    Predicted is the median over the later half of the learners, weighted by ``ln((1 - e) / e)``. As in
    :class:`TrAdaBoost`, a learner with e of a half or more has no vote and moves no target row, and the source's
    still move. See :class:`BoostingAdapter` for parameters and attributes.

    References
    ----------
    Pardoe and Stone (2010), Boosting for regression transfer, ICML, algorithm 2 (there boosting ends at the first
    learner with e of a half or more).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.uniform(size=(300, 1)), rng.uniform(size=(20, 1))
    >>> ys = np.where(np.arange(300) < 150, Xs[:, 0], 1 - Xs[:, 0])  # half of the source follows another rule
    >>> model = TrAdaBoostR2(n_estimators=20).fit(Xs, ys, Xt, Xt[:, 0])
    >>> bool(model.weights_[:150].mean() > model.weights_[150:].mean())
    True
    """

    def _boost(self, X: Floats, y: NDArray[Any], ns: int) -> Floats:
        rng, rate = np.random.default_rng(self.random_state), source_rate(ns, self.n_estimators)
        weights = np.full(len(y), 1 / len(y))
        self.estimators_, votes, shares = [], [], []
        for _ in range(self.n_estimators):
            weights = weights / weights.sum()
            learner = self._learner(X, y, weights, rng)
            off = relative_errors(learner, X, y)
            target = weights[ns:]
            error = max(float(target @ off[ns:] / target.sum()), _TINY)
            vote = max(0.0, math.log((1 - error) / error)) if error < 1 else 0.0
            self.estimators_.append(learner)
            votes.append(vote)
            shares.append(float(weights[:ns].sum()))
            weights = np.concatenate([weights[:ns] * rate ** off[:ns], target * np.exp(vote * off[ns:])])
        self.votes_, self.source_share_ = np.array(votes), np.array(shares)
        return weights[:ns]


class TwoStageTrAdaBoostR2(RegressionBoostingAdapter):
    """How much the source may weigh is chosen by cross-validation on the target; then the target alone is boosted.

    In step t of S the source's rows are multiplied by ``b ** d_i``, d being the errors as in :class:`TrAdaBoostR2` and
    b such that the target's share of all weight becomes ``nt / n + t / (S - 1) (1 - nt / n)``: from all rows alike to
    the target alone. In each step AdaBoost.R2 is run with the source's weights held fixed, and its squared error on the
    target measured by cross-validation (with fewer target rows than folds, each is left out alone). The step with the
    lowest is taken.

    Parameters
    ----------
    estimator : estimator, optional
        Trees of depth 4 by default.
    n_estimators : int
        Most rounds of boosting in a step; it ends early where a learner has no error, or half of the largest on
        average.
    n_steps : int
        S, at least 2.
    n_folds : int
        At least 2.
    source : Domain, optional
    random_state : int

    Attributes
    ----------
    weights_, effective_sample_size_, estimators_, votes_
        As for :class:`BoostingAdapter`, of the step that was taken; all its learners have a vote. In the last step no
        source row counts (``source_share_`` is 0), and ``weights_`` are those of the step before.
    source_share_ : ndarray, shape (n_steps,)
        Share of all weight, 0 to 1, that the source had in each step.
    errors_ : ndarray, shape (n_steps,)
        Mean squared error out of fold on the target's labelled rows.
    step_ : int
        The one that was taken.

    References
    ----------
    Pardoe and Stone (2010), Boosting for regression transfer, ICML, algorithm 3.
    """

    errors_: Floats
    step_: int

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 30,
        n_steps: int = 10,
        n_folds: int = 5,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, n_estimators=n_estimators, source=source, random_state=random_state)
        self.n_steps = n_steps
        self.n_folds = n_folds

    def _boost(self, X: Floats, y: NDArray[Any], ns: int) -> Floats:
        if self.n_steps < 2 or self.n_folds < 2:
            raise DataError(f"n_steps={self.n_steps}, n_folds={self.n_folds}: give at least 2 of each")
        n, nt, rng = len(y), len(y) - ns, np.random.default_rng(self.random_state)
        fold = rng.permutation(nt) % min(self.n_folds, nt)
        steps = [np.full(n, 1 / n)]
        for t in range(1, self.n_steps):
            off = relative_errors(self._learner(X, y, steps[-1], rng), X, y)
            goal = nt / n + t / (self.n_steps - 1) * (1 - nt / n)
            steps.append(shifted(steps[-1], off, ns, goal))
        self.errors_ = np.array([self._error(X, y, weights, ns, fold) for weights in steps])
        self.step_ = int(self.errors_.argmin())
        self.source_share_ = np.array([weights[:ns].sum() for weights in steps])
        chosen = steps[self.step_]
        self.estimators_, self.votes_ = self._boosted(X, y, chosen, ns)
        relative = chosen if self.step_ < self.n_steps - 1 else steps[-2]
        return relative[:ns]

    def _error(self, X: Floats, y: NDArray[Any], weights: Floats, ns: int, fold: NDArray[np.int64]) -> float:
        """Return the mean squared error on the target, each row by a model without its fold."""
        squares = 0.0
        for one in np.unique(fold):
            rows = np.concatenate([np.ones(ns, dtype=bool), fold != one])
            if not weights[rows].sum() > 0:  # the source weighs nothing and the target has one row
                return math.inf
            learners, votes = self._boosted(X[rows], y[rows], weights[rows], ns)
            told = weighted_median(np.stack([learner.predict(X[~rows]) for learner in learners]), votes)
            squares += float(((told - y[~rows]) ** 2).sum())
        return squares / len(fold)

    def _boosted(self, X: Floats, y: NDArray[Any], weights: Floats, ns: int) -> tuple[list[Any], Floats]:
        """Return learners and votes of AdaBoost.R2 in which the first ``ns`` weights, and the others' sum, stay."""
        rng = np.random.default_rng(self.random_state)
        weights = weights / weights.sum()
        total = float(weights[ns:].sum())
        learners: list[Any] = []
        votes: list[float] = []
        for _ in range(self.n_estimators):
            learner = self._learner(X, y, weights, rng)
            off = relative_errors(learner, X, y)
            error = float(weights @ off)
            if error >= 0.5 and learners:
                break
            learners.append(learner)
            votes.append(math.log((1 - max(error, _TINY)) / max(error, _TINY)) if error < 0.5 else 1.0)
            if error <= _TINY or error >= 0.5 or not total > 0:
                break
            moved = weights[ns:] * (error / (1 - error)) ** (1 - off[ns:])
            weights = np.concatenate([weights[:ns], moved * (total / moved.sum())])
        return learners, np.array(votes)

    def _later(self) -> tuple[list[Any], Floats]:
        return self.estimators_, self.votes_


def relative_errors(learner: Any, X: Floats, y: NDArray[Any]) -> Floats:
    """Return ``|error| / max |error|``, (n,); zeros where there is none."""
    off = np.abs(learner.predict(X) - y)
    most = float(off.max())
    return np.asarray(off / most if most > 0 else off)


def shifted(weights: Floats, off: Floats, ns: int, goal: float) -> Floats:
    """Return weights, the first ``ns`` multiplied by ``b ** off`` such that the others have a share ``goal`` of all.

    Source rows without an error do not move, so that some shares cannot be reached: those rows are then scaled alike.
    """
    source, target = weights[:ns], weights[ns:]
    room = float(target.sum()) * (1 - goal) / goal
    low, high = -60.0, 0.0  # the logarithm of b, in which the source's sum rises
    for _ in range(100):
        middle = (low + high) / 2
        if float(source @ np.exp(middle * off[:ns])) > room:
            high = middle
        else:
            low = middle
    moved = source * np.exp(low * off[:ns])
    moved = moved * (room / moved.sum()) if moved.sum() > 0 else moved
    both = np.concatenate([moved, target])
    return np.asarray(both / both.sum())


def weighted_median(told: Floats, votes: Floats) -> Floats:
    """Return, for each column of ``told`` (m, n), the lowest value at which half of the votes (m,) are reached.

    >>> weighted_median(np.array([[1.0], [2.0], [9.0]]), np.array([1.0, 1.0, 3.0])).tolist()
    [9.0]
    """
    order = np.argsort(told, axis=0, kind="stable")
    reached = np.cumsum(votes[order], axis=0) >= votes.sum() / 2
    return np.asarray(np.take_along_axis(told, np.take_along_axis(order, reached.argmax(axis=0)[None], 0), 0)[0])

"""TrAdaBoost: boosting that trusts source examples less each time they contradict what fits the target."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier

from headstart.results import DataError
from headstart.transfer.adapter import Adapter, Difference, Kind
from headstart.transfer.domain import Domain
from headstart.transfer.instance._rows import Floats, Places, content_order
from headstart.transfer.instance.size import effective_sample_size
from headstart.transfer.instance.weighted import fit_weighted, joined


class BoostingAdapter(Adapter):
    """Base of the boosted adapters: both sides in one table, learners in turn, the later half of them votes.

    Parameters
    ----------
    estimator : estimator, optional
        What learns in each round; its ``fit`` takes ``sample_weight``.
    n_estimators : int
        Rounds.
    source : Domain, optional
    random_state : int

    Attributes
    ----------
    weights_ : ndarray, shape (ns,)
        Of the source's rows after the last round, 0 or more, with mean 1.
    effective_sample_size_ : float
        How many unweighted source rows they are worth.
    estimators_ : list of estimator
        The learner of each round.
    votes_ : ndarray, shape (n_estimators,)
        Their weights, 0 or more.
    source_share_ : ndarray, shape (n_estimators,)
        Share of all weight, 0 to 1, that the source had in each round.
    """

    kind: ClassVar[Kind] = "instances"
    mends: ClassVar[frozenset[Difference]] = frozenset({"covariate", "conditional"})
    needs_labels: ClassVar[bool] = True

    weights_: Floats
    effective_sample_size_: float
    estimators_: list[Any]
    votes_: Floats
    source_share_: Floats

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.n_estimators = n_estimators

    def fit(
        self, Xs: ArrayLike, ys: ArrayLike | None = None, Xt: ArrayLike | None = None, yt: ArrayLike | None = None
    ) -> Self:
        """Boost on the source and the target's labelled rows; see :meth:`headstart.transfer.Adapter.fit`.

        Raises
        ------
        DataError
            If something does not fit together, no target row has a label, or the estimator is of another kind or
            takes no weights.
        """
        if self.n_estimators < 1:
            raise DataError(f"n_estimators={self.n_estimators}: give at least 1")
        self._check(self._fresh())
        source, labels, target, known = self._both(Xs, ys, Xt, yt)
        assert known is not None  # needs_labels
        ns, (X, y) = len(source), joined(source, labels, target, known)
        place = _sorted_sides(X, y, ns)
        weights = self._boost(X[place], y[place], ns)
        self.weights_ = np.empty(ns)
        self.weights_[place[:ns]] = weights / weights.mean()
        self.effective_sample_size_ = effective_sample_size(self.weights_)
        return self

    def _check(self, learner: Any) -> None:
        """Refuse an estimator of another kind."""
        raise NotImplementedError

    def _boost(self, X: Floats, y: NDArray[Any], ns: int) -> Floats:
        """Fill ``estimators_``, ``votes_``, ``source_share_``; return the weights of the first ``ns`` rows."""
        raise NotImplementedError

    def _learner(self, X: Floats, y: NDArray[Any], weights: Floats, rng: np.random.Generator) -> Any:
        """Return a new learner, fitted with ``weights``, scaled to mean 1."""
        learner = self._fresh()
        if "random_state" in learner.get_params():
            learner.set_params(random_state=int(rng.integers(2**31)))
        return fit_weighted(learner, X, y, weights / weights.mean())

    def _later(self) -> tuple[list[Any], Floats]:
        """Return the learners of the later half and their votes, equal ones if none has any."""
        start = math.ceil(len(self.estimators_) / 2) - 1
        votes = self.votes_[start:]
        return self.estimators_[start:], votes if votes.any() else np.ones(len(votes))


def source_rate(ns: int, rounds: int) -> float:
    """Return ``1 / (1 + sqrt(2 ln(ns) / rounds))``, what a wrong source row is multiplied by.

    >>> source_rate(1, 10), round(source_rate(100, 10), 3)
    (1.0, 0.51)
    """
    return 1 / (1 + math.sqrt(2 * math.log(ns) / rounds))


def _sorted_sides(X: Floats, y: NDArray[Any], ns: int) -> Places:
    """Return the rows of the source, then those of the target, each sorted by content and label."""
    table = np.column_stack([X, np.unique(y, return_inverse=True)[1]])
    return np.concatenate([content_order(table[:ns]), ns + content_order(table[ns:])])


class TrAdaBoost(BoostingAdapter):
    """Boosting on target and source together, in which wrong target rows gain weight and wrong source rows lose it.

    With ``e`` the weighted error on the target, a round multiplies wrong target rows by ``(1 - e) / e (K - 1)``, K
    being the number of classes, and wrong source rows by ``1 / (1 + sqrt(2 ln ns / N))``. The later half of the N
    learners votes, each with ``ln((1 - e) / e) + ln(K - 1)``. For two classes this is the published algorithm. For
    more, the factor of the target is SAMME's, under which a learner counts if it is right more often than 1/K, and
    that of the source, which knows of right and wrong only, stays. See :class:`BoostingAdapter` for parameters and
    attributes.

    Two cases that the paper leaves open: a learner that makes no mistake on the target counts as if it had made half of
    one, so that boosting goes on and the source goes on being corrected; one that is no better than chance has no
    vote and moves no target row, while the source's wrong rows still lose weight.

    References
    ----------
    Dai, Yang, Xue and Yu (2007), Boosting for transfer learning, ICML, algorithm 1. Zhu, Zou, Rosset and Hastie (2009),
    Multi-class AdaBoost, Statistics and its Interface 2, algorithm 2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(20, 2))
    >>> ys = np.where(np.arange(300) < 150, Xs[:, 0] > 0, Xs[:, 1] > 0)  # half of the source follows another rule
    >>> model = TrAdaBoost(n_estimators=20).fit(Xs, ys, Xt, Xt[:, 0] > 0)
    >>> bool(model.weights_[:150].mean() > model.weights_[150:].mean())
    True
    """

    def _check(self, learner: Any) -> None:
        if not is_classifier(learner):
            raise DataError(f"{type(self).__name__} boosts classifiers: give one, or use TrAdaBoostR2 for numbers")

    def _boost(self, X: Floats, y: NDArray[Any], ns: int) -> Floats:
        self._labels = np.unique(y)
        k, nt, rng = len(self._labels), len(y) - ns, np.random.default_rng(self.random_state)
        if k < 2:
            raise DataError(f"all labels are of one class, {self._labels.tolist()}: a classifier needs at least two")
        rate, weights = source_rate(ns, self.n_estimators), np.full(len(y), 1 / len(y))
        self.estimators_, votes, shares = [], [], []
        for _ in range(self.n_estimators):
            weights = weights / weights.sum()
            learner = self._learner(X, y, weights, rng)
            wrong = learner.predict(X) != y
            target = weights[ns:]
            error = max(float(target[wrong[ns:]].sum() / target.sum()), 1 / (2 * nt))
            vote = max(0.0, math.log((1 - error) / error) + math.log(k - 1)) if error < 1 else 0.0
            self.estimators_.append(learner)
            votes.append(vote)
            shares.append(float(weights[:ns].sum()))
            moved = target * np.exp(vote * wrong[ns:])
            kept = weights[:ns] * rate ** wrong[:ns] * self._correction(float(moved.sum() / target.sum()))
            weights = np.concatenate([kept, moved])
        self.votes_, self.source_share_ = np.array(votes), np.array(shares)
        return weights[:ns]

    def _correction(self, growth: float) -> float:
        """Return what all source rows are multiplied by, the target's weight having grown by ``growth``."""
        return 1.0

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of both sides, sorted."""
        return self._labels

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class with most votes, (n,); of equal ones the first."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self._labels[best])

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the share of the votes for each class, (n, k): in that order, but no calibrated probabilities."""
        seen = self._seen(X)
        learners, votes = self._later()
        found = np.zeros((len(seen), len(self._labels)))
        for learner, vote in zip(learners, votes, strict=True):
            found[np.arange(len(seen)), np.searchsorted(self._labels, learner.predict(seen))] += vote
        return np.asarray(found / votes.sum())


class DynamicTrAdaBoost(TrAdaBoost):
    """TrAdaBoost whose source does not fade: it grows with the target, and only wrong rows fall behind.

    In TrAdaBoost the target gains weight in every round and the source never does, so that soon no source row counts,
    right ones neither. Here all source rows are multiplied by what the target's total weight has grown by, which is
    ``2 (1 - e)`` for two classes, as published, and ``K (1 - e)`` for K, wherever ``e`` is above 0 and better than
    chance. See :class:`TrAdaBoost` for the rest.

    References
    ----------
    Al-Stouhi and Reddy (2011), Adaptive boosting for transfer learning using dynamic updates, ECML PKDD, algorithm 1
    and theorem 2.
    """

    def _correction(self, growth: float) -> float:
        return growth

"""Transfer by optimal transport: each source row moved to the target rows that its mass goes to."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from headstart.data.labels import labelled
from headstart.results import DataError, HeadstartWarning
from headstart.transfer.adapter import Floats
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter, varies
from headstart.transfer.feature.sinkhorn import Plan, exact_plan, grouped_sinkhorn, sinkhorn

_FORBIDDEN = 10.0  # times the largest cost: between a source row and a target row of another class
_CHUNK = 2_000_000  # distances that are held at once


class OptimalTransport(FeatureAdapter):
    """Optimal transport for domain adaptation, with the barycentric map.

    The plan T of the cost ``|x_s - x_t|²``, divided by its mean, moves source row i to ``sum_j T_ij x_j / sum_j T_ij``.
    A row that the plan does not know moves like the nearest one that it knows. A labelled target row receives from its
    own class alone. Target rows stay as they are.

    Every row has the same mass, so that classes of other shares in the target than in the source are torn apart: not
    for label shift.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
    source : Domain, optional
    reg : float
        Weight of the entropy, in units of the mean cost; 0 is the exact plan, for few rows.
    class_reg : float
        Weight of the group lasso that lets a target row receive from few classes, in the same units. Classification
        only, and not with ``reg=0``.
    max_rows : int
        Most rows of either domain in the plan; more are drawn from.
    max_iter : int
        Of Sinkhorn's.
    tol : float
        Share of the mass that may lie elsewhere when Sinkhorn's iterations end.
    random_state : int
        Seed of that draw.

    Attributes
    ----------
    plan_ : Plan
    rows_source_ : ndarray, shape (n, d)
        The source rows of the plan.
    moves_ : ndarray, shape (n, d)
        How far each of them goes.
    n_iter_ : int
        Rounds of scaling; 1 for the exact plan.

    References
    ----------
    Courty et al. (2017), Optimal transport for domain adaptation, arXiv:1507.00504, eq. 13, 14, 16 and section 3.3; out
    of sample: Ferradans et al. (2014), Regularized discrete optimal transport, arXiv:1307.5551.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(60) % 2, np.arange(40) % 2
    >>> Xs = rng.normal(size=(60, 2)) + 6 * ys[:, None]
    >>> Xt = rng.normal(size=(40, 2)) + 6 * yt[:, None] + [4.0, -4.0]
    >>> round(float(OptimalTransport().fit(Xs, ys, Xt).score(Xt, yt)), 2)
    1.0
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        reg: float = 0.05,
        class_reg: float = 0.0,
        max_rows: int = 5000,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.reg = reg
        self.class_reg = class_reg
        self.max_rows = max_rows
        self.max_iter = max_iter
        self.tol = tol

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        if self.reg < 0 or self.class_reg < 0 or self.max_rows < 1:
            given = f"reg={self.reg}, class_reg={self.class_reg}, max_rows={self.max_rows}"
            raise DataError(f"{given}: give numbers from 0 on, and at least one row")
        classes = is_classifier(self._fresh())
        if self.class_reg and (not classes or not self.reg):
            raise DataError(f"class_reg={self.class_reg} needs classes and a reg above 0: set it to 0")
        rng = np.random.default_rng(self.random_state)
        of_source, of_target = (np.sort(rng.permutation(len(X))[: self.max_rows]) for X in (Xs, Xt))
        Xs, ys, Xt = Xs[of_source], ys[of_source], Xt[of_target]
        cost = _squares(Xs, Xt)
        mean = cost.mean()
        cost /= mean if mean > 0 else 1.0
        if classes and yt is not None:
            cost[_contradict(ys, yt[of_target])] += _FORBIDDEN * cost.max()
        self.plan_ = self._plan(cost, ys)
        self.n_iter_ = max(1, self.plan_.n_iter)
        plan = self.plan_.plan
        self.rows_source_ = Xs
        mass = plan.sum(axis=1, keepdims=True)  # 0 where a tiny reg ran out of iterations: such a row stays
        self.moves_ = np.where(mass > 0, plan @ Xt / np.where(mass > 0, mass, 1.0) - Xs, 0.0)
        if not varies(Xt):  # all rows would lie on one point
            message = "OptimalTransport: the target does not vary, so that only the mean of the source is moved"
            warnings.warn(message, HeadstartWarning, stacklevel=3)
            self.moves_ = np.tile(self.moves_.mean(axis=0), (len(Xs), 1))

    def _plan(self, cost: Floats, ys: NDArray[Any]) -> Plan:
        if not self.reg:
            return exact_plan(cost)
        given: Any = {"reg": self.reg, "max_iter": self.max_iter, "tol": self.tol}
        if self.class_reg:
            found = grouped_sinkhorn(cost, ys, group_reg=self.class_reg, **given)
        else:
            found = sinkhorn(cost, **given)
        if found.error > 0.01:
            message = (
                f"OptimalTransport: {found.error:.0%} of the mass is not where it should be: raise reg or max_iter"
            )
            warnings.warn(message, HeadstartWarning, stacklevel=4)
        return found

    def _map_source(self, X: Floats) -> Floats:
        step = max(1, _CHUNK // len(self.rows_source_))
        nearest = [
            _squares(X[start : start + step], self.rows_source_).argmin(axis=1) for start in range(0, len(X), step)
        ]
        return np.asarray(X + self.moves_[np.concatenate(nearest)])

    def _map_target(self, X: Floats) -> Floats:
        return X


def _squares(A: Floats, B: Floats) -> Floats:
    from sklearn.metrics.pairwise import euclidean_distances

    return np.asarray(euclidean_distances(A, B, squared=True))


def _contradict(ys: NDArray[Any], yt: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pairs (n, m) have different labels."""
    there = labelled(yt, ys)
    return np.asarray((ys[:, None] != yt[None, :]) & there)

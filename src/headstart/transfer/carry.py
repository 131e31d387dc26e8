"""What is the other data worth here? Every way to use it, tried on the same folds of the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from headstart.transfer.adapter import ADAPTERS, Adapter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.training import LogisticHead
    from headstart.training.path import Folds

TARGET, SOURCE, POOLED, HALVES = "target only", "source only", "pooled", "pooled, half and half"
COMPONENTS, WIDE = 128, 256  # kept of the features for what learns from the source, where they are more than WIDE
ROUNDS, _TOL = 20, 1e-4  # of boosting, and of its heads: each fold pays for all of them
_CLOSE = 1e-6  # of a probability: what rounding may change where a model is one linear layer


@dataclasses.dataclass(frozen=True, eq=False)
class Both:
    """Source and target as arrays, with the target's classes.

    Attributes
    ----------
    Xs, ys : ndarray, shapes (ns, d), (ns,)
        Labels are codes of the target's classes.
    X, y : ndarray, shapes (n, d), (n,)
        The target's development part.
    n_classes : int
    C : float
        Inverse penalty of a head that learns from the target alone.
    Cs : float
        Of one that learns from the source too.
    seed : int
    """

    Xs: NDArray[np.floating]
    ys: NDArray[np.int64]
    X: NDArray[np.floating]
    y: NDArray[np.int64]
    n_classes: int
    C: float
    Cs: float
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Way:
    """A way to use the source.

    Attributes
    ----------
    name : str
    kind : str
        What is carried over; ``""`` for the baselines.
    learn : callable
        From target rows and their labels to something that predicts.
    """

    name: str
    kind: str
    learn: Callable[[NDArray[np.floating], NDArray[np.int64]], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Axes:
    """Leading principal components of source and target together: x -> (x - mean) components^T.

    Attributes
    ----------
    mean, components : ndarray, shapes (d,), (m, d)
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]

    @classmethod
    def of(cls, both: Both) -> Axes | None:
        """Return them, or ``None`` where the features are few enough as they are."""
        if both.X.shape[1] <= WIDE:
            return None
        from sklearn.decomposition import PCA

        rows = np.vstack([both.Xs, both.X]).astype(np.float64)
        found = PCA(min(COMPONENTS, *rows.shape), random_state=both.seed).fit(rows)
        return cls(found.mean_, found.components_)

    def narrow(self, both: Both) -> Both:
        """Return source and target along the axes."""
        Xs, X = ((rows - self.mean) @ self.components.T for rows in (both.Xs, both.X))
        return dataclasses.replace(both, Xs=Xs, X=X)

    def widen(self, head: LogisticHead) -> LogisticHead:
        """Return a head along the axes as one on the features themselves."""
        from headstart.training import LogisticHead

        arrays = head.to_arrays()
        weight = arrays["weight"] @ self.components
        return LogisticHead.from_arrays({"weight": weight, "bias": arrays["bias"] - weight @ self.mean})


def ways(both: Both, adapters: Iterable[str]) -> list[Way]:
    """Return the baselines and the named adapters, the simplest first.

    Parameters
    ----------
    both : Both
    adapters : iterable of str
        Names in ``ADAPTERS``.
    """
    from headstart.training import LogisticHead

    def target(X: Any, y: Any) -> LogisticHead:
        return LogisticHead(C=both.C).fit(X, y)

    def source(X: Any, y: Any) -> LogisticHead:
        return LogisticHead(C=both.Cs).fit(both.Xs, both.ys)

    def pooled(X: Any, y: Any) -> LogisticHead:
        return LogisticHead(C=both.Cs).fit(np.vstack([both.Xs, X]), np.r_[both.ys, y])

    def halves(X: Any, y: Any) -> LogisticHead:
        half = (len(X) + len(both.Xs)) / 2
        weight = np.r_[np.full(len(both.Xs), half / len(both.Xs)), np.full(len(X), half / len(X))]
        return LogisticHead(C=both.Cs).fit(np.vstack([both.Xs, X]), np.r_[both.ys, y], sample_weight=weight)

    def adapted(made: type[Adapter]) -> Callable[[Any, Any], Adapter]:
        model = made(LogisticHead(C=both.Cs, tol=_TOL), random_state=both.seed)
        if "n_estimators" in model.get_params(deep=False):
            model.set_params(n_estimators=ROUNDS)
        return lambda X, y: clone(model).fit(both.Xs, both.ys, X, y)

    baselines = [(TARGET, target), (SOURCE, source), (POOLED, pooled), (HALVES, halves)]
    return [
        *(Way(name, "", learn) for name, learn in baselines),
        *(Way(name, ADAPTERS[name].kind, adapted(ADAPTERS[name])) for name in adapters),
    ]


def settled(way: Way, both: Both) -> tuple[Way, Any]:
    """Return the model of all target rows, and the way with what it chose by cross-validation on them held.

    As with the head of the target alone, whose penalty was chosen on all rows: else each fold pays for a choice of its
    own.
    """
    model = way.learn(both.X, both.y)
    if not isinstance(model, Adapter):
        return way, model
    again = model.settled()
    return dataclasses.replace(way, learn=lambda X, y: clone(again).fit(both.Xs, both.ys, X, y)), model


def out_of_fold(way: Way, both: Both, folds: Folds) -> NDArray[np.float64]:
    """Return the probabilities (n, k) of the target's rows, each by a model that did not see it.

    A class that a model does not know has probability 0 there.
    """
    table = np.zeros((len(both.y), both.n_classes))
    once = way.learn(both.X, both.y) if way.name == SOURCE else None  # it learns nothing from the folds
    for train, test in folds:
        model = once or way.learn(both.X[train], both.y[train])
        table[np.ix_(test, np.asarray(model.classes_, dtype=np.int64))] = model.predict_proba(both.X[test])
    return table


def as_head(model: Any, both: Both) -> LogisticHead | None:
    """Return a fitted model as one linear layer on the target's features, or ``None`` where it is none.

    An adapter that maps target rows by an affine map before a logistic head is one: the map is read off at the origin
    and the unit vectors, and what comes of it is compared with the model on the target's rows. A model that lacks one
    of the target's classes is none.
    """
    from headstart.training import LogisticHead

    head = getattr(model, "estimator_", model)
    if not hasattr(head, "coef_") or len(head.classes_) < both.n_classes:
        return None
    weight, bias = np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)
    if len(weight) == 1:  # the log-odds of the second of two classes
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.append(0.0, bias)
    if isinstance(model, Adapter):
        origin = model.seen(np.zeros((1, both.X.shape[1])))
        steps = model.seen(np.eye(both.X.shape[1])) - origin
        weight, bias = weight @ steps.T, bias + weight @ origin[0]
    found = LogisticHead.from_arrays({"weight": weight, "bias": bias})
    gap = np.abs(found.predict_proba(both.X) - model.predict_proba(both.X)).max()
    return found if gap < _CLOSE else None

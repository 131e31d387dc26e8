"""The head for classes that have an order: one direction, and a threshold between neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.head import Head
from headstart.training.path import CS, checked_grid

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_PATH_TOL = 1e-4
_REACH = 30.0  # of the logarithm of the distance between thresholds


class OrderedHead(Head):
    """The proportional odds model with an L2 penalty on standardized features.

    ``P(y <= j) = expit(t_j - x w)`` with thresholds t_0 < t_1 < ...: the classes lie along one direction, and features
    move an example along it. It minimizes ``C * sum_i log_loss_i + |w|^2 / 2`` with x standardized by the training
    rows; thresholds are free. The standardization is folded into coefficients and thresholds.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    max_iter : int
        Most iterations of L-BFGS.
    tol : float
        It stops where no component of the gradient of the mean loss is larger, in directions scaled to a curvature
        of about 1.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
        In ascending order, which is the order that is learned.
    coef_ : ndarray of float64, shape (d,)
        In the scale of the features given to ``fit``.
    thresholds_ : ndarray of float64, shape (k - 1,)
        Ascending.
    n_iter_ : int
        Iterations used.
    n_features_in_ : int

    References
    ----------
    McCullagh (1980), Regression models for ordinal data, JRSS B 42, eq. 2.3 with the logistic link.

    Examples
    --------
    >>> X = np.arange(12.0)[:, None]
    >>> head = OrderedHead(C=10.0).fit(X, np.repeat([0, 1, 2], 4))
    >>> head.predict(X).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    """

    def __init__(self, C: float = 1.0, *, max_iter: int = 2000, tol: float = 1e-6) -> None:
        self.C = C
        self.max_iter = max_iter
        self.tol = tol

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of classes that have no order
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> OrderedHead:
        """Fit the head to features (n, d) and labels (n,) of two classes or more.

        Raises
        ------
        DataError
            If there is one class only.
        """
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"all labels are of one class, {self.classes_.tolist()}: a classifier needs at least two")
        with threadpool_limits(1, user_api="blas"):
            design = Design.of(features).principal()
            start = _start(codes, design.rows.shape[1])
            found, self.n_iter_ = _minimize(design.rows, codes, self.C, start, self.tol, self.max_iter)
        self.coef_, self.thresholds_ = _original(design, found, len(self.classes_))
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return the log-odds (n,) of the second of two classes, or the log probabilities (n, k) of more."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        place = features.astype(np.float64) @ self.coef_
        if len(self.classes_) == 2:
            return np.asarray(place - self.thresholds_[0])
        return log_probabilities(place, self.thresholds_)

    def to_arrays(self) -> dict[str, Floats]:
        """Return ``weight`` (1, d), ``bias`` (1,) and ``thresholds`` (k - 1,).

        ``expit(thresholds - X @ weight.T - bias)`` are the probabilities of being at most class 0, 1, ...
        """
        check_is_fitted(self)
        return {"weight": self.coef_[None], "bias": np.zeros(1), "thresholds": self.thresholds_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> OrderedHead:
        """Return a fitted head, of classes 0 to k - 1, from what ``to_arrays`` gave."""
        head = cls()
        head.coef_ = np.asarray(arrays["weight"], dtype=np.float64)[0]
        head.thresholds_ = np.asarray(arrays["thresholds"], dtype=np.float64) - float(arrays["bias"][0])
        head.classes_, head.n_features_in_ = np.arange(len(head.thresholds_) + 1), len(head.coef_)
        return head


def log_probabilities(place: Floats, thresholds: Floats) -> Floats:
    """Return log probabilities (n, k) of examples at places (n,) along the direction.

    A difference of two logistic functions is a product of three factors, none of which loses digits in the tails.
    """
    upper = np.append(thresholds, np.inf) - place[:, None]
    lower = np.insert(thresholds, 0, -np.inf) - place[:, None]
    gaps = np.append(np.inf, np.append(np.diff(thresholds), np.inf))
    return np.asarray(log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(-gaps)))


def ordered_path(
    X: ArrayLike, y: ArrayLike, folds: Sequence[tuple[Rows, Rows]], Cs: Sequence[float] = CS, *, n_classes: int
) -> Iterator[Floats]:
    """Yield out-of-fold probabilities (n, k) for each C in ascending order; NaN for rows in no test fold.

    Every fold starts from its own solution for the C before. Nothing is fitted before it is asked for.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like of int, shape (n,)
        Ranks from 0 to ``n_classes`` - 1.
    folds : sequence of (ndarray, ndarray)
        Training rows and test rows. A class that a training side lacks has probability 0 there.
    Cs : sequence of float
        Inverse penalties, ascending.
    n_classes : int
        k.
    """
    features, codes = np.asarray(X, dtype=np.float64), np.asarray(y)
    with threadpool_limits(1, user_api="blas"):
        fits = [_Fold(features, codes, train, test, n_classes) for train, test in folds]
    with ThreadPoolExecutor(min(len(fits), 8)) as pool:
        for C in checked_grid(Cs):
            found = np.full((len(codes), n_classes), np.nan)
            with threadpool_limits(1, user_api="blas"):
                for (_, test), part in zip(folds, pool.map(_Fold.step, fits, [C] * len(fits)), strict=True):
                    found[test] = part
            yield found


class _Fold:
    """One fold on its way along the path."""

    def __init__(self, X: Floats, y: Rows, train: Rows, test: Rows, n_classes: int) -> None:
        self.tested, self.n_classes = X[test], n_classes
        self.present, self.codes = np.unique(y[train], return_inverse=True)
        self.design = Design.of(X[train]).principal()
        self.found = _start(self.codes, self.design.rows.shape[1])

    def step(self, C: float) -> Floats:
        """Go to the solution for ``C``; return the probabilities of the test rows."""
        table = np.zeros((len(self.tested), self.n_classes))
        if len(self.present) == 1:
            table[:, self.present] = 1.0
            return table
        self.found, _ = _minimize(self.design.rows, self.codes, C, self.found, _PATH_TOL, 1000)
        weight, thresholds = _original(self.design, self.found, len(self.present))
        table[:, self.present] = np.exp(log_probabilities(self.tested @ weight, thresholds))
        return table


def _start(codes: Rows, width: int) -> Floats:
    """Return parameters of no direction, and thresholds that give each class its share."""
    shares = np.cumsum(np.bincount(codes) / len(codes))[:-1]
    thresholds = np.log(shares / (1 - shares))
    return np.concatenate([np.zeros(width), thresholds[:1], np.log(np.diff(thresholds))])


def _minimize(rows: Floats, codes: Rows, C: float, start: Floats, tol: float, max_iter: int) -> tuple[Floats, int]:
    """Return the parameters that have the lowest loss, and how many iterations it took."""
    from scipy.optimize import minimize

    if not C > 0 or not np.isfinite(C):
        raise DataError(f"C={C}: give a positive number")
    width, scale = rows.shape[1], C * len(codes)
    # The columns are orthogonal, so this brings the curvature of every direction near 1: a few dozen steps do.
    step = np.ones(len(start))
    step[:width] = 1 / np.sqrt((rows**2).mean(axis=0) / 4 + 1 / scale)

    def scaled(parameters: Floats) -> tuple[float, Floats]:
        loss, gradient = _loss(parameters * step, rows, codes, scale)
        return loss, gradient * step

    bounds = [(None, None)] * (width + 1) + [(-_REACH, _REACH)] * (len(start) - width - 1)
    found = minimize(
        scaled, start / step, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": max_iter, "gtol": tol, "ftol": 0.0, "maxfun": 2 * max_iter},
    )  # fmt: skip
    return np.asarray(found.x) * step, max(1, int(found.nit))


def _loss(parameters: Floats, rows: Floats, codes: Rows, scale: float) -> tuple[float, Floats]:
    """Return the mean log loss plus the penalty, and its gradient.

    The parameters are w, the first threshold, and logarithms of the distances from one threshold to the next.
    """
    width = rows.shape[1]
    weight, free = parameters[:width], parameters[width:]
    gaps = np.exp(free[1:])
    thresholds = free[0] + np.append(0.0, np.cumsum(gaps))
    place, k, n = rows @ weight, len(free) + 1, len(codes)
    upper = np.append(thresholds, np.inf)[codes] - place
    lower = np.insert(thresholds, 0, -np.inf)[codes] - place
    around = np.append(np.inf, np.append(gaps, np.inf))  # of each class, from its lower threshold to its upper
    loss = -(log_expit(upper) + log_expit(-lower)).sum() - np.log(-np.expm1(-around))[codes].sum()
    up, down = expit(-upper), expit(lower)
    apart = 1 / np.expm1(around)
    counts = np.bincount(codes, minlength=k)
    above = np.bincount(codes, weights=up, minlength=k) + counts * apart
    below = np.bincount(codes, weights=down, minlength=k) + counts * apart
    slope = -(above[:-1] - below[1:])  # of each threshold
    later = np.cumsum(slope[::-1])[::-1]
    gradient = np.concatenate([rows.T @ (up - down), later[:1], later[1:] * gaps])
    gradient /= n
    gradient[:width] += weight / scale
    return float(loss / n + weight @ weight / (2 * scale)), gradient


def _original(design: Design, parameters: Floats, k: int) -> tuple[Floats, Floats]:
    """Return direction (d,) and thresholds (k - 1,) for features as they came."""
    width = design.rows.shape[1]
    outer, shift = design.original(parameters[None, :width], np.zeros(1))
    free = parameters[width:]
    return outer[0], free[0] + np.append(0.0, np.cumsum(np.exp(free[1:]))) - shift[0]

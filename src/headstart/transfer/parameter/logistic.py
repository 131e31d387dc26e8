"""Logistic regression with a Gaussian prior around the source's weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.results import DataError
from headstart.training.head import Head
from headstart.transfer.parameter._prior import Floats, narrowed, positive, shaped

ALPHAS = tuple(10.0**power for power in range(6, -5, -1))  # from the prior's side to the data's
_ROUGH = 1e-5  # gradient at which a strength is well enough known to be compared
_PATIENCE = 3  # strengths without a lower loss after which weaker ones are not tried


class PriorLogistic(Head):
    """Multinomial logistic regression whose weights are drawn to given ones, not to zero.

    It minimizes ``sum_i s_i log_loss_i + alpha / 2 * sum_cj precision_cj (w_cj - coef_prior_cj)²``, and so for the
    intercepts where they have a prior; without one they are free. With two classes there is one row of weights, of the
    log-odds. With zeros and ones for the prior it is scikit-learn's ``LogisticRegression`` at ``C = 1 / alpha``.

    Parameters
    ----------
    alpha : float or "cv"
        Strength of the prior; "cv" takes the one of ``ALPHAS`` with the lowest log loss out of fold, the strongest at
        a tie, and the strongest of all where there is one row only.
    coef_prior : array_like, shape (k, d), with two classes (1, d), optional
        Zeros by default.
    intercept_prior : array_like, shape (k,), with two classes (1,), optional
        Without it the intercepts are free, and every class needs an example.
    precision : array_like, shape (d,), (k, d) or with two classes (1, d), optional
        How sure the prior is of each weight, beside the others; ones by default.
    intercept_precision : array_like, shape (k,) or (1,), optional
    classes : array_like, shape (k,), optional
        The classes, sorted, where the examples may lack some; by default those of y.
    n_folds : int
        Folds, stratified; fewer where there are fewer rows.
    max_iter : int
    tol : float
        L-BFGS stops where no component of the gradient of the mean loss is larger.
    random_state : int
        Of the division into folds.

    Attributes
    ----------
    classes_ : ndarray, shape (k,)
    coef_ : ndarray, shape (k, d), with two classes (1, d)
    intercept_ : ndarray, shape (k,), with two classes (1,)
    alpha_ : float
    losses_ : ndarray, shape (m,)
        Mean log loss out of fold at the first m of ``ALPHAS``; empty where nothing was chosen.
    n_iter_ : int
    n_features_in_ : int

    References
    ----------
    Chelba and Acero (2006), Adaptation of maximum entropy capitalizer, Computer Speech and Language 20, equation 8.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> source = PriorLogistic(1.0).fit(X, y)
    >>> prior = {"coef_prior": source.coef_, "intercept_prior": source.intercept_, "classes": [0, 1, 2]}
    >>> few = PriorLogistic(100.0, **prior).fit(X[[0, 60, 70]], y[[0, 60, 70]])  # class 2 comes from the prior alone
    >>> bool(few.score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        alpha: float | Literal["cv"] = "cv",
        *,
        coef_prior: ArrayLike | None = None,
        intercept_prior: ArrayLike | None = None,
        precision: ArrayLike | None = None,
        intercept_precision: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        n_folds: int = 5,
        max_iter: int = 1000,
        tol: float = 1e-6,
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.coef_prior = coef_prior
        self.intercept_prior = intercept_prior
        self.precision = precision
        self.intercept_precision = intercept_precision
        self.classes = classes
        self.n_folds = n_folds
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> PriorLogistic:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional

        Raises
        ------
        DataError
            If there is one class only, a class without example and without a prior of its intercept, a label that is
            none of ``classes``, a prior of another shape, or no such ``alpha``.
        """
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        weight = np.ones(len(labels)) if sample_weight is None else _check_sample_weight(sample_weight, features)
        features, labels, weight = features[weight > 0], labels[weight > 0], weight[weight > 0]
        if isinstance(self.alpha, str) and self.alpha != "cv":
            raise DataError(f"no alpha {self.alpha!r}: give a number above 0, or 'cv'")
        if not isinstance(self.alpha, str) and not 0 < self.alpha < np.inf:
            raise DataError(f"alpha={self.alpha!r} must be a number above 0, or 'cv'")
        if self.n_folds < 2:
            raise DataError(f"n_folds={self.n_folds}: give 2 or more")
        self.classes_, codes = self._known(labels)
        problem = self._problem(features, codes, weight)
        alpha: float = ALPHAS[0] if isinstance(self.alpha, str) else self.alpha
        self.losses_ = np.empty(0)
        with threadpool_limits(1, user_api="blas"):  # products this narrow lose more than they gain by threads
            if isinstance(self.alpha, str) and len(codes) > 1:
                self.losses_ = self._out_of_fold(problem)
                alpha = ALPHAS[int(self.losses_.argmin())]
            self.alpha_ = float(alpha)
            moved, self.n_iter_ = problem.solve(self.alpha_, self.tol, self.max_iter)
        self.coef_, self.intercept_ = problem.original(moved)
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more."""
        check_is_fitted(self)
        scores = validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_.T + self.intercept_
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def _known(self, labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the classes and the place of each label among them."""
        present = np.unique(labels)
        classes = present if self.classes is None else np.unique(np.asarray(self.classes))
        strange = [one for one in present.tolist() if one not in set(classes.tolist())]
        if strange:
            raise DataError(f"label {strange[0]!r} is none of the classes {classes.tolist()}: name it in classes")
        if len(classes) < 2:
            raise DataError(f"all labels are of one class, {classes.tolist()}: a classifier needs at least two")
        if self.intercept_prior is None and len(present) < len(classes):
            missing = next(one for one in classes.tolist() if one not in set(present.tolist()))
            raise DataError(f"no example of class {missing!r}: give intercept_prior, so that the prior speaks for it")
        return classes, np.searchsorted(classes, labels)

    def _problem(self, X: Floats, codes: NDArray[np.int64], weight: Floats) -> _Problem:
        k, d = len(self.classes_), X.shape[1]
        rows = 1 if k == 2 else k
        coef = shaped(self.coef_prior, (rows, d), "coef_prior")
        intercept = shaped(self.intercept_prior, (rows,), "intercept_prior")
        shared = self.precision is None or np.ndim(self.precision) == 1
        scale = np.sqrt(positive(self.precision, (1 if shared else rows, d), "precision"))
        loose = np.zeros(rows)
        if self.intercept_prior is not None:
            loose = positive(self.intercept_precision, (rows,), "intercept_precision")
        Z, reach, bases = X[None], 1 / scale, []
        if len(X) < d:
            seen = [narrowed(X / one) for one in scale]
            Z, reach = np.stack([one for one, _ in seen]), np.ones((1, 1))
            bases = [basis for _, basis in seen if basis is not None]
        return _Problem(
            Z=Z, bases=bases, reach=reach, scale=scale,
            offset=X @ coef.T + intercept, coef=coef, intercept=intercept, loose=loose,
            onehot=np.eye(k)[codes][:, k - rows :], codes=codes, weight=weight,
        )  # fmt: skip

    def _out_of_fold(self, problem: _Problem) -> Floats:
        """Return the mean log loss out of fold at each strength, until it has stopped falling."""
        n = len(problem.codes)
        order = np.random.default_rng(self.random_state).permutation(n)
        order = order[np.argsort(problem.codes[order], kind="stable")]  # dealt class by class: stratified
        fold = np.empty(n, dtype=np.int64)
        fold[order] = np.arange(n) % min(self.n_folds, n)
        parts = [problem.rows(fold != one) for one in range(fold.max() + 1)]
        held = [problem.rows(fold == one) for one in range(fold.max() + 1)]
        starts: list[Floats | None] = [None] * len(parts)
        losses: list[float] = []
        for alpha in ALPHAS:
            total = 0.0
            for place, (train, test) in enumerate(zip(parts, held, strict=True)):
                found, _ = train.solve(alpha, max(self.tol, _ROUGH), self.max_iter, starts[place])
                starts[place] = found
                total += test.loss(found)
            losses.append(total / float(problem.weight.sum()))
            if len(losses) - 1 - int(np.argmin(losses)) >= _PATIENCE:
                break
        return np.array(losses)


@dataclasses.dataclass(frozen=True, eq=False)
class _Problem:
    """The loss in the scale of the prior: what is learned is how far each weight goes from it.

    With r rows of weights: ``Z`` (1 or r, n, m) are the examples as each row of weights sees them, ``reach`` (1 or r,
    m) a unit of the prior's scale there, ``offset`` (n, r) what the prior says, ``loose`` (r,) the precision of the
    intercepts, 0 where they are free.
    """

    Z: Floats
    bases: Sequence[Floats]
    reach: Floats
    scale: Floats
    offset: Floats
    coef: Floats
    intercept: Floats
    loose: Floats
    onehot: Floats
    codes: NDArray[np.int64]
    weight: Floats

    def rows(self, kept: NDArray[np.bool_]) -> _Problem:
        return dataclasses.replace(
            self, Z=self.Z[:, kept], offset=self.offset[kept], onehot=self.onehot[kept], codes=self.codes[kept],
            weight=self.weight[kept],
        )  # fmt: skip

    def scores(self, moved: Floats) -> Floats:
        v, u = moved[:, :-1] * self.reach, moved[:, -1]
        seen = self.Z[0] @ v.T if len(self.Z) == 1 else (self.Z @ v[:, :, None])[:, :, 0].T
        return np.asarray(self.offset + seen + u)

    def loss(self, moved: Floats) -> float:
        """Return the log loss, summed."""
        return self._loss(self.scores(moved))[0]

    def _loss(self, scores: Floats) -> tuple[float, Floats]:
        """Return the log loss, summed, and its gradient by the scores (n, r)."""
        logits = scores if scores.shape[1] > 1 else np.column_stack([np.zeros(len(scores)), scores])
        logits = logits - logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        total = powers.sum(axis=1, keepdims=True)
        own = np.take_along_axis(logits, self.codes[:, None], axis=1)[:, 0]
        told = (powers / total)[:, logits.shape[1] - scores.shape[1] :]
        return float(self.weight @ (np.log(total[:, 0]) - own)), self.weight[:, None] * (told - self.onehot)

    def solve(self, alpha: float, tol: float, max_iter: int, start: Floats | None = None) -> tuple[Floats, int]:
        """Return how far the weights go, (r, m + 1), the intercepts last, and the iterations."""
        from scipy.optimize import minimize

        shape = (self.offset.shape[1], self.Z.shape[2] + 1)
        strength = alpha * np.column_stack([np.ones((shape[0], shape[1] - 1)), self.loose])
        size = float(self.weight.sum())

        def cost(flat: Floats) -> tuple[float, Floats]:
            moved = flat.reshape(shape)
            value, by_score = self._loss(self.scores(moved))
            if len(self.Z) == 1:
                slope = by_score.T @ self.Z[0]
            else:
                slope = (by_score.T[:, None, :] @ self.Z)[:, 0]
            slope = np.column_stack([slope * self.reach, by_score.sum(axis=0)]) + strength * moved
            return (value + 0.5 * float((strength * moved**2).sum())) / size, slope.ravel() / size

        begin = np.zeros(shape) if start is None else start
        options = {"gtol": tol, "ftol": 0.0, "maxiter": max_iter, "maxcor": 20}
        found = minimize(cost, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
        return np.asarray(found.x).reshape(shape), int(found.nit)

    def original(self, moved: Floats) -> tuple[Floats, Floats]:
        """Return coefficients (r, d) and intercepts (r,)."""
        far = moved[:, :-1]
        if self.bases:
            bases = [*self.bases] * (len(far) // len(self.bases))
            far = np.stack([one @ basis for one, basis in zip(far, bases, strict=True)])
        return self.coef + far / self.scale, self.intercept + moved[:, -1]

"""The head: a standardized multinomial logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.scaling import Ranks, checked_scaling


class Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What every head does with its scores; a subclass gives ``decision_function`` and ``classes_``."""

    classes_: NDArray[Any]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more."""
        raise NotImplementedError

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), in the order of ``classes_``."""
        return probabilities(self.decision_function(X))

    def output(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what an exported graph gives: probabilities, (n, k)."""
        return self.predict_proba(X)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return ``weight`` (k, d) and ``bias`` (k,): ``softmax(X @ weight.T + bias)`` are the probabilities.

        So it is for two classes too, where the first row is 0 and the second gives the log-odds.
        """
        check_is_fitted(self)
        if len(self.classes_) > 2:
            return {"weight": self.coef_, "bias": self.intercept_}
        return {
            "weight": np.vstack([np.zeros_like(self.coef_), self.coef_]),
            "bias": np.append(0.0, self.intercept_),
        }


class LogisticHead(Head):
    """Multinomial logistic regression with an L2 penalty on standardized features.

    Features are standardized by the training rows, and the standardization is folded into the coefficients, so that
    the fitted head is one linear layer on the features as they come. It minimizes
    ``C * sum_i w_i * log_loss_i + |coefficients of standardized features|^2 / 2``; intercepts are free. The fit is in
    float64 whatever the features are: float32 saves a sixth of the time at 3,000 x 1,280, and its rounding stops the
    solver before a tight tolerance is met.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty. On 1,280 standardized features the best is usually between 1e-4 and 1e-1.
    max_iter : int
        Most iterations of L-BFGS.
    tol : float
        L-BFGS stops where no component of the gradient of the mean loss is larger.
    class_weight : dict or "balanced", optional
        Weights of the classes, multiplied by ``sample_weight``.
    scaling : {"standard", "robust", "quantile"}
        What features are scaled by: mean and standard deviation, median and interquartile range, or their ranks in the
        training rows (:class:`headstart.training.scaling.Ranks`), which are then standardized. The latter two take no
        sample weights.
    random_state : int, optional
        For scikit-learn's conventions only: nothing here is random.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    coef_ : ndarray of float64, shape (k, d), with two classes (1, d)
        In the scale of the features given to ``fit``, or of their ranks.
    ranks_ : Ranks or None
        Of the training rows, where features are scaled by them.
    intercept_ : ndarray of float64, shape (k,), with two classes (1,)
    n_iter_ : int
        Iterations used.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> head = LogisticHead(C=10).fit(X, y)
    >>> head.coef_.shape, round(float(head.score(X, y)), 2)
    ((3, 4), 0.98)
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        max_iter: int = 2000,
        tol: float = 1e-6,
        class_weight: Mapping[Any, float] | str | None = None,
        scaling: str = "standard",
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.scaling = scaling
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LogisticHead:
        """Fit the head.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Features.
        y : array_like, shape (n,)
            Labels, of two classes or more.
        sample_weight : array_like, shape (n,), optional
            A weight of 2 counts like a row that stands twice, in the standardization too.

        Raises
        ------
        DataError
            If there is one class only, no such scaling, or weights for one that takes none.
        """
        if checked_scaling(self.scaling) != "standard" and sample_weight is not None:
            raise DataError(f"scaling={self.scaling!r} takes no sample weights: leave one of the two out")
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, features)
        if weight is not None:  # a row of weight 0 is as if it were not there
            there = weight > 0
            features, labels, weight = features[there], labels[there], weight[there]
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise DataError(f"all labels are of one class, {self.classes_.tolist()}: a classifier needs at least two")
        model = LogisticRegression(C=self.C, tol=self.tol, max_iter=self.max_iter, class_weight=self.class_weight)
        with threadpool_limits(1, user_api="blas"):  # products this narrow lose more than they gain by threads
            self.ranks_ = Ranks.of(features) if self.scaling == "quantile" else None
            features = self.ranks_.transform(features) if self.ranks_ else features
            design = Design.of(features, weight, robust=self.scaling == "robust")
            model.fit(design.rows, labels, sample_weight=weight)
        self.coef_, self.intercept_ = design.original(model.coef_, model.intercept_)
        self.n_iter_ = int(model.n_iter_.max())
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        features = self.ranks_.transform(features) if self.ranks_ else features
        scores = features @ self.coef_.T + self.intercept_
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what ``Head.to_arrays`` does, and the arrays of the ranks that ``X`` then are, if there are any."""
        arrays = super().to_arrays()
        return {**arrays, **self.ranks_.to_arrays()} if self.ranks_ else arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], classes: ArrayLike | None = None) -> LogisticHead:
        """Return a fitted head from what ``to_arrays`` gave and the labels of its k classes (0 to k - 1 if None)."""
        weight, bias = (np.asarray(arrays[name], dtype=np.float64) for name in ("weight", "bias"))
        labels = np.arange(len(bias)) if classes is None else np.asarray(classes)
        if weight.ndim != 2 or not len(weight) == len(bias) == len(labels) >= 2:
            raise DataError(
                f"weight {weight.shape}, bias {bias.shape} and {len(labels)} classes do not fit: "
                "give (k, d), (k,) and k of them, k at least 2"
            )
        ranks = Ranks.from_arrays(arrays)
        head = cls(scaling="quantile" if ranks else "standard")
        head.ranks_ = ranks
        head.classes_, head.n_features_in_ = labels, weight.shape[1]
        two = len(labels) == 2
        head.coef_ = weight[1:] - weight[:1] if two else weight
        head.intercept_ = bias[1:] - bias[:1] if two else bias
        return head


def probabilities(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities (n, k) from log-odds (n,) of two classes or scores (n, k)."""
    if scores.ndim == 1:
        second = expit(scores.astype(np.float64))
        return np.column_stack([1 - second, second])
    return np.asarray(softmax(scores.astype(np.float64), axis=1))

"""A classifier that resamples what it is fitted on, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart.imbalance._drawing import Strategy, draw
from headstart.imbalance._labels import checked_labels


def _has(name: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class ResampledClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier fitted on resampled rows.

    In a cross-validation it sees the training rows of a fold only, so nothing is resampled before the split. What it
    predicts for is left as it is. Its probabilities are those of a world with the resampled shares: correct them with
    :func:`headstart.imbalance.prior_correction` from ``resampled_counts_``.

    Parameters
    ----------
    estimator : classifier
    method : str
        As for :func:`headstart.imbalance.resampled_folds`.
    sampling_strategy : "auto", float or mapping
        As there.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, shape (k,)
    estimator_ : classifier
        Fitted on the resampled rows.
    rows_ : ndarray of int64, shape (m,)
        Which training row each resampled one is; -1 for one that was made.
    counts_, resampled_counts_ : ndarray of int64, shape (k,)
        Examples of each class before and after.
    notes_ : tuple of str
        What had to be done otherwise than asked.
    n_features_in_ : int

    Examples
    --------
    >>> from headstart.training import LogisticHead
    >>> X, y = np.arange(20.0)[:, None], np.arange(20) >= 16
    >>> ResampledClassifier(LogisticHead(), "smote", random_state=0).fit(X, y).resampled_counts_.tolist()
    [16, 16]
    """

    def __init__(
        self,
        estimator: Any,
        method: str = "copies",
        *,
        sampling_strategy: Strategy = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> ResampledClassifier:
        """Resample the rows and fit a clone of the estimator on them.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)

        Raises
        ------
        DataError
            If there is one class only, or the method or strategy is unknown.
        """
        features, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(labels)
        known = checked_labels(labels)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        drawn = draw(features, known.codes, self.method, self.sampling_strategy, known.names.tolist(), rng)
        self.classes_ = known.names
        self.rows_, self.notes_ = drawn.rows, drawn.notes
        self.counts_ = known.counts
        self.resampled_counts_ = np.bincount(drawn.codes, minlength=known.n_classes)
        self.estimator_ = clone(self.estimator).fit(drawn.X, known.names[drawn.codes])
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row."""
        return np.asarray(self._fitted("predict", X))

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), in a world with the resampled shares."""
        return np.asarray(self._fitted("predict_proba", X))

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scores of the estimator."""
        return np.asarray(self._fitted("decision_function", X))

    def _fitted(self, name: str, X: ArrayLike) -> Any:
        check_is_fitted(self, "estimator_")
        features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return getattr(self.estimator_, name)(features)

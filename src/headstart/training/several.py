"""One head for several answers: a logistic one for each label, or a softmax for each column of classes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart.results import DataError
from headstart.training.head import LogisticHead

Floats = NDArray[np.float64]


class SeveralHead(BaseEstimator):  # type: ignore[misc]
    """Logistic regressions side by side on the same features, each with a penalty of its own, as one linear layer.

    Parameters
    ----------
    Cs : sequence of float
        Inverse strength of the penalty of each answer; see :class:`headstart.training.LogisticHead`.
    sizes : sequence of int
        How many columns each answer has: 1 for a label (its probability), k for a choice among k classes.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (sum of sizes, d)
    intercept_ : ndarray of float64, shape (sum of sizes,)
    n_features_in_ : int

    Examples
    --------
    >>> X = np.arange(8.0)[:, None]
    >>> Y = np.column_stack([X[:, 0] > 3, X[:, 0] // 3]).astype(int)
    >>> SeveralHead([10.0, 10.0], [1, 3]).fit(X, Y).predict_proba(X).shape
    (8, 4)
    """

    def __init__(self, Cs: Sequence[float], sizes: Sequence[int]) -> None:
        self.Cs = Cs
        self.sizes = sizes

    def fit(self, X: ArrayLike, Y: ArrayLike) -> SeveralHead:
        """Fit the heads to features (n, d) and classes (n, m): 0 or 1 for a label, 0 to k - 1 for a choice.

        Raises
        ------
        DataError
            If shapes do not fit, or an answer is the same in all rows or lacks one of its classes.
        """
        codes = np.asarray(Y).astype(np.int64)
        if codes.ndim != 2 or not codes.shape[1] == len(self.Cs) == len(self.sizes):
            raise DataError(
                f"Y has shape {codes.shape} for {len(self.Cs)} penalties: give a column and a size for each"
            )
        features = validate_data(self, X, dtype=np.float64)
        weights, biases = [], []
        for number, (C, size) in enumerate(zip(self.Cs, self.sizes, strict=True)):
            arrays = LogisticHead(C=C).fit(features, codes[:, number]).to_arrays()
            if len(arrays["bias"]) != max(size, 2):
                raise DataError(f"answer {number} has {len(arrays['bias'])} classes in these rows, not {max(size, 2)}")
            weights.append(arrays["weight"][-1:] if size == 1 else arrays["weight"])
            biases.append(arrays["bias"][-1:] if size == 1 else arrays["bias"])
        self.coef_, self.intercept_ = np.vstack(weights), np.concatenate(biases)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return probabilities (n, sum of sizes): of each label, and of each class of each choice."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return squashed(features.astype(np.float64) @ self.coef_.T + self.intercept_, self.sizes)

    output = predict_proba

    def to_arrays(self) -> dict[str, Floats]:
        """Return ``weight`` and ``bias`` of the linear layer, and ``sizes`` unless all of them are 1."""
        check_is_fitted(self)
        arrays = {"weight": self.coef_, "bias": self.intercept_}
        return arrays if max(self.sizes) == 1 else {**arrays, "sizes": np.array(self.sizes, dtype=np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> SeveralHead:
        """Return a fitted head from what ``to_arrays`` gave."""
        weight, bias = (np.asarray(arrays[name], dtype=np.float64) for name in ("weight", "bias"))
        sizes = [int(size) for size in arrays["sizes"]] if "sizes" in arrays else [1] * len(bias)
        head = cls([1.0] * len(sizes), sizes)
        head.coef_, head.intercept_, head.n_features_in_ = weight, bias, weight.shape[1]
        return head


def squashed(scores: Floats, sizes: Sequence[int]) -> Floats:
    """Return probabilities from scores (n, sum of sizes): logistic for a single column, softmax over several.

    >>> squashed(np.zeros((1, 3)), [1, 2]).tolist()
    [[0.5, 0.5, 0.5]]
    """
    ends = np.cumsum([0, *sizes])
    parts = [scores[:, start:end] for start, end in itertools.pairwise(ends)]
    return np.hstack([expit(part) if part.shape[1] == 1 else softmax(part, axis=1) for part in parts])

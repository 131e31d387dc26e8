"""Temperature scaling: how sure a model may be, without a change of what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REACH = 4.0  # a temperature between exp(-4) and exp(4)


def sharpen(probabilities: NDArray[np.floating], sharpness: float) -> NDArray[np.float64]:
    """Return probabilities (n, k) whose logits are multiplied by ``sharpness``, the inverse of the temperature."""
    from scipy.special import softmax

    logits = np.log(np.clip(probabilities, np.finfo(np.float64).tiny, 1)) * sharpness
    return np.asarray(softmax(logits, axis=1))


def best_sharpness(probabilities: NDArray[np.floating], y: NDArray[np.int64]) -> float:
    """Return the inverse temperature with the lowest log loss (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    Parameters
    ----------
    probabilities : ndarray, shape (n, k)
        Of examples that the model was not fitted on.
    y : ndarray of int64, shape (n,)
        Classes.

    Examples
    --------
    >>> sure = np.array([[0.99, 0.01]] * 4)
    >>> round(best_sharpness(sure, np.array([0, 0, 0, 1])), 2)  # right in three of four cases
    0.24
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        chosen = sharpen(probabilities, float(np.exp(logarithm)))[np.arange(len(y)), y]
        return float(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1)).mean())

    found = minimize_scalar(loss, bounds=(-_REACH, _REACH), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))

"""The Fisher information of a logistic model: how surely the source knows each of its weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError


def logistic_fisher(
    X: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the diagonal of the Fisher information of a multinomial logistic model, summed over rows.

    Of the weight of class c on feature j it is ``sum_i p_ic (1 - p_ic) x_ij²``, the expected squared gradient of the
    log likelihood, and minus its second derivative. A weight that many rows bear on is known surely; of a feature that
    never varied, or a class that was never in doubt, the source knows little.

    Parameters
    ----------
    X : array_like, shape (n, d)
    probabilities : array_like, shape (n, k)
        What the model says of them.
    sample_weight : array_like, shape (n,), optional

    Returns
    -------
    coefficients : ndarray, shape (k, d)
    intercepts : ndarray, shape (k,)

    Raises
    ------
    DataError
        If rows do not match or are not finite.

    References
    ----------
    Kirkpatrick et al. (2017), Overcoming catastrophic forgetting in neural networks, arXiv:1612.00796, equation 3.

    Examples
    --------
    >>> coefficients, intercepts = logistic_fisher([[2.0], [1.0]], [[0.5, 0.5], [0.9, 0.1]])
    >>> coefficients.round(2).tolist(), intercepts.round(2).tolist()
    ([[1.09], [1.09]], [0.34, 0.34])
    """
    told = np.asarray(probabilities, dtype=np.float64)
    if told.ndim != 2:
        raise DataError(f"probabilities have shape {told.shape}: give one column a class, (n, k)")
    rows = checked_rows(X, len(told), "X").astype(np.float64)
    spread = told * (1 - told)
    if sample_weight is not None:
        spread = spread * np.asarray(sample_weight, dtype=np.float64)[:, None]
    return spread.T @ rows**2, spread.sum(axis=0)

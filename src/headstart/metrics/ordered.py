"""Metrics of predicted classes that have an order, for many weightings of the examples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_codes
from headstart.metrics.counts import mean_defined, share
from headstart.metrics.numbers import checked_weights
from headstart.results import DataError

Floats = NDArray[np.float64]
ORDERED_METRICS = ("qwk", "mae", "macro_mae", "within_one", "accuracy")


def ordered_scores(
    y: ArrayLike, predicted: ArrayLike, n_classes: int, weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """Return the metrics of predicted ranks.

    ==============  ==================================================================================================
    ``qwk``         quadratic weighted kappa (Cohen 1968): 1 - observed / expected squared distance; 0 for a constant
    ``mae``         mean absolute error in steps; lower is better
    ``macro_mae``   its mean over the classes that occur in ``y`` (Baccianella, Esuli and Sebastiani 2009): no class
                    is forgotten because it is rare; lower is better
    ``within_one``  share that is at most one step off
    ``accuracy``    share of right predictions
    ==============  ==================================================================================================

    With quadratic weights kappa is a function of means: twice the covariance of the ranks over the sum of their
    variances and the squared distance of their means (Lin's concordance coefficient).

    Parameters
    ----------
    y, predicted : array_like of int, shape (n,)
        Ranks from 0 to k - 1.
    n_classes : int
        k.
    weights : array_like, shape (b, n), optional
        How often each example counts; by default once, and b is 1.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        ``qwk`` is NaN where truth and prediction are the same constant.

    Raises
    ------
    DataError
        If shapes or ranks do not fit.

    Examples
    --------
    >>> found = ordered_scores([0, 1, 2, 2], [0, 1, 1, 2], 3)
    >>> {name: round(float(value[0]), 3) for name, value in found.items()}
    {'qwk': 0.8, 'mae': 0.25, 'macro_mae': 0.167, 'within_one': 1.0, 'accuracy': 0.75}
    """
    true, said = checked_codes(y, n_classes), checked_codes(predicted, n_classes, "predicted")
    if true.ndim != 1 or true.shape != said.shape or not len(true):
        raise DataError(f"y has shape {true.shape} and predicted {said.shape}: give (n,) of each, n at least 1")
    weight = checked_weights(weights, len(true))
    total = weight.sum(axis=1)
    steps = np.abs(said - true).astype(np.float64)
    mine = np.zeros((n_classes, len(true)))
    mine[true, np.arange(len(true))] = 1.0
    return {
        "qwk": kappa(true.astype(np.float64), said.astype(np.float64), weight),
        "mae": share(weight @ steps, total),
        "macro_mae": mean_defined(share((weight * steps) @ mine.T, weight @ mine.T)),
        "within_one": share(weight @ (steps <= 1), total),
        "accuracy": share(weight @ (steps == 0), total),
    }


def kappa(y: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return quadratic weighted kappa (b,) of ranks (n,) for each row of ``weights`` (b, n)."""
    total = weights.sum(axis=1)
    squared = share(weights @ (y - predicted) ** 2, total)
    both = [(share(weights @ one, total), share(weights @ one**2, total)) for one in (y, predicted)]
    (mean, square), (mean_said, square_said) = both
    expected = square + square_said - 2 * mean * mean_said
    return 1 - share(squared, np.where(expected > 1e-12, expected, 0.0))

"""Metrics of predicted numbers, for many weightings of the examples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics.counts import share
from headstart.results import DataError

Floats = NDArray[np.float64]
NUMBER_METRICS = ("mae", "rmse", "r2", "spearman")


def number_scores(y: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> dict[str, Floats]:
    """Return the metrics of predicted numbers.

    ============  ====================================================================================================
    ``mae``       mean absolute error, in the unit of ``y``; lower is better
    ``rmse``      root of the mean squared error, in the unit of ``y``; lower is better
    ``r2``        1 - squared error / squared distance from the mean of these ``y``: at most 1, and 0 for that mean
    ``spearman``  correlation of the ranks, equal values sharing the middle of theirs; NaN where either is constant
    ============  ====================================================================================================

    Parameters
    ----------
    y, predicted : array_like, shape (n,)
        Finite numbers.
    weights : array_like, shape (b, n), optional
        How often each example counts; by default once, and b is 1.

    Returns
    -------
    dict of str to ndarray, shape (b,)

    Raises
    ------
    DataError
        If shapes do not fit or a number is not finite.

    Examples
    --------
    >>> {name: round(float(value[0]), 3) for name, value in number_scores([1, 2, 3, 4], [1, 3, 2, 4]).items()}
    {'mae': 0.5, 'rmse': 0.707, 'r2': 0.6, 'spearman': 0.8}
    """
    true, said, weight = checked_pairs(y, predicted, weights)
    total = weight.sum(axis=1)
    error = said - true
    squared = share(weight @ error**2, total)
    centred = true - true.mean()  # else the variance of large numbers drowns in rounding
    spread = share(weight @ centred**2, total) - share(weight @ centred, total) ** 2
    varies = spread > 1e-12 * np.square(centred).max()
    return {
        "mae": share(weight @ np.abs(error), total),
        "rmse": np.sqrt(squared),
        "r2": np.where(varies, 1 - squared / np.where(varies, spread, 1.0), np.nan),
        "spearman": _correlation(midranks(true, weight), midranks(said, weight), weight),
    }


def midranks(values: Floats, weights: Floats) -> Floats:
    """Return ranks (b, n) of ``values`` (n,) where each counts as often as a row of ``weights`` (b, n) says."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(held, axis=1) - (held - 1) / 2
    return np.asarray(ranks[:, place])


def _correlation(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Return the weighted correlation (b,) of the rows of two tables."""
    total = weights.sum(axis=1, keepdims=True)
    a = a - (weights * a).sum(axis=1, keepdims=True) / total
    b = b - (weights * b).sum(axis=1, keepdims=True) / total
    below = np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1))
    return share((weights * a * b).sum(axis=1), np.where(below > 1e-9, below, 0.0))


def checked_pairs(y: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return truth (n,), predictions (n,) and weights (b, n), or say what does not fit."""
    true, said = np.asarray(y, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if true.ndim != 1 or true.shape != said.shape or not len(true):
        raise DataError(f"y has shape {true.shape} and predicted {said.shape}: give (n,) of each, n at least 1")
    broken = np.flatnonzero(~(np.isfinite(true) & np.isfinite(said)))
    if len(broken):
        row = int(broken[0])
        raise DataError(f"row {row} has y {true[row]:g} and predicted {said[row]:g}: give finite numbers")
    return true, said, checked_weights(weights, len(true))


def checked_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Return weights (b, n), once each by default, or say what does not fit."""
    table = np.ones((1, n)) if weights is None else np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != n or not (table >= 0).all():
        raise DataError(f"weights have shape {table.shape} for {n} examples: give (b, {n}), none negative")
    return table

"""PARC: whether examples that the features set apart are those that the labels set apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.transferability.score import ClassWeight, Floats, Score, checked_labels


def parc(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ClassWeight = None,
    max_rows: int = 2000,
    random_state: int | np.random.Generator | None = 0,
) -> Score:
    """Return Spearman's correlation, over pairs of examples, of their distance in features and in one-hot labels.

    The distance is 1 minus Pearson's correlation of two rows; of one-hot labels it is one of two values.

    Parameters
    ----------
    features : array_like, shape (n, d)
        A row without variance correlates with none.
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Weighs a pair by the product of its examples' weights.
    max_rows : int
        Pairs grow with the square: of more rows, so many are drawn, in proportion to the classes.
    random_state : int, Generator or None
        Of the draw.

    Returns
    -------
    Score
        -1 to 1.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Bolya, Mittapalli and Hoffman (2021), Scalable diverse model selection for accessible transfer learning,
    arXiv:2111.06977 (there as a percentage).

    Examples
    --------
    >>> bool(parc(np.eye(2)[[0, 0, 1, 1]] + 0.01 * np.eye(4, 2), [0, 0, 1, 1]) > 0.8)
    True
    """
    known = checked_labels(labels, class_weight)
    X = checked_rows(features, len(known.codes), "features")
    y, weights = known.codes, known.weights
    notes: tuple[str, ...] = ()
    if len(X) > max_rows:
        from sklearn.model_selection import train_test_split

        seed = np.random.default_rng(random_state).integers(2**31)
        few = np.bincount(y).min() < 2 or known.n_classes > max_rows
        rows, _ = train_test_split(
            np.arange(len(X)), train_size=max_rows, random_state=int(seed), stratify=None if few else y
        )
        rows = np.sort(rows)
        notes = (f"{max_rows:,} of {len(X):,} examples",)
        X, y, weights = X[rows], y[rows], weights[rows]
        if not (y != y[0]).any():
            return Score(0.0, warnings=notes)
    X = X.astype(np.float64)
    centred = X - X.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    flat = norms <= X.shape[1] * np.finfo(np.float64).eps * np.abs(X).max(axis=1, keepdims=True)
    unit = np.divide(centred, norms, out=np.zeros_like(X), where=~flat)
    pairs = np.triu_indices(len(X), 1)
    distance = 1 - (unit @ unit.T)[pairs]
    differ = (y[:, None] != y)[pairs].astype(np.float64)
    return Score(_spearman(distance, differ, (weights[:, None] * weights)[pairs]), warnings=notes)


def _spearman(a: Floats, b: Floats, weights: Floats) -> float:
    x, y = _ranks(a, weights), _ranks(b, weights)
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    scale = np.sqrt((weights @ x**2) * (weights @ y**2))
    return float(weights @ (x * y) / scale) if scale > 0 else 0.0


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Return the weight below each value, and half of the weight of its equals."""
    _, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights)
    return np.asarray((np.cumsum(mass) - mass / 2)[place])

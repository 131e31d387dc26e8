"""What a target looks like before anything is tried on it: the numbers by which earlier targets are found alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError

_MOST = 1000  # rows that neighbours are looked for among
_K = 5


def describe(X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None, *, seed: int = 0) -> dict[str, float]:
    """Return the meta-features of a target, from the features that a head would learn from.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
        Classes.
    groups : array_like, shape (n,), optional
        Rows of one group are not each other's neighbours.
    seed : int
        Of the sample where n is above 1,000.

    Returns
    -------
    dict of str to float
        Sizes as logarithms: ``rows``, ``classes``, ``features``, ``rows_a_class``, ``imbalance`` (largest over
        smallest class), ``smallest``. Landmarks, each row left out in turn: ``neighbours``, the macro-F1 of 5 nearest
        neighbours, ``centroids``, that of the nearest class mean, both on standardized features, and ``curved``, the
        first less the second: where it is high, classes are no blobs.

    Raises
    ------
    DataError
        If rows do not match or are not finite, or there is one class only.

    References
    ----------
    Feurer, Springenberg and Hutter (2015), Initializing Bayesian hyperparameter optimization via meta-learning, AAAI;
    landmarks after Pfahringer, Bensusan and Giraud-Carrier (2000), ICML.

    Examples
    --------
    >>> y = np.arange(60) % 3
    >>> found = describe(np.eye(3)[y] + 0.1 * np.random.default_rng(0).normal(size=(60, 3)), y)
    >>> round(found["rows"], 2), found["imbalance"], round(found["centroids"], 2)
    (4.09, 0.0, 1.0)
    """
    codes = np.unique(np.asarray(y), return_inverse=True)[1]
    rows = checked_rows(X, len(codes), "X")
    group = np.arange(len(codes)) if groups is None else np.asarray(groups)
    counts = np.bincount(codes)
    if len(counts) < 2:
        raise DataError("all labels are of one class: there is nothing to tell apart")
    found = {
        "rows": np.log(len(codes)),
        "classes": np.log(len(counts)),
        "features": np.log(rows.shape[1]),
        "rows_a_class": np.log(len(codes) / len(counts)),
        "imbalance": np.log(counts.max() / counts.min()),
        "smallest": np.log(counts.min()),
    }
    if len(codes) > _MOST:
        kept = np.sort(np.random.default_rng(seed).permutation(len(codes))[:_MOST])
        rows, codes, group = rows[kept], codes[kept], group[kept]
    Z = rows.astype(np.float64) - rows.mean(axis=0)
    spread = Z.std(axis=0)
    Z = Z[:, spread > 0] / spread[spread > 0]
    near, centre = (_macro_f1(codes, said) for said in (_neighbours(Z, codes, group), _centroids(Z, codes)))
    found.update(neighbours=near, centroids=centre, curved=near - centre)
    return {name: float(value) for name, value in found.items()}


def _macro_f1(y: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    from headstart.metrics import scores

    classes, codes = np.unique(y, return_inverse=True)
    places = np.searchsorted(classes, said)
    return float(scores(codes, np.eye(len(classes))[places])["macro_f1"])


def _neighbours(Z: NDArray[np.float64], y: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what the nearest rows of other groups say of each row, by Euclidean distance."""
    squares = (Z**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * Z @ Z.T
    distance[groups[:, None] == groups] = np.inf
    k = min(_K, len(Z) - 1)
    near = np.argsort(distance, axis=1, kind="stable")[:, :k]
    weight = np.isfinite(np.take_along_axis(distance, near, 1)) * (1 - np.arange(k) * 1e-3)  # the nearer break a tie
    votes = np.zeros((len(Z), int(y.max()) + 1))
    for place in range(k):
        votes[np.arange(len(Z)), y[near[:, place]]] += weight[:, place]
    votes[:, np.setdiff1d(np.arange(votes.shape[1]), y)] = -1.0
    return np.asarray(votes.argmax(axis=1))


def _centroids(Z: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class whose mean, without the row itself, is nearest to each row."""
    counts = np.bincount(y).astype(np.float64)
    sums = np.zeros((len(counts), Z.shape[1]))
    np.add.at(sums, y, Z)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums / counts[:, None]
        distance = (Z**2).sum(axis=1)[:, None] + (means**2).sum(axis=1) - 2 * Z @ means.T
        own = np.arange(len(Z)), y
        # The row less the mean of the others of its class is n / (n - 1) times the row less the mean of all.
        distance[own] *= (counts[y] / (counts[y] - 1)) ** 2
    distance[np.isnan(distance)] = np.inf
    return np.asarray(distance.argmin(axis=1))

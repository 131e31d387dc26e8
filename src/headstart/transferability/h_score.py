"""H-score: how much of the features' variance lies between the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.transferability.score import ClassWeight, Score, checked_labels

_LEAST = 1e-9  # share that is drawn: a constant feature leaves nothing to invert where nothing is


def h_score(features: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None) -> Score:
    """Return ``(1 - δ) tr(Σ⁻¹ Σ_between)``, where Σ is the features' covariance, shrunk.

    The plain H-score is C - 1 on any features at all once there are as many of them as examples. Here the covariance
    is drawn towards a multiple of the identity, by the share δ that Ledoit and Wolf find best.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Lets each class weigh the same in both covariances.

    Returns
    -------
    Score
        0 to C - 1.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Bao et al. (2019), An information-theoretic approach to transferability in task transfer learning; shrunk as in
    Ibrahim et al. (2021), Newer is not always better, arXiv:2110.06893.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> bool(h_score(rng.normal(size=(60, 200)), y) < 1 < h_score(5 * np.eye(3)[y] + rng.normal(size=(60, 3)), y))
    True
    """
    from scipy.linalg import solve
    from sklearn.covariance import ledoit_wolf_shrinkage

    known = checked_labels(labels, class_weight)
    X = checked_rows(features, len(known.codes), "features").astype(np.float64)
    centred = X - known.weights @ X / len(X)
    deviations = np.sqrt(known.weights)[:, None] * centred
    variance = float((deviations**2).sum() / X.size)
    if variance <= (len(X) * np.finfo(np.float64).eps * np.abs(X).max()) ** 2:
        return Score(0.0, warnings=("the features are constant",))
    shrinkage = max(float(ledoit_wolf_shrinkage(deviations, assume_centered=True)), _LEAST)
    covariance = (1 - shrinkage) * deviations.T @ deviations / len(X)
    covariance.flat[:: len(covariance) + 1] += shrinkage * variance
    sums = known.sums(centred) / len(X)
    between = sums / np.sqrt(known.shares)[:, None]
    value = (1 - shrinkage) * float((between * solve(covariance, between.T, assume_a="pos").T).sum())
    return Score(value)

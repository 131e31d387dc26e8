"""TransRate: what the labels save of the features' coding rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.transferability.score import ClassWeight, Floats, Score, checked_labels


def transrate(
    features: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None, epsilon: float = 1e-4
) -> Score:
    """Return the coding rate of the features less the mean rate of the classes, by their shares.

    The rate of centred features Z is ``½ log det(I + ZᵀZ / (n ε))``. The paper's code divides the classes' rates by
    their number, which is the same where all are equally large and makes noise look like signal where they are not;
    here each counts by its share. As in the paper, classes are not centred: two of them at equal distances from the
    mean are not told apart. A class of fewer examples than features has a small rate whatever they are.

    Parameters
    ----------
    features : array_like, shape (n, d)
        Their scale matters, as in the paper.
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Lets each class have the same share, in both rates.
    epsilon : float
        Distortion, positive.

    Returns
    -------
    Score
        At least 0, in nats.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Huang et al. (2022), Frustratingly easy transferability estimation, arXiv:2106.09362.

    Examples
    --------
    >>> x = np.array([[0.0], [0.1], [5.0], [5.1], [2.5], [2.6]])
    >>> bool(transrate(x, [0, 0, 1, 1, 2, 2]) > transrate(x, [0, 1, 2, 0, 1, 2]))
    True
    """
    known = checked_labels(labels, class_weight)
    X = checked_rows(features, len(known.codes), "features").astype(np.float64)
    mean = known.weights @ X / len(X)
    Z = np.sqrt(known.weights / len(X))[:, None] * (X - mean)
    within = 0.0
    for code, share in enumerate(known.shares):
        within += share * _rate(Z[known.codes == code] / np.sqrt(share), epsilon)
    # The rate of a mixture is at least the mean rate of its parts; what lies below 0 is rounding.
    return Score(max(0.0, _rate(Z, epsilon) - within))


def _rate(Z: Floats, epsilon: float) -> float:
    gram = Z.T @ Z if Z.shape[0] >= Z.shape[1] else Z @ Z.T
    gram /= epsilon
    gram.flat[:: len(gram) + 1] += 1
    return float(np.linalg.slogdet(gram)[1]) / 2

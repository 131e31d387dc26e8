"""Scores that classify: neighbours and a linear probe, each example judged by the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.training.neighbours import nearest, votes
from headstart.transferability.score import ClassWeight, Score, checked_labels
from headstart.transferability.spectrum import spectrum

_PENALTIES = np.logspace(-6, 2, 17)  # of the largest squared singular value


def knn_score(features: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None, k: int = 5) -> Score:
    """Return the leave-one-out accuracy of the vote of the ``k`` nearest neighbours by cosine similarity.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Balanced accuracy, of votes that weigh by class.
    k : int
        Neighbours; the nearer ones break a tie.

    Returns
    -------
    Score
        0 to 1.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Cover and Hart (1967); found to beat 23 other scores by Sorkhei et al. (2025), arXiv:2503.18528.

    Examples
    --------
    >>> knn_score([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [0, 0, 1, 1], k=1)
    Score(value=1.0, n_iter=0, warnings=())
    """
    known = checked_labels(labels, class_weight)
    X = checked_rows(features, len(known.codes), "features")
    shares = votes(nearest(X, np.arange(len(X)), k), known.codes, k, known.n_classes)
    if class_weight:
        shares = shares / np.bincount(known.codes)
    return Score(float(known.weights @ (shares.argmax(axis=1) == known.codes) / len(X)))


def linear_probe_score(features: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None) -> Score:
    """Return the leave-one-out accuracy of ridge regression on the one-hot labels, in closed form.

    What an example would be said to be by a model fitted without it follows from the fit with it, ``y - e / (1 - h)``
    with its residual e and leverage h; one singular value decomposition serves every penalty. Taken is the penalty
    with the lowest leave-one-out squared error.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Balanced accuracy, of a fit in which each class weighs the same.

    Returns
    -------
    Score
        0 to 1.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Rifkin and Lippert (2007), Notes on regularized least squares, MIT-CSAIL-TR-2007-025, section 3.

    Examples
    --------
    >>> linear_probe_score([[0, 1], [0, 2], [3, 1], [3, 2]], [0, 0, 1, 1])
    Score(value=1.0, n_iter=0, warnings=())
    """
    known = checked_labels(labels, class_weight)
    n = len(known.codes)
    found = spectrum(checked_rows(features, n, "features"), known.weights)
    if not len(found.squares):
        return Score(1 / known.n_classes, warnings=("the features are constant",))
    onehot = np.eye(known.n_classes)
    root_shares = onehot[known.codes] * found.roots[:, None]
    z = found.project(root_shares)
    penalties = found.squares[0] * _PENALTIES
    errors, right = np.zeros(len(penalties)), np.zeros(len(penalties))
    for rows, U in found.left():
        weights, roots, codes = known.weights[rows], found.roots[rows], known.codes[rows]
        for place, penalty in enumerate(penalties):
            kept = found.squares / (found.squares + penalty)
            fitted = known.shares + (U * kept) @ z.T / roots[:, None]
            leverage = weights / n + (U**2) @ kept
            said = onehot[codes] - (onehot[codes] - fitted) / np.maximum(1 - leverage, 1e-12)[:, None]
            errors[place] += weights @ ((onehot[codes] - said) ** 2).sum(axis=1)
            right[place] += weights @ (said.argmax(axis=1) == codes)
    return Score(float(right[errors.argmin()] / n))

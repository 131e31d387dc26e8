"""Scores of what the source says: how well its classes, or clusters of its features, tell the target's classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError
from headstart.transferability.score import ClassWeight, Floats, Labels, Score, checked_labels

_PER_CLASS = 5  # components of the mixture, as in the paper
_ENERGY = 0.8  # share of the variance that the principal components keep, as in the paper
_LEAST = 4  # examples a component, on average


def nce(source_labels: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None) -> Score:
    """Return the negative conditional entropy ``-H(Y | Z)`` of the labels given the source's own labels of them.

    Parameters
    ----------
    source_labels : array_like, shape (n,)
        Which source class each example is given, by any names.
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional

    Returns
    -------
    Score
        At most 0, in nats.

    Raises
    ------
    DataError
        If the lengths differ or there are fewer than two classes.

    References
    ----------
    Tran, Nguyen and Hassner (2019), Transferability and hardness of supervised classification tasks,
    arXiv:1908.08142.

    Examples
    --------
    >>> nce(["cat", "cat", "car", "car"], [0, 0, 1, 1])
    Score(value=0.0, n_iter=0, warnings=())
    """
    known = checked_labels(labels, class_weight)
    given = np.asarray(source_labels)
    if given.shape != known.codes.shape:
        raise DataError(f"source_labels have shape {given.shape} and labels {known.codes.shape}: give one for each row")
    names, z = np.unique(given, return_inverse=True)
    joint = np.zeros((known.n_classes, len(names)))
    np.add.at(joint, (known.codes, z), known.weights / len(z))
    conditional = joint / joint.sum(axis=0)
    return Score(float((joint * np.log(np.where(joint > 0, conditional, 1))).sum()))


def leep(source_probabilities: ArrayLike, labels: ArrayLike, *, class_weight: ClassWeight = None) -> Score:
    """Return the mean log likelihood of the labels under the source's head followed by ``P(y | z)``.

    ``P(y | z)`` is the share of class y in what the source calls z, its probabilities θ taken as they are:
    ``LEEP = mean_i log Σ_z P(y_i | z) θ_z(x_i)``. A source class without mass says nothing and costs nothing.

    Parameters
    ----------
    source_probabilities : array_like, shape (n, k)
        What the source's own head says; rows add up to 1.
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional

    Returns
    -------
    Score
        At most 0, in nats; never below ``-H(Y)`` of the labels themselves.

    Raises
    ------
    DataError
        If rows do not match or are no probabilities, or there are fewer than two classes.

    References
    ----------
    Nguyen et al. (2020), LEEP: a new measure to evaluate transferability of learned representations,
    arXiv:2002.12462, eq. 2.

    Examples
    --------
    >>> leep([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    Score(value=0.0, n_iter=0, warnings=())
    """
    known = checked_labels(labels, class_weight)
    theta = checked_rows(source_probabilities, len(known.codes), "source_probabilities").astype(np.float64)
    sums = theta.sum(axis=1)
    wrong = (theta < 0).any(axis=1) | (np.abs(sums - 1) > 1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"source_probabilities of row {row} lie between {theta[row].min():g} and {theta[row].max():g} and add up "
            f"to {sums[row]:g}: give probabilities (softmax turns logits into them)"
        )
    return Score(_leep(theta, known))


def nleep(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ClassWeight = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Score:
    """Return LEEP with the clusters of the features in the place of the source's classes.

    The features are reduced to the principal components that keep 80 % of their variance; a Gaussian mixture with five
    components a class (fewer where that leaves less than four examples to each), of diagonal covariance, is fitted
    to them, and its posterior takes the place of θ. It needs no head of the source.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Of the likelihood; the mixture knows no labels.
    random_state : int, RandomState or None
        Of the mixture's start.

    Returns
    -------
    Score
        At most 0, in nats. ``n_iter`` counts the steps of EM.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Li et al. (2021), Ranking neural checkpoints, arXiv:2011.11200. There each component has a full
    covariance, which a few hundred examples cannot fill.

    Examples
    --------
    >>> y = np.arange(60) % 2
    >>> near = y[:, None] * 4 + np.random.default_rng(0).normal(size=(60, 3))
    >>> bool(nleep(near, y) > nleep(near, np.arange(60) // 30))
    True
    """
    import warnings

    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    known = checked_labels(labels, class_weight)
    X = checked_rows(features, len(known.codes), "features").astype(np.float64)
    if not np.ptp(X, axis=0).any():
        return Score(_leep(np.ones((len(X), 1)), known), warnings=("the features are constant",))
    reduced: NDArray[np.float64] = PCA(_ENERGY, svd_solver="full").fit_transform(X)
    reduced /= np.sqrt(reduced.var(axis=0).max())  # the mixture's floor under a variance is absolute
    components = max(2, min(_PER_CLASS * known.n_classes, len(X) // _LEAST))
    mixture = GaussianMixture(min(components, len(X)), covariance_type="diag", random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(reduced)
    notes = () if mixture.converged_ else ("the Gaussian mixture has not converged",)
    return Score(_leep(mixture.predict_proba(reduced), known), int(mixture.n_iter_), notes)


def _leep(theta: Floats, known: Labels) -> float:
    joint = known.sums(theta)
    mass = joint.sum(axis=0)
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0)
    likelihood = (conditional[known.codes] * theta).sum(axis=1)
    return float(known.weights @ np.log(likelihood) / len(theta))

"""Probabilities for a world in which the classes are more or less frequent than where the model was trained."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Floats, checked_shares
from headstart.imbalance.cost import checked_probabilities
from headstart.results import DataError


def prior_correction(probabilities: ArrayLike, train_prior: ArrayLike, deployed_prior: ArrayLike) -> Floats:
    """Return probabilities as they are where the classes have other shares, P(X given Y) being the same.

    Parameters
    ----------
    probabilities : array_like, shape (n, k)
        Of a model that was trained where the classes have the shares ``train_prior``.
    train_prior : array_like, shape (k,)
        What training saw: after resampling or weighting the shares that this left, not those of the data.
    deployed_prior : array_like, shape (k,)
        Shares where the model is used.

    Returns
    -------
    ndarray, shape (n, k)
        Rows add up to 1.

    Raises
    ------
    DataError
        If shapes do not fit, shares do not add up to 1, or a class is to occur that training never saw.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities,
    Neural Computation 14, equation 2.4.

    Examples
    --------
    >>> prior_correction([[0.5, 0.5]], [0.5, 0.5], [0.99, 0.01]).round(3).tolist()
    [[0.99, 0.01]]
    """
    table = checked_probabilities(probabilities)
    ratio = _ratio(table, train_prior, deployed_prior)
    scaled = table * ratio
    total = scaled.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        row = int(np.flatnonzero(total[:, 0] <= 0)[0])
        raise DataError(f"row {row} has probability 0 for all classes of deployed_prior: check that prior")
    return np.asarray(scaled / total)


@dataclasses.dataclass(frozen=True, eq=False)
class EstimatedPrior:
    """Shares of the classes where a model is used.

    Attributes
    ----------
    prior : ndarray, shape (k,)
    n_iter : int
        Steps of the EM algorithm.
    converged : bool
    log_likelihood_ratio : float
        Twice the gain in log likelihood over the training prior: if nothing has shifted, about χ² with k - 1 degrees
        of freedom.
    p_value : float
        Of the hypothesis that the shares are those of training.
    """

    prior: Floats
    n_iter: int
    converged: bool
    log_likelihood_ratio: float
    p_value: float


def estimate_prior(
    probabilities: ArrayLike, train_prior: ArrayLike, *, max_iter: int = 10_000, tol: float = 1e-8
) -> EstimatedPrior:
    """Estimate the shares of the classes from unlabelled examples, by maximum likelihood.

    It is right where only the shares have moved (label shift) and the probabilities are calibrated on the training
    distribution; miscalibrated ones bias it (Alexandari, Kundaje and Shrikumar 2020, arXiv:1901.06852).

    Parameters
    ----------
    probabilities : array_like, shape (n, k)
        Of examples of the deployed world.
    train_prior : array_like, shape (k,)
        What training saw.
    max_iter : int
        Most steps.
    tol : float
        It stops where no share moves by more.

    Raises
    ------
    DataError
        If there are no examples, or as :func:`prior_correction`.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), equation 2.9 and section 2.4 (the test).

    Examples
    --------
    >>> found = estimate_prior(np.eye(2)[[0] * 9 + [1]], [0.5, 0.5])
    >>> found.prior.round(6).tolist(), found.converged
    ([0.9, 0.1], True)
    """
    from scipy.stats import chi2

    table = checked_probabilities(probabilities)
    if not len(table):
        raise DataError("there are no probabilities: give at least one example of where the model is used")
    start = checked_shares(train_prior, table.shape[1], "train_prior")
    likelihood = table * _ratio(table, start, start) / np.where(start > 0, start, 1.0)
    prior, steps, moved = start, 0, np.inf
    while moved > tol and steps < max_iter:
        joint = likelihood * prior
        new = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        moved, prior, steps = float(np.abs(new - prior).max()), new, steps + 1
    gain = 2 * float((np.log(likelihood @ prior) - np.log(likelihood @ start)).sum())
    free = int((start > 0).sum()) - 1
    p_value = float(chi2.sf(max(gain, 0.0), free)) if free else 1.0
    return EstimatedPrior(prior, steps, moved <= tol, max(gain, 0.0), p_value)


def _ratio(table: Floats, train_prior: ArrayLike, deployed_prior: ArrayLike) -> Floats:
    """Return by how much each class is more frequent; 0 for one that neither world has."""
    before = checked_shares(train_prior, table.shape[1], "train_prior")
    after = checked_shares(deployed_prior, table.shape[1], "deployed_prior")
    unseen = np.flatnonzero((before == 0) & ((after > 0) | (table > 0).any(axis=0)))
    if len(unseen):
        raise DataError(
            f"train_prior gives class {int(unseen[0])} a share of 0, and yet it is to occur: "
            "give the share that training saw, or leave the class out"
        )
    return np.divide(after, before, out=np.zeros_like(after), where=before > 0)

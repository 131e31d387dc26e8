"""Which model serves the target best, told without a target label: three validators, higher is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked, checked_rows
from headstart.results import DataError

Floats = NDArray[np.float64]
Validator = Literal["weighted", "density", "information"]
_CHUNK = 1024  # rows whose neighbours are looked at at a time
_RANGE = (1e-3, 1e3)  # of a density ratio


def weighted_validation(
    y: ArrayLike, probabilities: ArrayLike, source: ArrayLike, target: ArrayLike, *, control: bool = True
) -> float:
    """Return minus the log loss to expect on the target, from held-out source rows weighted as the target has them.

    The weights ``w(x) = p_t(x) / p_s(x)`` are those of a logistic regression that tells the domains apart in the
    network's features. Their mean is 1 in expectation, and what it is beside 1 in the sample corrects the risk:
    ``mean(w l) + eta (mean(w) - 1)``, ``eta = -cov(w l, w) / var(w)``. It answers for covariate shift, and only as far
    as the features of both domains overlap.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes of the held-out source rows.
    probabilities : array_like, shape (n, k)
        What the model says of them.
    source, target : array_like, shape (n, d) and (m, d)
        The model's features of the same rows, and of target rows.
    control : bool
        Whether the risk is corrected.

    References
    ----------
    Sugiyama et al. (2007), Covariate shift adaptation by importance weighted cross validation, JMLR 8; You et al.
    (2019), Towards accurate model selection in deep unsupervised domain adaptation, ICML, algorithm 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> F, y = rng.normal(size=(50, 2)), np.arange(50) % 2
    >>> sure, unsure = np.eye(2)[y] * 0.8 + 0.1, np.full((50, 2), 0.5)
    >>> weighted_validation(y, sure, F, F) > weighted_validation(y, unsure, F, F)
    True
    """
    codes, table = checked(y, probabilities)
    losses = -np.log(np.maximum(table[np.arange(len(codes)), codes], np.finfo(np.float64).tiny))
    rows = checked_rows(source, len(codes), "source").astype(np.float64)
    weights = density_ratio(rows, np.asarray(target, dtype=np.float64))
    products = weights * losses
    risk = float(products.mean())
    variance = float(weights.var())
    if control and variance > 1e-12:
        eta = -float(((products - risk) * (weights - weights.mean())).mean()) / variance
        risk += eta * (float(weights.mean()) - 1)
    return -risk


def soft_neighbourhood_density(probabilities: ArrayLike, *, temperature: float = 0.05) -> float:
    """Return how many neighbours a target row has in what is said of it: the mean entropy of its similarities.

    ``P_ij = exp(s_ij / T) / sum_(k != i) exp(s_ik / T)``, s the cosine of the rows of probabilities. High where rows
    lie in dense clusters. A model that says one class of all has the highest.

    Parameters
    ----------
    probabilities : array_like, shape (n, k)
        Of target rows.
    temperature : float

    References
    ----------
    Saito et al. (2021), Tune it the right way: unsupervised validation of domain adaptation via soft neighborhood
    density, arXiv:2108.10860, eq. 1 to 3.

    Examples
    --------
    >>> table = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    >>> round(soft_neighbourhood_density(table), 4)  # each row has two neighbours
    0.6931
    """
    table = _table(probabilities, least=2)
    rows = table / np.linalg.norm(table, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, len(rows), _CHUNK):
        scores = rows[start : start + _CHUNK] @ rows.T / temperature
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        sums = shares.sum(axis=1)
        # -sum p log p = log(sum) - sum p s, of which the row itself is no part.
        shares[np.arange(len(shares)), np.arange(start, start + len(shares))] = 0.0
        scores[np.arange(len(shares)), np.arange(start, start + len(shares))] = 0.0
        total += float((np.log(sums) - (shares * scores).sum(axis=1) / sums).sum())
    return total / len(rows)


def information(probabilities: ArrayLike) -> float:
    """Return the mutual information of target rows and their classes: ``H(mean p) - mean H(p)``, in nats.

    High where each row is sure and the classes are about equally many; so it prefers balanced answers.

    References
    ----------
    Shi and Sha (2012), Information-theoretical learning of discriminative clusters for unsupervised domain adaptation,
    arXiv:1206.6438, eq. 7; as a validator, Musgrave et al. (2022), Benchmarking validation methods for unsupervised
    domain adaptation, arXiv:2208.07360.

    Examples
    --------
    >>> round(information([[1.0, 0.0], [0.0, 1.0]]), 4), information([[1.0, 0.0], [1.0, 0.0]])
    (0.6931, 0.0)
    """
    from scipy.special import entr

    table = _table(probabilities, least=1)
    return float(entr(table.mean(axis=0)).sum() - entr(table).sum(axis=1).mean())


def density_ratio(source: Floats, target: Floats) -> Floats:
    """Return ``p_t / p_s`` at the source's rows, from a logistic regression on standardized features, 1e-3 to 1e3."""
    from headstart.training import LogisticHead

    if not len(target) or target.shape[1:] != source.shape[1:]:
        raise DataError(f"target features have shape {target.shape}: give (m, {source.shape[1]})")
    X = np.vstack([source, target])
    of_target = np.r_[np.zeros(len(source), int), np.ones(len(target), int)]
    head = LogisticHead(C=0.01, class_weight="balanced").fit(X, of_target)
    return np.asarray(np.clip(np.exp(head.decision_function(source)), *_RANGE))


def validator(name: Validator) -> Callable[..., float]:
    """Return ``score(y, source_probabilities, source_features, target_probabilities, target_features)`` by its name.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if name == "weighted":
        return lambda y, ps, fs, pt, ft: weighted_validation(y, ps, fs, ft)
    if name == "density":
        return lambda y, ps, fs, pt, ft: soft_neighbourhood_density(pt)
    if name == "information":
        return lambda y, ps, fs, pt, ft: information(pt)
    raise DataError(f"no validator {name!r}: choose weighted, density or information")


def _table(probabilities: ArrayLike, least: int) -> Floats:
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or len(table) < least or not np.isfinite(table).all() or (table < 0).any():
        raise DataError(f"probabilities have shape {table.shape}: give {least} rows or more of them, (n, k)")
    return table

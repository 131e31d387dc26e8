"""GBC: how much the classes overlap, each taken as a Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.transferability.score import ClassWeight, Floats, Labels, Score, checked_labels
from headstart.transferability.spectrum import spectrum

_LEAST = 1e-6  # of the mean variance: the least that a class varies by
_CHUNK = 2**22  # numbers that are held at a time


def gbc(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ClassWeight = None,
    n_components: int = 64,
    spherical: bool = True,
) -> Score:
    """Return minus the sum of the Bhattacharyya coefficients of all ordered pairs of classes.

    Each class is a Gaussian on the features' principal components; the coefficient of two is exp(-D) with
    ``D = (m - n)ᵀ Σ⁻¹ (m - n) / 8 + ½ log(|Σ| / √(|S| |T|))`` for N(m, S) and N(n, T), Σ = (S + T) / 2. A class of
    one example has the mean variance of the others, and none varies by less than a millionth of the mean.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,)
    class_weight : {"balanced"}, optional
        Lets each class weigh the same in the principal components; the classes' own Gaussians know no shares.
    n_components : int
        Principal components that are kept, as in the paper.
    spherical : bool
        Whether a class varies alike along all components (what the paper found best), or along each by its own.

    Returns
    -------
    Score
        -C (C - 1) where no class can be told from another, to 0.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or there are fewer than two classes.

    References
    ----------
    Pándy et al. (2022), Transferability estimation using Bhattacharyya class separability, arXiv:2111.12780.

    Examples
    --------
    >>> gbc([[0, 1], [0, -1], [0, 1], [0, -1]], [0, 0, 1, 1])
    Score(value=-2.0, n_iter=0, warnings=())
    """
    known = checked_labels(labels, class_weight)
    n, k = len(known.codes), known.n_classes
    found = spectrum(checked_rows(features, n, "features"), known.weights)
    if not len(found.squares):
        return Score(-float(k * (k - 1)), warnings=("the features are constant",))
    kept = slice(0, n_components)
    parts = [U[:, kept] * np.sqrt(found.squares[kept]) / found.roots[rows, None] for rows, U in found.left()]
    means, variances, alone = _gaussians(np.concatenate(parts), known, spherical)
    coefficients = sum(_coefficients(means, variances, row) for row in range(k))
    notes = (f"{alone} of {k} classes have one example",) if alone else ()
    return Score(float(k - coefficients), warnings=notes)


def _gaussians(Z: Floats, known: Labels, spherical: bool) -> tuple[Floats, Floats, int]:
    """Return mean and variance of each class (k, d), and how many of them have one example."""
    plain = Labels(known.codes, np.ones(len(Z)))
    counts = np.bincount(known.codes)[:, None]
    means = plain.sums(Z) / counts
    variances = plain.sums((Z - means[known.codes]) ** 2) / counts
    if spherical:
        variances = np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape)
    several = counts[:, 0] > 1
    typical = variances[several].mean(axis=0) if several.any() else np.zeros(Z.shape[1])
    variances = np.where(several[:, None], variances, typical)
    least = _LEAST * float(Z.var(axis=0).mean())
    return means, np.maximum(variances, least), int((~several).sum())


def _coefficients(means: Floats, variances: Floats, row: int) -> float:
    """Return the sum of the coefficients of class ``row`` with every class, itself included."""
    total = 0.0
    step = max(1, _CHUNK // means.shape[1])
    for start in range(0, len(means), step):
        part = slice(start, start + step)
        mean = (variances[row] + variances[part]) / 2
        squared = (means[row] - means[part]) ** 2
        logs = np.log(mean) - (np.log(variances[row]) + np.log(variances[part])) / 2
        total += float(np.exp(-(squared / mean / 8 + logs / 2).sum(axis=1)).sum())
    return total

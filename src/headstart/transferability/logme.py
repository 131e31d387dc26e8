"""LogME: the evidence that a Bayesian linear model of the labels finds in the features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError
from headstart.transferability.score import ClassWeight, Floats, Score, checked_labels
from headstart.transferability.spectrum import spectrum

_PER_DECADE = 4  # steps of the grid; the evidence bends no faster than a logistic curve of log(t)
_REACH = 1e8  # how far the grid goes beyond the largest and the smallest singular value
_TOLERANCE = 1e-8  # of log(t); the evidence is flat there, so its own error is the square of that
_MAX_ITER = 100


def logme(
    features: ArrayLike, labels: ArrayLike, *, regression: bool | None = None, class_weight: ClassWeight = None
) -> Score:
    """Return the maximized log evidence of a linear model, per contrast and averaged over classes.

    Each column y of the one-hot labels is modelled as ``y ~ N(0, F Fᵀ / α + I / β)``, the marginal likelihood of
    Bayesian linear regression with weights w ~ N(0, I / α) and noise of precision β. Features and labels are centred,
    which leaves N - 1 contrasts: the density is taken of these (in the centred space itself it has no bound),
    maximized over α and β, and divided by N - 1. In the basis of the singular vectors of F the noise has a closed form
    given t = β / α, so that one number is searched for: all classes on one grid of t at once, then by Newton's method.
    Nothing is truncated where N < D, and no class starts where another one stopped.

    Parameters
    ----------
    features : array_like, shape (n, d)
    labels : array_like, shape (n,), or (n, c) for regression
        Classes of any kind, or numbers.
    regression : bool, optional
        Whether labels are numbers to predict; by default, floats are. Evidence then depends on their unit.
    class_weight : {"balanced"}, optional
        Lets each class weigh the same: example i is observed with noise of precision β w_i.

    Returns
    -------
    Score
        ``n_iter`` is the number of Newton steps of the slowest class. A model without noise has an infinite density;
        the noise is kept above rounding, and a warning says so.

    Raises
    ------
    DataError
        If rows do not match, are not finite, or the labels do not vary.

    References
    ----------
    You et al. (2021), LogME: practical assessment of pre-trained models for transfer learning, arXiv:2102.11005;
    the evidence is that of Bishop (2006), eq. 3.86, of the N - 1 contrasts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 3
    >>> noise = rng.normal(size=(300, 20))
    >>> bool(logme(noise + 3 * np.eye(3, 20)[y], y) > logme(noise, y))
    True
    """
    Y, squared, weights = _targets(labels, regression, class_weight)
    X = checked_rows(features, len(weights), "features")
    found = spectrum(X, weights)
    z2 = found.project(Y) ** 2
    contrasts, rank = len(weights) - 1, len(found.squares)
    residual = np.maximum(squared - z2.sum(axis=1), 0.0)
    warnings: tuple[str, ...] = ()
    if rank < contrasts:
        least = len(weights) * np.finfo(np.float64).eps * squared
        if exact := int((residual < least).sum()):
            warnings = (f"{exact} of {len(squared)} targets are exactly linear in the features",)
        residual = np.maximum(residual, least)
    if not rank:
        return Score(float(_evidence(squared / contrasts, 0.0, contrasts).mean()), 0, ("the features are constant",))
    u, steps = _best(z2, residual, found.squares, contrasts)
    q = 1 / (1 + np.exp(u)[:, None] * found.squares)
    noise = ((z2 * q).sum(axis=1) + residual) / contrasts
    value = _evidence(noise, -np.log(q).sum(axis=1), contrasts).mean()
    return Score(float(value), steps, warnings)


def _targets(labels: ArrayLike, regression: bool | None, class_weight: ClassWeight) -> tuple[Any, Floats, Floats]:
    """Return √w times the targets (n, c), their centred squared norms (c,) and the weights (n,)."""
    from scipy.sparse import csr_array

    given = np.asarray(labels)
    if given.ndim not in (1, 2) or not given.size:
        raise DataError(f"labels have shape {given.shape}: give one label for each example")
    if given.dtype.kind == "f" if regression is None else regression:
        if class_weight is not None:
            raise DataError("class_weight='balanced' needs classes: leave it out for regression")
        table = checked_rows(given.reshape(len(given), -1), len(given), "labels").astype(np.float64)
        table = table - table.mean(axis=0)
        squared = (table**2).sum(axis=0)
        if not squared.all():
            raise DataError("labels do not vary: there is nothing to predict")
        return table, squared, np.ones(len(table))
    known = checked_labels(given, class_weight)
    n, shares = len(known.codes), known.shares
    onehot = csr_array((np.sqrt(known.weights), (np.arange(n), known.codes)), shape=(n, known.n_classes))
    return onehot, n * shares * (1 - shares), known.weights


def _evidence(noise: Floats, log_determinant: Floats | float, contrasts: int) -> Floats:
    """Return the log density per contrast at the best scale, the noise variance 1 / β given."""
    return np.asarray(-0.5 * (np.log(2 * np.pi * noise) + 1 + log_determinant / contrasts))


def _best(z2: Floats, residual: Floats, squares: Floats, contrasts: int) -> tuple[Floats, int]:
    """Return log(t) with the highest evidence for each target, and how many steps of Newton it took."""
    low, high = -np.log(squares[0] * _REACH), np.log(_REACH / squares[-1])
    grid = np.linspace(low, high, 2 + int(_PER_DECADE * (high - low) / np.log(10)))
    q = 1 / (1 + np.exp(grid) * squares[:, None])
    noise = (z2 @ q + residual[:, None]) / contrasts
    place = _evidence(noise, -np.log(q).sum(axis=0), contrasts).argmax(axis=1)
    u = grid[place]
    lower, upper = grid[np.maximum(place - 1, 0)], grid[np.minimum(place + 1, len(grid) - 1)]
    steps = 0
    while steps < _MAX_ITER:
        steps += 1
        q = 1 / (1 + np.exp(u)[:, None] * squares)
        spread = (1 - q) * q
        total = (z2 * q).sum(axis=1) + residual
        explained = (z2 * spread).sum(axis=1) / total
        slope = explained - (1 - q).sum(axis=1) / contrasts
        bend = (z2 * spread * (2 * q - 1)).sum(axis=1) / total + explained**2 - spread.sum(axis=1) / contrasts
        lower, upper = np.where(slope > 0, u, lower), np.where(slope > 0, upper, u)
        with np.errstate(divide="ignore", invalid="ignore"):
            following = u - slope / bend
        inside = (bend < 0) & (following > lower) & (following < upper)
        following = np.where(inside, following, (lower + upper) / 2)
        moved = np.abs(following - u).max()
        u = following
        if moved < _TOLERANCE:
            break
    return u, steps

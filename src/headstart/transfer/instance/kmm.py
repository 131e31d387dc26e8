"""Kernel mean matching: weights under which the source's mean in a kernel's space is the target's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.transfer.instance._rows import Floats, Rows, blocks
from headstart.transfer.instance.quadratic import Bounds, Optimum, least_quadratic

_DENSE = 4096  # source rows up to which the whole kernel is held, 67 MB
_LANDMARKS = 500


def kmm_weights(
    Xs: ArrayLike,
    Xt: ArrayLike,
    *,
    B: float = 1000.0,
    eps: float | None = None,
    gamma: float | None = None,
    n_components: int | None = None,
    random_state: int = 0,
) -> Floats:
    """Return a weight for each source row by kernel mean matching.

    Minimized is ``wᵀ K w / 2 - κᵀ w`` with ``K = k(xs, xs)`` and ``κ_i = ns/nt Σ_j k(xs_i, xt_j)``, over
    ``0 <= w <= B`` and ``|Σ w - ns| <= ns eps``; k is ``exp(-gamma |x - x'|²)`` on features that are standardized by
    the rows of both sides. Up to 4,096 source rows the whole kernel is held. Above that it is the Nyström kernel of 500
    landmarks, half of them from each side, and memory is linear in the rows. All rows are in one problem, whatever
    their number.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, d) and (nt, d)
    B : float
        Largest weight, before all are scaled to mean 1.
    eps : float, optional
        How far their mean may be from 1 before that; ``1 - 1 / sqrt(ns)`` by default.
    gamma : float, optional
        Of the kernel; by default 1 over the median squared distance.
    n_components : int, optional
        Landmarks, to use the Nyström kernel at any size.
    random_state : int
        Seed of the landmarks.

    Returns
    -------
    ndarray, shape (ns,)
        0 or more, mean 1.

    Raises
    ------
    DataError
        If features do not fit or an option is out of its range.

    References
    ----------
    Huang, Smola, Gretton, Borgwardt and Schölkopf (2006), Correcting sample selection bias by unlabeled data, NIPS 19,
    eq. 12, with its ``B = 1000`` and ``eps = (√ns - 1) / √ns``.

    Examples
    --------
    >>> Xs = np.linspace(-2, 2, 9)[:, None]
    >>> w = kmm_weights(Xs, Xs[5:] + 0.1)
    >>> bool(w[:4].max() < 0.3 < w[5:].min()), round(float(w.mean()), 6)
    (True, 1.0)
    """
    rows = Rows.of(Xs, Xt)
    found = matched(rows, B=B, eps=eps, gamma=gamma, n_components=n_components, random_state=random_state)
    return rows.weights(found.x)


def matched(
    rows: Rows, *, B: float, eps: float | None, gamma: float | None, n_components: int | None, random_state: int
) -> Optimum:
    """Return the solution of the quadratic problem for sorted rows, before it is scaled."""
    from sklearn.metrics.pairwise import rbf_kernel

    ns, nt = len(rows.source), len(rows.target)
    eps = (math.sqrt(ns) - 1) / math.sqrt(ns) if eps is None else eps
    if B < 1:
        raise DataError(f"B={B}: give at least 1, so that weights of mean 1 are within it")
    if not 0 <= eps < 1:
        raise DataError(f"eps={eps}: give a number from 0 to below 1")
    gamma = width(rows) if gamma is None else gamma
    if gamma <= 0:
        raise DataError(f"gamma={gamma}: give a number above 0, or None for the median distance")
    bounds = Bounds(B, ns * (1 - eps), ns * (1 + eps))
    if n_components is None and ns <= _DENSE:
        # Each step reads the whole kernel, so half the precision is half the time; the gap asks for far less.
        source, target = rows.source.astype(np.float32), rows.target.astype(np.float32)
        K, linear = rbf_kernel(source, gamma=gamma), np.zeros(ns)
        for part in blocks(nt, ns):
            linear += rbf_kernel(source, target[part], gamma=gamma).sum(axis=1, dtype=np.float64)
        return least_quadratic(lambda w: np.asarray(K @ w.astype(np.float32), np.float64), linear * (ns / nt), bounds)
    own, other = _mapped(rows, gamma, n_components or _LANDMARKS, random_state)

    def product(w: Floats) -> Floats:
        return np.asarray(own @ (w.astype(np.float32) @ own), np.float64)

    return least_quadratic(product, np.asarray(own @ (ns * other).astype(np.float32), np.float64), bounds)


def width(rows: Rows) -> float:
    """Return 1 over the median squared distance of rows of both sides."""
    from headstart.training.nystroem import median_distance

    return 1 / median_distance(np.vstack([rows.source, rows.target]))


def _mapped(rows: Rows, gamma: float, n_components: int, random_state: int) -> tuple[NDArray[np.float32], Floats]:
    """Return the source's rows in the space of the Nyström kernel, (ns, m), and the target's mean there, (m,)."""
    from sklearn.kernel_approximation import Nystroem

    rng = np.random.default_rng(random_state)
    half = max(1, n_components // 2)
    drawn = [side[rng.permutation(len(side))[:half]] for side in (rows.source, rows.target)]
    landmarks = np.unique(np.vstack(drawn), axis=0)
    kernel = Nystroem(gamma=gamma, n_components=len(landmarks), random_state=random_state).fit(landmarks)
    own = np.empty((len(rows.source), len(landmarks)), dtype=np.float32)
    for part in blocks(len(own), len(landmarks)):
        own[part] = kernel.transform(rows.source[part])
    total = np.zeros(len(landmarks))
    for part in blocks(len(rows.target), len(landmarks)):
        total += kernel.transform(rows.target[part]).sum(axis=0)
    return own, total / len(rows.target)

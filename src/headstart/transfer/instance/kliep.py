"""KLIEP: the density ratio under which the target rows are most likely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from headstart.transfer.instance._kernels import WIDTHS, Centres, checked_widths
from headstart.transfer.instance._rows import Floats, Rows

_TOL = 1e-6
_FOLDS = 5
_TINY = 1e-300


def kliep_weights(
    Xs: ArrayLike,
    Xt: ArrayLike,
    *,
    gamma: float | None = None,
    n_centres: int = 100,
    widths: Sequence[float] = WIDTHS,
    random_state: int = 0,
) -> Floats:
    """Return a weight for each source row by the Kullback-Leibler importance estimation procedure.

    The ratio of target to source density is ``w(x) = Σ_l a_l exp(-gamma |x - c_l|²)``, ``a >= 0``, with centres c among
    the target's rows. Maximized is the target's mean ``log w`` under a source mean of ``w`` of 1. The width is the one
    with the highest mean ``log w`` on target rows that were left out, five folds. Features are standardized by the rows
    of both sides. Memory and time are linear in the rows.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, d) and (nt, d)
    gamma : float, optional
        Of the kernel, instead of the choice.
    n_centres : int
        Most centres.
    widths : sequence of float
        What gamma is chosen from, times 1 over the median squared distance. With fewer than two target rows it is 1.
    random_state : int
        Seed of centres and folds.

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
    Sugiyama, Nakajima, Kashima, von Bünau and Kawanabe (2008), Direct importance estimation with model selection and
    its application to covariate shift adaptation, NIPS 20, eq. 8 and figure 1. Solved here as maximum likelihood of
    mixture shares (Kim, Carbonetto, Stephens and Anitescu 2018, arXiv:1806.01412, eq. 9), to a duality gap of 1e-6.

    Examples
    --------
    >>> Xs = np.linspace(-2, 2, 9)[:, None]
    >>> w = kliep_weights(Xs, Xs[5:] + 0.1)
    >>> bool(w[:4].max() < 0.3 < w[5:].min()), round(float(w.mean()), 6)
    (True, 1.0)
    """
    rows = Rows.of(Xs, Xt)
    centres = Centres.drawn(rows, n_centres, random_state)
    gammas = checked_widths(centres, widths, gamma)
    place = np.random.default_rng(random_state).permutation(len(rows.target)) % _FOLDS
    best, most = gammas[0], -np.inf
    for one in gammas if len(gammas) > 1 and len(rows.target) > 1 else []:
        own, other = centres.at(rows.source, one).mean(axis=0), centres.at(rows.target, one)
        if (score := _left_out(other, own, place)) > most:
            best, most = one, score
    shares = ratio(centres.at(rows.target, best), centres.at(rows.source, best).mean(axis=0))
    return rows.weights(centres.at(rows.source, best) @ shares)


def _left_out(other: Floats, own: Floats, place: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the mean log ratio of target rows, each by a fit without its fold."""
    total = 0.0
    for fold in np.unique(place):
        left = place == fold
        total += float(np.log(np.maximum(other[left] @ ratio(other[~left], own, 1e-3), _TINY)).sum())
    return total / len(place)


def ratio(other: Floats, own: Floats, tol: float = _TOL, max_iter: int = 200) -> Floats:
    """Return coefficients (m,) from kernel values of the target's rows (nt, m) and the source's mean ones (m,).

    With ``s_l = a_l own_l``, which are 0 or more and add up to 1, ``Σ_j log Σ_l s_l other_jl / own_l`` is the
    likelihood of a mixture. Each step is Newton's within ``s >= 0``, after one of expectation and maximization; with g
    the mean over j of ``other_jl / own_l / w_j``, the mean log ratio is at most ``max g - 1`` below its maximum.
    """
    from scipy.optimize import nnls

    there = own > 1e-12 * max(float(own.max()), _TINY)
    m = int(there.sum())
    if not m:
        return np.zeros(len(own))
    table = np.maximum(other[:, there] / own[there], _TINY)
    shares = np.full(m, 1 / m)
    for _ in range(max_iter):
        relative = table / (table @ shares)[:, None]
        slope = relative.mean(axis=0)
        if slope.max() - 1 <= tol:
            break
        shares = shares * slope
        shares /= shares.sum()
        relative = table / (table @ shares)[:, None]
        hessian = relative.T @ relative / len(table)
        root = np.linalg.cholesky(hessian + 1e-10 * np.trace(hessian) / m * np.eye(m))
        wanted = nnls(root.T, np.linalg.solve(root, 2 * relative.mean(axis=0) - 1), maxiter=50 * m)[0]
        shares = _better(table, shares, wanted / wanted.sum() if wanted.sum() > 0 else shares)
    found = np.zeros(len(own))
    found[there] = shares / own[there]
    return found


def _better(table: Floats, shares: Floats, wanted: Floats) -> Floats:
    """Return ``wanted`` or a point nearer to ``shares``, by halves, that is more likely; ``shares`` if none is."""
    now = np.log(table @ shares).mean()
    for halving in range(12):
        tried = shares + 0.5**halving * (wanted - shares)
        if np.log(np.maximum(table @ tried, _TINY)).mean() > now:
            return np.asarray(tried)
    return shares

"""uLSIF: the density ratio by least squares, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError
from headstart.transfer.instance._kernels import WIDTHS, Centres, checked_widths
from headstart.transfer.instance._rows import Floats, Rows, blocks

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def ulsif_weights(
    Xs: ArrayLike,
    Xt: ArrayLike,
    *,
    gamma: float | None = None,
    penalty: float | None = None,
    n_centres: int = 100,
    widths: Sequence[float] = WIDTHS,
    penalties: Sequence[float] = PENALTIES,
    random_state: int = 0,
) -> Floats:
    """Return a weight for each source row by unconstrained least-squares importance fitting.

    The ratio of target to source density is ``w(x) = Σ_l a_l exp(-gamma |x - c_l|²)`` with centres c among the target's
    rows, and ``a = max(0, (H + penalty I)⁻¹ h)``, H being the mean over the source of the kernels' products and h their
    mean over the target. gamma and the penalty have the lowest ``mean_s w² / 2 - mean_t w``, each row being judged by
    the fit without it, which is in closed form too. Features are standardized by the rows of both sides. Memory and
    time are linear in the rows.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, d) and (nt, d)
    gamma, penalty : float, optional
        Instead of the choice.
    n_centres : int
        Most centres.
    widths, penalties : sequence of float
        What gamma (times 1 over the median squared distance) and the penalty are chosen from. With fewer than two rows
        on a side nothing can be left out: they are the one nearest to 1, and 0.1 or the first given.
    random_state : int
        Seed of the centres.

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
    Kanamori, Hido and Sugiyama (2009), A least-squares approach to direct importance estimation, JMLR 10, eq. 19 and
    20. Their leave-one-out score drops a source and a target row at a time, ``min(ns, nt)`` pairs; here each row is
    dropped alone, so that all count and none is paired by chance.

    Examples
    --------
    >>> Xs = np.linspace(-2, 2, 41)[:, None]
    >>> w = ulsif_weights(Xs, Xs[25:] + 0.1)
    >>> bool(w[:20].mean() < 0.3 < w[25:].mean()), round(float(w.mean()), 6)
    (True, 1.0)
    """
    rows = Rows.of(Xs, Xt)
    centres = Centres.drawn(rows, n_centres, random_state)
    gammas = checked_widths(centres, widths, gamma)
    tried = [penalty] if penalty is not None else sorted(penalties, key=lambda one: abs(np.log(one / 0.1)))
    if not tried or min(tried) <= 0:
        raise DataError(f"penalty {min(tried, default=0)}: give numbers above 0, such as {PENALTIES}")
    best, lowest = (gammas[0], tried[0]), np.inf
    if len(gammas) * len(tried) > 1 and min(len(rows.source), len(rows.target)) > 1:
        for one in gammas:
            own, other = centres.at(rows.source, one), centres.at(rows.target, one)
            H, h = own.T @ own / len(own), other.mean(axis=0)
            for strength in tried:
                if (score := left_out(own, other, H, h, strength)) < lowest:
                    best, lowest = (one, strength), score
    own, other = centres.at(rows.source, best[0]), centres.at(rows.target, best[0])
    return rows.weights(own @ coefficients(own.T @ own / len(own), other.mean(axis=0), best[1]))


def coefficients(H: Floats, h: Floats, penalty: float) -> Floats:
    """Return ``max(0, (H + penalty I)⁻¹ h)``, (m,)."""
    return np.asarray(np.maximum(0, np.linalg.solve(H + penalty * np.eye(len(h)), h)))


def left_out(own: Floats, other: Floats, H: Floats, h: Floats, penalty: float) -> float:
    """Return ``mean_s w² / 2 - mean_t w``, the ratio at each row being that of the fit without this row.

    Without source row i, ``(ns - 1) H`` is short of the product of its kernel values with themselves, and the inverse
    follows by Sherman and Morrison; without target row j, h alone moves.
    """
    ns, nt, eye = len(own), len(other), np.eye(len(h))
    inverse = np.linalg.inv(ns / (ns - 1) * H + penalty * eye)
    plain = inverse @ h
    squares = 0.0
    for part in blocks(ns, len(h)):
        phi = own[part]
        solved = phi @ inverse
        share = (phi @ plain) / ((ns - 1) - (solved * phi).sum(axis=1))
        found = np.maximum(0, plain + share[:, None] * solved)
        squares += float(((found * phi).sum(axis=1) ** 2).sum())
    inverse = np.linalg.inv(H + penalty * eye)
    plain, values = inverse @ h, 0.0
    for part in blocks(nt, len(h)):
        phi = other[part]
        found = np.maximum(0, (nt * plain - phi @ inverse) / (nt - 1))
        values += float((found * phi).sum())
    return squares / ns / 2 - values / nt

"""Have the classes' shares moved? Counted where there are labels, else estimated from what a source model says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.scenario.basis import Floats
from headstart.scenario.finding import Finding

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelShift(Finding):
    """Whether P(Y) differs and P(X given Y) does not.

    Attributes
    ----------
    classes : tuple of str
        Those that source and target share.
    source_shares, target_shares : tuple of float
        Their shares; the target's are counted or estimated.
    method : "counted", "estimated" or None
        None where they are not known.
    within : float or None
        p-value of the hypothesis that P(X given Y) is the same; without labels, that the source's classes in the
        estimated shares give the target's P(X). None where it was not needed.
    bbse : tuple of float
        Where the shares are estimated, what the other method says.
    """

    classes: tuple[str, ...] = ()
    source_shares: tuple[float, ...] = ()
    target_shares: tuple[float, ...] = ()
    method: Literal["counted", "estimated"] | None = None
    within: float | None = None
    bbse: tuple[float, ...] = ()

    question = "Are the classes as frequent?"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: its shares."""
        import pandas as pd

        rows = list(zip(self.classes, self.source_shares, self.target_shares, strict=False))
        return pd.DataFrame(rows, columns=["class", "source", "target"]).set_index("class")


def bbse(source: ArrayLike, y: ArrayLike, target: ArrayLike) -> Floats:
    """Estimate the classes' shares in the target by black-box shift estimation.

    Parameters
    ----------
    source : array_like, shape (ns, k)
        A model's probabilities for source rows that it was not fitted on. They need not be calibrated.
    y : array_like of int, shape (ns,)
        Their classes.
    target : array_like, shape (nt, k)
        Its probabilities for target rows.

    Returns
    -------
    ndarray, shape (k,)
        Shares. Right where P(X given Y) is the same on both sides; where the model cannot tell classes apart, the
        smallest change that explains what it says.

    Raises
    ------
    DataError
        If shapes do not fit, or there are no rows.

    References
    ----------
    Lipton, Wang and Smola (2018), Detecting and correcting for label shift with black box predictors,
    arXiv:1802.03916, equation 3: ``C w = mu`` with ``C[i, j] = P(says i, is j)`` in the source, ``mu[i] = P(says i)``
    in the target, ``w[j] = P_t(j) / P_s(j)``; here with probabilities in place of decisions.

    Examples
    --------
    >>> says = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> bbse(says[[0] * 50 + [1] * 50], [0] * 50 + [1] * 50, says[[0] * 90 + [1] * 10]).round(3).tolist()
    [0.9, 0.1]
    """
    given, seen = np.asarray(source, np.float64), np.asarray(target, np.float64)
    codes = np.asarray(y)
    if given.ndim != 2 or seen.ndim != 2 or given.shape[1] != seen.shape[1] or codes.shape != given.shape[:1]:
        raise DataError(
            f"source probabilities {given.shape}, classes {codes.shape} and target probabilities {seen.shape} do not "
            "fit: give (ns, k), (ns,) and (nt, k)"
        )
    if not len(given) or not len(seen):
        raise DataError("bbse needs at least one row of the source and one of the target")
    k = given.shape[1]
    joint = given.T @ np.eye(k)[codes] / len(codes)
    before = np.bincount(codes, minlength=k) / len(codes)
    # The change from 1, not the weights: what the model is blind to then stays as it is in the source.
    change = np.linalg.lstsq(joint, seen.mean(axis=0) - joint.sum(axis=1), rcond=1e-3)[0]
    shares = np.clip(before * (1 + change), 0, None)
    return np.asarray(shares / shares.sum())


def shares_test(counts: ArrayLike, n_draws: int, rng: np.random.Generator) -> float:
    """Return the p-value of equal shares in two rows of counts, (2, k): chi2 over draws with the same margins."""
    table = np.asarray(counts, dtype=np.int64)
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum(axis=0)
    expected = total * table[1].sum() / total.sum()
    drawn = rng.multivariate_hypergeometric(total, int(table[1].sum()), size=n_draws, method="marginals")
    # With the margins given, chi2 grows with the squares of one row alone.
    statistic = ((np.vstack([table[1], drawn]) - expected) ** 2 / np.maximum(expected, 1e-300)).sum(axis=1)
    return float((1 + (statistic[1:] >= statistic[0] - 1e-9).sum()) / (n_draws + 1))


def says_test(source: Floats, target: Floats) -> float:
    """Return the p-value of equal mean probabilities, (ns, k) and (nt, k): Hotelling's T2, about chi2."""
    from scipy.stats import chi2

    difference = source.mean(axis=0) - target.mean(axis=0)
    spread = np.cov(source.T) / len(source) + np.cov(target.T) / len(target)
    inverse = np.linalg.pinv(np.atleast_2d(spread), rcond=1e-6, hermitian=True)
    free = int(np.linalg.matrix_rank(np.atleast_2d(spread), tol=1e-6 * float(np.abs(spread).max()), hermitian=True))
    return float(chi2.sf(difference @ inverse @ difference, free)) if free else 1.0


def resampled(codes: NDArray[np.int64], shares: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return as many source rows as there are, none twice, whose classes have the given shares."""
    counts = np.bincount(codes, minlength=len(shares))
    wanted = shares > 0.5 / len(codes)
    size = min((counts[wanted] / shares[wanted]).min(), len(codes))
    kept = []
    for code in np.flatnonzero(wanted):
        rows = np.flatnonzero(codes == code)
        kept.append(rng.choice(rows, min(len(rows), round(size * shares[code])), replace=False))
    return np.sort(np.concatenate(kept))

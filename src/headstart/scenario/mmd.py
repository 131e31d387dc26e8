"""The maximum mean discrepancy between two samples, with a permutation test."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError
from headstart.scenario.basis import median_distance

MOST = 500


@dataclasses.dataclass(frozen=True)
class Discrepancy:
    """The maximum mean discrepancy.

    Attributes
    ----------
    mmd2 : float
        Its square, unbiased: about 0, and sometimes below, where there is no difference.
    p_value : float
    width : float
        Of the Gaussian kernel.
    n_source, n_target : int
        Rows that were looked at.
    """

    mmd2: float
    p_value: float
    width: float
    n_source: int
    n_target: int


def mmd_test(
    Xs: ArrayLike,
    Xt: ArrayLike,
    *,
    most: int = MOST,
    n_permutations: int = 199,
    random_state: int | np.random.Generator | None = 0,
) -> Discrepancy:
    """Test whether two samples come from one distribution, by the maximum mean discrepancy.

    The kernel is ``exp(-|x - x'|^2 / (2 width^2))``, as wide as the median distance between rows of both.

    Parameters
    ----------
    Xs, Xt : array_like, shapes (ns, d) and (nt, d)
    most : int
        Rows of each side that are looked at; of more, a sample, since memory grows with the square.
    n_permutations : int
    random_state : int, Generator or None

    Returns
    -------
    Discrepancy

    Raises
    ------
    DataError
        If a side has fewer than two rows.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A kernel two-sample test, JMLR 13, equation 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mmd_test(rng.normal(size=(80, 2)), rng.normal(1, 1, size=(60, 2))).p_value
    0.005
    """
    from scipy.spatial.distance import pdist, squareform

    rng = np.random.default_rng(random_state)
    sides = [np.asarray(X, dtype=np.float64) for X in (Xs, Xt)]
    if min(len(side) for side in sides) < 2:
        raise DataError(f"{len(sides[0])} source rows and {len(sides[1])} target rows: give at least two of each")
    sides = [side[rng.choice(len(side), most, replace=False)] if len(side) > most else side for side in sides]
    ns, nt = map(len, sides)
    both = checked_rows(np.concatenate(sides), ns + nt, "features").astype(np.float64)
    width = median_distance(both, rng)
    kernel = squareform(np.exp(-pdist(both, "sqeuclidean") / (2 * width**2)))  # zeros on the diagonal
    target = np.zeros((ns + nt, n_permutations + 1))
    target[ns:] = 1.0
    target[:, 1:] = rng.permuted(target[:, 1:], axis=0)
    within = ((kernel @ target) * target).sum(axis=0)
    across = kernel.sum(axis=1) @ target - within
    rest = kernel.sum() - within - 2 * across
    values = within / (nt * (nt - 1)) + rest / (ns * (ns - 1)) - 2 * across / (ns * nt)
    p_value = (1 + int((values[1:] >= values[0] - 1e-12).sum())) / (n_permutations + 1)
    return Discrepancy(float(values[0]), p_value, width, ns, nt)

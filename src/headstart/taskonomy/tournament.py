"""Who beats whom: tournaments from losses, or from how often each source beats a few references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.taskonomy.ahp import CLIP, ahp

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def tournament(losses: ArrayLike) -> Floats:
    """Return how often each source has a lower loss than each other one; a draw is half a win for both.

    Parameters
    ----------
    losses : array_like, shape (n, m)
        Of n sources, on the same m held-out examples of one target; lower is better. Infinity loses against every
        number; NaN is an example that a source was not tried on, and counts for no pair that the source is in.

    Returns
    -------
    ndarray of float64, shape (n, n)
        0 to 1, ``[i, j] + [j, i] = 1``, 0.5 on the diagonal, NaN for a pair without a common example.

    Raises
    ------
    DataError
        If losses are no matrix, or hold no example.

    References
    ----------
    Zamir et al. (2018), Taskonomy, CVPR, section 3.3, arXiv 1804.08328.

    Examples
    --------
    >>> tournament([[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.4]])
    array([[0.5  , 0.875],
           [0.125, 0.5  ]])
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"losses have shape {values.shape}: give a row for each source, a column for each example")
    result = np.full((len(values), len(values)), np.nan)
    for i, row in enumerate(values):
        both = ~(np.isnan(row) | np.isnan(values))
        points = np.where(both, (row < values) + 0.5 * (row == values), 0.0).sum(axis=1)
        count = both.sum(axis=1)
        np.divide(points, count, out=result[i], where=count > 0)
    np.fill_diagonal(result, 0.5)
    return result


def from_references(win_rates: ArrayLike, *, clip: float = CLIP) -> Floats:
    """Estimate the whole tournament from how often each source beats the same few references.

    If source i beats a reference with odds a and source j with odds b, i is taken to be a / b times better than j
    (Bradley and Terry); several references are averaged on the logarithm of the odds. The estimate is consistent by
    construction, and blind where a source never or always wins: such sources come out equal.

    Parameters
    ----------
    win_rates : array_like, shape (n, k)
        Share of examples, 0 to 1, on which each of n sources beats each of k references.
    clip : float
        Rates are clipped to [clip, 1 - clip] first.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Win rates between the sources, for ``ahp``.

    Raises
    ------
    DataError
        If a rate is missing or outside of 0 to 1, or ``clip`` is not above 0 and below 0.5.

    References
    ----------
    Bradley and Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.

    Examples
    --------
    >>> from_references([[0.8], [0.5]]).round(6)
    array([[0.5, 0.8],
           [0.2, 0.5]])
    """
    rates = np.asarray(win_rates, dtype=np.float64)
    if rates.ndim != 2 or 0 in rates.shape:
        raise DataError(f"win rates have shape {rates.shape}: give a row for each source, a column for each reference")
    if not 0 < clip < 0.5:
        raise DataError(f"clip is {clip}: give a number above 0 and below 0.5")
    if not ((rates >= 0) & (rates <= 1)).all():
        raise DataError("a win rate is missing or outside of 0 to 1: give shares, not percentages")
    clipped = rates.clip(clip, 1 - clip)
    strength = np.log(clipped / (1 - clipped)).mean(axis=1)
    result: Floats = 1 / (1 + np.exp(strength - strength[:, None]))
    return result


def affinities(tournaments: Mapping[str, pd.DataFrame], *, clip: float = CLIP) -> pd.DataFrame:
    """Return the table that ``select_sources`` takes, from one tournament a target.

    Parameters
    ----------
    tournaments : mapping of str to DataFrame
        By target: win rates, index and columns the same sources (joined with +), as ``tournament`` gives them.
    clip : float
        As in ``ahp``.

    Returns
    -------
    DataFrame
        Columns ``sources``, ``target``, ``value``; the values of a target sum to 1.

    Raises
    ------
    DataError
        If there is no tournament, rows and columns differ, or ``ahp`` refuses; the target is named.
    """
    import pandas as pd

    if not tournaments:
        raise DataError("there is no tournament: give a table of win rates for each target")
    tables = []
    for target, wins in tournaments.items():
        if list(wins.index) != list(wins.columns):
            raise DataError(f"tournament of {target!r}: rows and columns must be the same sources in the same order")
        try:
            values = ahp(wins.to_numpy(dtype=np.float64), clip=clip)
        except DataError as problem:
            raise DataError(f"tournament of {target!r}: {problem}") from None
        tables.append(pd.DataFrame({"sources": list(wins.index), "target": target, "value": values}))
    return pd.concat(tables, ignore_index=True)


def rescaled(losses: pd.DataFrame) -> pd.DataFrame:
    """Return affinities by rescaling each target's losses to 0 (the worst source) to 1 (the best): to compare with.

    It assumes that a loss has the same meaning over its whole range, and one bad source squeezes all others together,
    which is why the tournament is preferred (Zamir et al. 2018, section 3.3).

    Parameters
    ----------
    losses : DataFrame
        Columns ``sources``, ``target``, ``value``: mean losses, lower is better.

    Returns
    -------
    DataFrame
        The same rows with ``value`` from 0 to 1; 1 throughout where all losses of a target are the same.

    Raises
    ------
    DataError
        If a column or a value is missing.
    """
    lacking = {"sources", "target", "value"} - set(losses.columns)
    if lacking:
        raise DataError(f"the table of losses has no column {sorted(lacking)[0]!r}: it needs sources, target, value")
    values = losses["value"].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"row {int(np.argmin(np.isfinite(values)))} of the losses has no finite value: leave it out")
    by_target = losses.groupby("target")["value"]
    worst, best = by_target.transform("max"), by_target.transform("min")
    span = worst - best
    scaled = ((worst - losses["value"]) / span.where(span > 0, 1.0)).where(span > 0, 1.0)
    return losses.assign(value=scaled)

"""Where one ordered class ends and the next begins: cut points of the expected rank, tuned out of fold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Codes, Floats, Seed
from headstart.imbalance.cost import checked_probabilities
from headstart.imbalance.threshold import _dealt
from headstart.metrics import Interval
from headstart.metrics._arrays import checked
from headstart.metrics.intervals import _groups, paired_bootstrap
from headstart.metrics.ordered import kappa
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd

PROBABLE, HALF_WAY, TUNED = "most probable class", "expected rank, rounded", "expected rank, tuned cut points"
_SWEEPS = 100
_EQUAL = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class CutPoints(Answer):
    """How a class is said from the probabilities of ordered classes.

    Attributes
    ----------
    rule : str
        What is taken: the most probable class; the expected rank, rounded; or the expected rank, cut at tuned points.
    cuts : tuple of float
        Expected ranks at which the next class begins, ascending; none where the most probable class is said.
    kappas : mapping of str to Interval
        Quadratic weighted kappa of each rule, with a 95 % interval. Each fold is decided by cut points that were tuned
        on the other folds.
    gains : mapping of str to Interval
        What the other rules gain over the most probable class, paired by row.
    flattered : float
        Kappa of tuned cut points on the very rows that tuned them. Not to be believed.
    classes : tuple of str
    decisions : ndarray of int64, shape (n,)
        What the rule says of each row, cut points being those of the other folds.
    """

    rule: str
    cuts: tuple[float, ...]
    kappas: dict[str, Interval]
    gains: dict[str, Interval]
    flattered: float
    classes: tuple[str, ...]
    decisions: Codes = dataclasses.field(repr=False)

    question = "Where does one class end and the next begin?"

    def headline(self) -> str:
        """One sentence: the rule, and what it gains."""
        found = f"{self.rule}: quadratic weighted kappa {self.kappas[self.rule]} out of fold"
        if self.rule == PROBABLE:
            return f"The {found}; cut points of the expected rank gain nothing."
        gain = self.gains[self.rule]
        return (
            f"The {found} instead of {self.kappas[PROBABLE].value:.3f} for the most probable class (gain {gain}), "
            "measured on rows that did not tune."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each rule: kappa, gain over the most probable class, its interval, whether it is taken."""
        import pandas as pd

        rows = []
        for rule, found in self.kappas.items():
            gain = self.gains.get(rule, Interval(np.nan, np.nan, np.nan))
            rows.append((found.value, gain.value, gain.low, gain.high, rule == self.rule))
        index = pd.Index(list(self.kappas), name="rule")
        return pd.DataFrame(rows, index=index, columns=["kappa", "gain", "low", "high", "taken"])


def tune_cuts(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    n_folds: int = 5,
    n_boot: int = 1000,
    random_state: Seed = 0,
) -> CutPoints:
    """Choose how a class is said, by quadratic weighted kappa out of fold.

    Three rules are compared: the most probable class, the expected rank sum_j j p_j rounded, and the expected rank cut
    at points that make kappa as high as coordinate ascent gets it. The latter is measured by cross-fitting: each fold
    is cut at points that were tuned on the other folds, groups whole. The highest is taken; a later one of the three
    only where it is strictly higher.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Ranks, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Of a model that was not fitted on these rows.
    groups : array_like, shape (n,), optional
        Rows with equal values stay on one side.
    classes : sequence of str, optional
        Names, lowest first.
    n_folds : int
        At least 2.
    n_boot : int
        Resamples of the intervals.
    random_state : int, Generator or None
        Of folds and resamples.

    Raises
    ------
    DataError
        If shapes do not fit, or there is one group only.

    References
    ----------
    Cohen (1968), Weighted kappa, Psychological Bulletin 70.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.choice(3, 600, p=[0.8, 0.15, 0.05])
    >>> seen = y + rng.normal(0, 1, 600)
    >>> p = np.array([0.8, 0.15, 0.05]) * np.exp(-((np.arange(3) - seen[:, None]) ** 2) / 2)
    >>> found = tune_cuts(y, p / p.sum(axis=1, keepdims=True))
    >>> found.rule, found.gains[found.rule].low > 0
    ('expected rank, tuned cut points', True)
    """
    table = checked_probabilities(probabilities)
    codes, _ = checked(y, table)
    k = table.shape[1]
    names = tuple(str(code) for code in range(k)) if classes is None else tuple(classes)
    if len(names) != k or k < 2:
        raise DataError(f"{len(names)} class names for {k} columns: give one for each of two or more")
    group = _groups(groups, len(codes))
    rng = np.random.default_rng(random_state)
    place = table @ np.arange(k)
    half = np.arange(k - 1) + 0.5
    fold = _dealt(codes, group, n_folds, rng)
    crossed = np.empty(len(codes), dtype=np.int64)
    for number in range(int(fold.max()) + 1):
        here = fold == number
        crossed[here] = cut(place[here], best_cuts(codes[~here], place[~here], k))
    tuned = best_cuts(codes, place, k)
    said = {PROBABLE: table.argmax(axis=1), HALF_WAY: cut(place, half), TUNED: crossed}
    seed, y_ = int(rng.integers(2**31)), codes.astype(np.float64)

    def interval(one: Codes, other: Codes | None = None) -> Interval:
        def value(weights: Floats) -> Floats:
            found = kappa(y_, one.astype(np.float64), weights)
            return found if other is None else found - kappa(y_, other.astype(np.float64), weights)

        return paired_bootstrap(value, group, n_boot=n_boot, random_state=seed)

    kappas = {rule: interval(decisions) for rule, decisions in said.items()}
    rule = max(kappas, key=lambda name: np.nan_to_num(kappas[name].value, nan=-np.inf))
    return CutPoints(
        rule=rule,
        cuts={PROBABLE: (), HALF_WAY: tuple(half.tolist()), TUNED: tuple(tuned.tolist())}[rule],
        kappas=kappas,
        gains={name: interval(said[name], said[PROBABLE]) for name in (HALF_WAY, TUNED)},
        flattered=float(kappa(y_, cut(place, tuned).astype(np.float64), np.ones((1, len(codes))))[0]),
        classes=names,
        decisions=said[rule],
    )


def cut(place: ArrayLike, cuts: ArrayLike) -> Codes:
    """Return the class (n,) of each expected rank: how many of the ascending cut points it is above.

    >>> cut([0.2, 0.5, 1.9], [0.5, 1.5]).tolist()
    [0, 0, 2]
    """
    return np.searchsorted(np.asarray(cuts), np.asarray(place), side="left").astype(np.int64)


def best_cuts(y: Codes, place: Floats, n_classes: int) -> Floats:
    """Return ascending cut points (k - 1,) with the highest kappa that coordinate ascent finds on these rows.

    One cut point at a time is moved to the best of all places between its neighbours, the others being held, from a
    start half-way between the ranks; kappa depends on sums alone, which change row by row. The nearest of equal places
    is taken.

    Parameters
    ----------
    y : ndarray of int64, shape (n,)
        Ranks.
    place : ndarray, shape (n,)
        Expected ranks.
    n_classes : int
        k.
    """
    order = np.argsort(place, kind="stable")
    sorted_place, true = place[order], y[order].astype(np.float64)
    n = len(true)
    start = np.arange(n_classes - 1) + 0.5
    ends = np.searchsorted(sorted_place, start, side="right")  # rows below each cut
    free = np.append(0, np.append(np.flatnonzero(np.diff(sorted_place) > _EQUAL) + 1, n))  # where a cut may stand
    total = np.cumsum(np.append(0.0, true))
    best = float(_value(ends, true, total))
    for _ in range(_SWEEPS):
        before = best
        for number in range(n_classes - 1):
            low = ends[number - 1] if number else 0
            high = ends[number + 1] if number + 2 < n_classes else n
            options = free[(free >= low) & (free <= high)]
            if not len(options):
                continue
            tried = np.repeat(ends[None], len(options), axis=0)
            tried[:, number] = options
            values = _value(tried, true, total)
            good = np.flatnonzero(values >= values.max() - _EQUAL)
            taken = good[np.abs(options[good] - ends[number]).argmin()]
            if values[taken] > best + _EQUAL:
                best, ends = float(values[taken]), tried[taken]
        if not best > before + _EQUAL:
            break
    padded = np.concatenate([[-np.inf], sorted_place, [np.inf]])
    between = (padded[ends] + padded[ends + 1]) / 2
    kept = ends == np.searchsorted(sorted_place, start, side="right")
    return np.sort(np.where(kept, start, np.clip(between, -1, n_classes)))


def _value(ends: Codes, true: Floats, total: Floats) -> Floats:
    """Return kappa (...) of cuts that have ``ends`` (..., k - 1) sorted rows below them."""
    n, steps = len(true), ends.shape[-1]
    above = n - ends
    said = above.sum(axis=-1)
    # A row above the first j cuts adds j; its square is the sum of the first j odd numbers.
    squared = (above * (2 * np.arange(steps) + 1)).sum(axis=-1)
    both = (total[-1] - total[ends]).sum(axis=-1)
    mean, mean_said = true.mean(), said / n
    covariance = both / n - mean * mean_said
    below = (true**2).mean() - mean**2 + squared / n - mean_said**2 + (mean - mean_said) ** 2
    return np.asarray(np.divide(2 * covariance, below, out=np.zeros(np.shape(below)), where=below > 1e-12))

"""Intervals by resampling groups, so that copies of one picture do not count as independent evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import Codes, Floats, checked
from headstart.metrics.counts import by_class, weighted_confusion
from headstart.metrics.scores import COUNTED, METRICS, RANKED, decided, weighted_scores
from headstart.results import DataError

Seed = int | np.random.Generator | None

_CELLS = 4_000_000  # numbers that one chunk of resamples may hold
_RANKED_WORK = 200_000_000  # resamples x examples x classes that ROC-AUC and average precision may cost
_RANKED_LEAST = 200


@dataclass(frozen=True)
class Interval:
    """A figure and the range that sampling error leaves it.

    Attributes
    ----------
    value : float
        The figure itself.
    low, high : float
        Ends of the interval; NaN where it is undefined.
    level : float
        Nominal coverage.

    Examples
    --------
    >>> print(Interval(0.8123, 0.78, 0.84))
    0.812 (0.780–0.840)
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"

    @property
    def width(self) -> float:
        """Distance between the ends."""
        return self.high - self.low


def bootstrap(
    y: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_boot: int = 1000,
    random_state: Seed = 0,
    metrics: Sequence[str] = METRICS[:-1],
    predicted: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Return 95 % intervals of metrics by the cluster bootstrap: groups are drawn with replacement, whole.

    The intervals are bias-corrected percentiles (BCa without acceleration), but for ``ece``: resampling makes the
    expected calibration error larger, as sampling does, so its ends are mirrored at the figure (basic bootstrap, cut
    at 0). A resample in which a metric is undefined is left out of its interval. Where every prediction is right the
    resamples know no error: the lower end of accuracy is then the exact binomial one for as many trials as there are
    groups, 0.025 ** (1 / groups), and macro-F1 and balanced accuracy take it over.

    Measured coverage, 600 simulated test sets each. 370 and 1,000 examples in ten classes of 26 to 3 %: 0.93 to 0.95
    for macro-F1, balanced accuracy, accuracy and log loss, 0.92 to 0.95 for ROC-AUC and PR-AUC, 0.88 for the
    calibration error. 150 examples in four classes of 60 to 5 %: 0.94 to 0.96 for macro-F1 and accuracy, 0.87 to 0.93
    for the others, for seven or eight examples of a class tell little and often show no error at all.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each example.
    probabilities : array_like, shape (n, k)
        Predictions.
    groups : array_like, shape (n,), optional
        Equal values: one group. Without it each row is one.
    n_boot : int
        Resamples. ROC-AUC and average precision get as many of them as keep resamples x n x k under 2e8, but at
        least 200.
    random_state : int or Generator
        Seed of the resamples.
    metrics : sequence of str
        Names out of :func:`headstart.metrics.scores`.
    predicted : array_like of int, shape (n,), optional
        As there.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, sections 13.3 and 14.3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> predicted = np.where(rng.random(200) < 0.8, y, 1 - y)
    >>> print(bootstrap(y, np.eye(2)[predicted], metrics=["accuracy"])["accuracy"])
    0.740 (0.675–0.790)
    """
    codes, table = checked(y, probabilities)
    said = decided(table, predicted)
    group = _groups(groups, len(codes))
    ranked = [name for name in metrics if name in RANKED]
    others = [name for name in metrics if name not in RANKED]
    n_ranked = max(_RANKED_LEAST, _RANKED_WORK // table.size)
    parts: dict[str, list[Floats]] = {name: [] for name in metrics}
    done = 0
    for weights in resamples(group, n_boot, random_state, cells=max(len(codes), table.shape[1] ** 2)):
        for name, values in weighted_scores(codes, table, weights, others, said).items():
            parts[name].append(values)
        if ranked and done < n_ranked:
            for name, values in weighted_scores(codes, table, weights[: n_ranked - done], ranked).items():
                parts[name].append(values)
        done += len(weights)
    figures = weighted_scores(codes, table, np.ones((1, len(codes))), metrics, said)
    found = {}
    for name, figure in figures.items():
        ends = mirrored if name == "ece" else bias_corrected
        found[name] = ends(float(figure[0]), np.concatenate(parts[name]))
        if name in COUNTED and figure[0] == 1:
            found[name] = Interval(1.0, 0.025 ** (1 / (group.max() + 1)), 1.0)
    return found


def bootstrap_classes(
    y: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_boot: int = 1000,
    random_state: Seed = 0,
    predicted: ArrayLike | None = None,
) -> dict[str, tuple[Interval, ...]]:
    """Return intervals of ``precision``, ``recall`` and ``f1`` for each class, as :func:`bootstrap` makes them."""
    codes, table = checked(y, probabilities)
    said, k = decided(table, predicted), table.shape[1]
    drawn = [
        by_class(weighted_confusion(codes, said, k, weights))
        for weights in resamples(_groups(groups, len(codes)), n_boot, random_state, cells=max(len(codes), k**2))
    ]
    figures = by_class(weighted_confusion(codes, said, k, np.ones((1, len(codes)))))
    return {
        name: tuple(
            bias_corrected(float(values[0, code]), np.concatenate([part[name][:, code] for part in drawn]))
            for code in range(k)
        )
        for name, values in figures.items()
    }


def paired_bootstrap(
    difference: Callable[[Floats], Floats], groups: ArrayLike, *, n_boot: int = 1000, random_state: Seed = 0
) -> Interval:
    """Return a 95 % interval of a statistic that maps weights (b, n) to values (b,), such as a paired gain."""
    group = _groups(groups, np.shape(groups)[0])
    drawn = [difference(weights) for weights in resamples(group, n_boot, random_state)]
    return bias_corrected(float(difference(np.ones((1, len(group))))[0]), np.concatenate(drawn))


def resamples(groups: Codes, n_boot: int, random_state: Seed, *, cells: int = 0) -> Iterator[Floats]:
    """Yield chunks (b, n) of how often each row was drawn, its group being drawn with replacement.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        Group of each row, from 0 on without a gap.
    n_boot : int
        Resamples in all. What is drawn does not depend on the size of the chunks.
    random_state : int or Generator
        Seed.
    cells : int
        Numbers that a resample needs at a time, at least n.
    """
    rng = np.random.default_rng(random_state)
    n_groups = int(groups.max()) + 1
    chunk = max(1, _CELLS // max(cells, len(groups)))
    for start in range(0, n_boot, chunk):
        size = min(chunk, n_boot - start)
        counts = [np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups) for _ in range(size)]
        yield np.stack(counts)[:, groups].astype(np.float64)


def bias_corrected(figure: float, drawn: Floats, level: float = 0.95) -> Interval:
    """Return bias-corrected percentiles of resampled values around ``figure``."""
    from scipy.special import ndtr, ndtri

    values = _defined(drawn)
    if not len(values) or math.isnan(figure):
        return Interval(figure, math.nan, math.nan, level)
    below = ((values < figure).mean() + (values <= figure).mean()) / 2
    shift = 2 * ndtri(np.clip(below, 1 / (len(values) + 1), 1 - 1 / (len(values) + 1)))
    reach = ndtri(0.5 + level / 2)
    low, high = np.quantile(values, [ndtr(shift - reach), ndtr(shift + reach)])
    return Interval(figure, float(low), float(high), level)


def mirrored(figure: float, drawn: Floats, level: float = 0.95) -> Interval:
    """Return the basic bootstrap interval of a figure that cannot be negative."""
    values = _defined(drawn)
    if not len(values):
        return Interval(figure, math.nan, math.nan, level)
    high, low = 2 * figure - np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(figure, max(0.0, float(low)), max(0.0, float(high)), level)


def percentiles(figure: float, drawn: Floats, level: float = 0.95) -> Interval:
    """Return plain percentiles of resampled values beside ``figure``."""
    values = _defined(drawn)
    if not len(values):
        return Interval(figure, math.nan, math.nan, level)
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(figure, float(low), float(high), level)


def _defined(drawn: Floats) -> Floats:
    return drawn[~np.isnan(drawn)]


def _groups(groups: ArrayLike | None, n: int) -> Codes:
    """Return groups numbered from 0 on."""
    if groups is None:
        return np.arange(n)
    given = np.asarray(groups)
    if given.shape != (n,):
        raise DataError(f"groups have shape {given.shape} for {n} examples: give one group an example")
    return np.unique(given, return_inverse=True)[1].astype(np.int64)

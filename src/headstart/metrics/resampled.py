"""Intervals of several metrics at once, from the same resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics.intervals import Interval, Seed, _groups, bias_corrected, resamples

Floats = NDArray[np.float64]


def intervals(
    scores: Callable[[Floats], Mapping[str, Floats]], groups: ArrayLike, *, n_boot: int = 1000, random_state: Seed = 0
) -> dict[str, Interval]:
    """Return 95 % intervals of metrics by the cluster bootstrap: groups are drawn with replacement, whole.

    Parameters
    ----------
    scores : callable
        Maps weights (b, n) to the values (b,) of each metric.
    groups : array_like, shape (n,)
        Equal values: one group.
    n_boot : int
        Resamples. A resample in which a metric is undefined is left out of its interval.
    random_state : int, Generator or None
        Seed of the resamples.

    Returns
    -------
    dict of str to Interval
        Bias-corrected percentiles.

    Examples
    --------
    >>> x = np.arange(100.0)
    >>> print(intervals(lambda w: {"mean": w @ x / w.sum(axis=1)}, x)["mean"])
    49.500 (43.680–54.720)
    """
    group = _groups(groups, np.shape(groups)[0])
    drawn = [scores(weights) for weights in resamples(group, n_boot, random_state)]
    figures = scores(np.ones((1, len(group))))
    return {
        name: bias_corrected(float(value[0]), np.concatenate([part[name] for part in drawn]))
        for name, value in figures.items()
    }

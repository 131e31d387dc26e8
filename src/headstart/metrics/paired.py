"""Two sets of predictions for the same examples, compared pair by pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import Floats, checked
from headstart.metrics.intervals import Interval, paired_bootstrap
from headstart.metrics.scores import weighted_scores


def paired_gain(
    y: ArrayLike,
    probabilities: ArrayLike,
    baseline: ArrayLike,
    groups: ArrayLike,
    *,
    metric: str = "macro_f1",
    n_boot: int = 1000,
    random_state: int | np.random.Generator | None,
) -> Interval:
    """Return how much better ``probabilities`` score than ``baseline``, with a paired 95 % bootstrap interval.

    Both are scored on the same resamples of the groups, so that what makes an example hard for both cancels out.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes.
    probabilities, baseline : array_like, shape (n, k)
        Predictions to compare.
    groups : array_like of int, shape (n,)
        What is resampled together.
    metric : str
        One of ``headstart.metrics.METRICS``.
    n_boot : int
        Resamples.
    random_state : int, Generator or None
        Seed of the resamples.

    Examples
    --------
    >>> good, bad = np.eye(2)[[0, 1] * 20], np.eye(2)[[0, 1, 1, 0] * 10]
    >>> gain = paired_gain([0, 1] * 20, good, bad, np.arange(40), metric="accuracy", random_state=0)
    >>> gain.value, gain.low > 0
    (0.5, True)
    """
    codes, ours = checked(y, probabilities)
    _, theirs = checked(y, baseline)

    def difference(weights: Floats) -> Floats:
        ours_, theirs_ = (weighted_scores(codes, table, weights, [metric])[metric] for table in (ours, theirs))
        return ours_ - theirs_

    return paired_bootstrap(difference, groups, n_boot=n_boot, random_state=random_state)

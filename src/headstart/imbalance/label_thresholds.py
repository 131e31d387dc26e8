"""From which probability on a label is said: a threshold a label, tuned out of fold for F1."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._counted import Objective
from headstart.imbalance._labels import Codes, Floats, Seed
from headstart.imbalance.offsets import best_offsets
from headstart.metrics import Interval
from headstart.metrics.counts import mean_defined, share
from headstart.metrics.intervals import _groups, paired_bootstrap
from headstart.metrics.labelled import _checked
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd

_FEW = 10  # examples with the label, or without it, below which its threshold stays at a half


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelThresholds(Answer):
    """A threshold for each label, and what to expect of them.

    Attributes
    ----------
    labels : tuple of str
    thresholds : tuple of float
        Probability from which on each label is said: tuned ones if they are taken, else a half.
    tuned : tuple of float
        Those that make F1 highest on all rows.
    taken : bool
        Whether tuned thresholds gain: the interval of ``gain`` lies above 0.
    untuned_f1, tuned_f1, gain : Interval
        Macro-F1 at a half, at tuned thresholds where each fold is decided by those of the other folds, and their
        difference paired by row, with 95 % intervals.
    decisions : ndarray of float64, shape (n, m)
        0 or 1: what the rule says of each row, thresholds being those of the other folds.
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    tuned: tuple[float, ...]
    taken: bool
    untuned_f1: Interval
    tuned_f1: Interval
    gain: Interval
    decisions: Floats = dataclasses.field(repr=False)

    question = "From which probability on is a label said?"

    def headline(self) -> str:
        """One sentence: whether it pays to move the thresholds."""
        where = f"macro-F1 {self.tuned_f1} instead of {self.untuned_f1}, measured on rows that did not tune"
        if self.taken:
            return f"From a threshold of its own, tuned for F1: {where}."
        return f"From a half on: tuned thresholds have no proven gain ({where})."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each label: the threshold that is used, and the tuned one."""
        import pandas as pd

        return pd.DataFrame(
            {"threshold": self.thresholds, "tuned": self.tuned}, index=pd.Index(self.labels, name="label")
        )


def tune_label_thresholds(
    Y: ArrayLike,
    probabilities: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    n_folds: int = 5,
    n_boot: int = 1000,
    random_state: Seed = 0,
) -> LabelThresholds:
    """Tune a threshold a label on out-of-fold probabilities, and measure them by cross-fitting.

    A label's threshold makes its F1 on the rows given as high as it gets, exactly. Rare labels are never said at a
    half, however well they are ranked; moving the threshold mends that. The measure is macro-F1 of decisions that each
    fold owes to the other folds; without a gain above zero a half stays.

    Parameters
    ----------
    Y : array_like, shape (n, m)
        0 or 1.
    probabilities : array_like, shape (n, m)
        Of a model that was not fitted on these rows.
    labels : sequence of str, optional
        Names.
    groups : array_like, shape (n,), optional
        Rows with equal values stay on one side.
    n_folds, n_boot : int
        Folds, and resamples of the intervals.
    random_state : int, Generator or None
        Of folds and resamples.

    Raises
    ------
    DataError
        If shapes do not fit, or there is one group only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Y = (rng.random((600, 1)) < 0.1).astype(float)
    >>> p = 1 / (1 + np.exp(-(rng.normal(size=(600, 1)) + 2 * Y - 3.5)))
    >>> found = tune_label_thresholds(Y, p)
    >>> found.taken, found.thresholds[0] < 0.5
    (True, True)
    """
    true, table, half, _ = _checked(Y, probabilities, None, None)
    names = tuple(str(number) for number in range(true.shape[1])) if labels is None else tuple(labels)
    if len(names) != true.shape[1]:
        raise DataError(f"{len(names)} names for {true.shape[1]} labels: give one for each")
    group = _groups(groups, len(true))
    rng = np.random.default_rng(random_state)
    fold = _folds(group, n_folds, rng)
    crossed = np.empty_like(true)
    for number in range(int(fold.max()) + 1):
        here = fold == number
        crossed[here] = table[here] >= _best(true[~here], table[~here])
    seed = int(rng.integers(2**31))

    def interval(one: Floats, other: Floats | None = None) -> Interval:
        def value(weights: Floats) -> Floats:
            found = _macro_f1(true, one, weights)
            return found if other is None else found - _macro_f1(true, other, weights)

        return paired_bootstrap(value, group, n_boot=n_boot, random_state=seed)

    tuned, gain = _best(true, table), interval(crossed, half)
    taken = bool(gain.low > 0)
    counts = np.minimum(true.sum(axis=0), len(true) - true.sum(axis=0))
    few = [name for name, count in zip(names, counts, strict=True) if count < _FEW]
    more = f" and {len(few) - 3} more" if len(few) > 3 else ""
    warning = f"{', '.join(map(repr, few[:3]))}{more}: fewer than {_FEW} examples, so a half stays"
    return LabelThresholds(
        labels=names,
        thresholds=tuple(tuned.tolist()) if taken else (0.5,) * len(names),
        tuned=tuple(tuned.tolist()),
        taken=taken,
        untuned_f1=interval(half),
        tuned_f1=interval(crossed),
        gain=gain,
        decisions=crossed if taken else half,
        warnings=(warning,) if few else (),
    )


def _best(true: Floats, table: Floats) -> Floats:
    """Return the threshold of each label with the highest F1 on these rows."""
    found = np.full(true.shape[1], 0.5)
    for number, (column, scores) in enumerate(zip(true.T, table.T, strict=True)):
        if min(column.sum(), len(column) - column.sum()) >= _FEW:
            both = np.column_stack([1 - scores, scores])
            offsets = best_offsets(column.astype(np.int64), both, Objective("f1"))
            found[number] = 1 / (1 + np.exp(np.clip(offsets[1] - offsets[0], -500, 500)))
    return found


def _macro_f1(true: Floats, said: Floats, weights: Floats) -> Floats:
    return mean_defined(share(2 * (weights @ (true * said)), weights @ said + weights @ true))


def _folds(group: Codes, n_folds: int, rng: np.random.Generator) -> Codes:
    n = int(group.max()) + 1
    if n_folds < 2 or n < 2:
        raise DataError(f"{n} independent rows in {n_folds} folds: give two of each or more")
    return np.asarray((rng.permutation(n) % min(n_folds, n))[group])

"""Should probabilities be calibrated, and how? Temperature and isotonic regression against leaving them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics import Interval, calibration
from headstart.metrics._arrays import Codes, Floats, checked
from headstart.metrics.intervals import _groups, paired_bootstrap
from headstart.results import Answer, DataError
from headstart.training.isotonic import Isotonic, fit_isotonic
from headstart.training.temperature import best_sharpness, sharpen

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

NONE, TEMPERATURE, ISOTONIC = WAYS = ("none", "temperature", "isotonic")  # the simplest first
_REACH = 1.96
_LEAST = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrating(Answer):
    """Ways to calibrate probabilities, and the one that was taken.

    Attributes
    ----------
    taken : {"none", "temperature", "isotonic"}
    ways : tuple of str
    log_loss : tuple of Interval
        Of each way, on rows that did not fit it.
    ece : tuple of float
        Expected calibration error of each, on the same rows.
    sharpness : float
        What logits are multiplied by where ``"temperature"`` was taken, else 1: the inverse of the temperature.
    isotonic : Isotonic or None
        The map, where it was taken.
    n : int
    y : ndarray of int64, shape (n,)
    before, after : ndarray, shape (n, k)
        The probabilities given, and those of what was taken, each row by what was fitted on other rows.
    """

    taken: str
    ways: tuple[str, ...]
    log_loss: tuple[Interval, ...]
    ece: tuple[float, ...]
    sharpness: float
    n: int
    isotonic: Isotonic | None = dataclasses.field(default=None, repr=False)
    y: Codes = dataclasses.field(repr=False)
    before: Floats = dataclasses.field(repr=False)
    after: Floats = dataclasses.field(repr=False)

    question = "Do the probabilities mean what they say?"

    def headline(self) -> str:
        """One sentence: what is done, and the calibration error without and with it."""
        without, best = self.ece[self.ways.index(NONE)], self.ece[self.ways.index(self.taken)]
        if self.taken == NONE:
            return f"They stay as they are: calibration error {without:.3f}, and nothing makes them measurably truer."
        what = f"a temperature of {1 / self.sharpness:.2f}" if self.taken == TEMPERATURE else "isotonic regression"
        return f"With {what}: calibration error {best:.3f} instead of {without:.3f}, on rows that did not fit it."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a way: log loss with its interval, and calibration error."""
        import pandas as pd

        rows = [(loss.value, loss.low, loss.high) for loss in self.log_loss]
        table = pd.DataFrame(rows, columns=["log loss", "low", "high"], index=pd.Index(self.ways, name="calibration"))
        return table.assign(**{"calibration error": self.ece})

    def plot(self) -> Figure:
        """Return the reliability of the probabilities before and after."""
        from headstart.evaluation.plots import reliability_pair

        return reliability_pair(self)

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Return calibrated probabilities (n, k) of new rows."""
        table = np.asarray(probabilities, dtype=np.float64)
        if self.isotonic is not None:
            return self.isotonic(table)
        return table if self.sharpness == 1 else sharpen(table, self.sharpness)


def calibrate(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    way: str = "auto",
    n_folds: int = 5,
    n_boot: int = 500,
    random_state: int = 0,
) -> Calibrating:
    """Compare ways to calibrate on rows that did not fit them, and take the simplest good one.

    Each way is fitted on some folds and judged on the other, by log loss, a proper score: it is lowest for true
    probabilities. Taken is the simplest within one standard error of the best, of the paired difference; what is
    handed back is fitted on all rows. Calibration comes after resampling and weights and before thresholds, costs and
    prior corrections, all of which take probabilities at their word.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Of a model that was not fitted on these rows.
    groups : array_like, shape (n,), optional
        Rows with equal values stay on one side.
    way : {"auto", "none", "temperature", "isotonic"}
        One that is named is taken whatever is measured.
    n_folds, n_boot, random_state : int
        Of the comparison.

    Raises
    ------
    DataError
        If shapes do not fit, there is no such way, or there is one group only.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4;
    Zadrozny and Elkan (2002).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 500)
    >>> p = 1 / (1 + np.exp(-4 * (rng.normal(size=500) + 2 * y - 1)))  # twice as sure as it may be
    >>> found = calibrate(y, np.column_stack([1 - p, p]))
    >>> found.taken, round(1 / found.sharpness)
    ('temperature', 2)
    """
    if way not in ("auto", *WAYS):
        raise DataError(f"no calibration {way!r}: choose auto, {', '.join(WAYS)}")
    codes, table = checked(y, probabilities)
    group = _groups(groups, len(codes))
    if group.max() < 1:
        raise DataError("there is one group of rows only: a calibration needs others to be judged on")
    rng = np.random.default_rng(random_state)
    folds = rng.permutation(np.arange(group.max() + 1) % n_folds)[group]
    tables = {NONE: table, **{name: np.empty_like(table) for name in (TEMPERATURE, ISOTONIC)}}
    for number in np.unique(folds):
        here = folds == number
        tables[TEMPERATURE][here] = sharpen(table[here], best_sharpness(table[~here], codes[~here]))
        tables[ISOTONIC][here] = fit_isotonic(codes[~here], table[~here])(table[here])
    losses = {name: -np.log(np.maximum(found[np.arange(len(codes)), codes], _LEAST)) for name, found in tables.items()}

    def interval(values: Floats) -> Interval:
        return paired_bootstrap(
            lambda drawn: (drawn @ values) / drawn.sum(axis=1), group, n_boot=n_boot, random_state=random_state
        )

    taken = way if way != "auto" else _simplest(losses, interval)
    return Calibrating(
        taken=taken,
        ways=WAYS,
        log_loss=tuple(interval(losses[name]) for name in WAYS),
        ece=tuple(calibration(codes, tables[name]).ece for name in WAYS),
        sharpness=best_sharpness(table, codes) if taken == TEMPERATURE else 1.0,
        isotonic=fit_isotonic(codes, table) if taken == ISOTONIC else None,
        n=len(codes),
        y=codes,
        before=table,
        after=tables[taken],
    )


def _simplest(losses: dict[str, Floats], interval: Callable[[Floats], Interval]) -> str:
    best = min(WAYS, key=lambda name: losses[name].mean())
    for name in WAYS:
        worse = interval(losses[name] - losses[best])
        if worse.value <= worse.width / (2 * _REACH) + _LEAST:
            return name
    return best

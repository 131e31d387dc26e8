"""Did transfer help? Two sets of scores of the same pictures, compared picture by picture."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.evaluation.halves import half_samples, interval, seed_noise, seed_variances, unseen
from headstart.metrics import Interval
from headstart.metrics.intervals import _groups
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_FEWEST = 10  # independent pictures, below which the lattice of half-samples is too coarse for 95 %
_POWER = 1 + 0.8416 / 1.96  # what is found four times in five, in half-widths of the interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferVerdict(Answer):
    """Whether transfer helps, against a baseline that does without it.

    Attributes
    ----------
    answer : {"helps", "no evidence", "hurts"}
        On which side of 0 the interval of the gain lies, if on one. A source that is not shown to know anything never
        "helps".
    gain : Interval
        Mean score of transfer minus mean score of the baseline, with its 95 % interval over pictures and seeds. The
        ends are NaN where there are fewer than ten independent pictures.
    by_seed : tuple of Interval
        Gain of each seed of transfer over the mean of the baseline's seeds; these intervals cover the pictures only.
    transfer, baseline : tuple of float
        Mean score of each seed.
    score : str
        "accuracy" or "balanced accuracy" where all scores are 0 or 1, else "mean score" or "balanced mean score".
    n, n_groups : int
        Pictures, and independent ones among them (copies count once).
    discordant : float
        Share of the pictures, 0–1, on which a seed of one side and a seed of the other differ, over all such pairs.
    detectable : float
        Smallest difference that would have been found four times in five.
    seed_deviation : tuple of float
        Standard deviation of the true score from seed to seed, of transfer and of the baseline, what the choice of
        the pictures adds being taken out; NaN for a side with one seed.
    knowledge : Interval or None
        Gain in balanced accuracy of a head on the source's frozen features over those on its weights in random order;
        ``None`` where that was not asked.
    """

    answer: str
    gain: Interval
    by_seed: tuple[Interval, ...]
    transfer: tuple[float, ...]
    baseline: tuple[float, ...]
    score: str
    n: int
    n_groups: int
    discordant: float
    detectable: float
    seed_deviation: tuple[float, float]
    knowledge: Interval | None = None

    question = "Did transfer help?"

    @property
    def scale(self) -> float:
        """What figures are multiplied by where a person reads them: 100, for points, or 1."""
        return 100.0 if self.score.endswith("accuracy") else 1.0

    @property
    def unit(self) -> str:
        """What a person reads after a difference."""
        return f"points of {self.score}" if self.scale > 1 else f"of {self.score}"

    def of_a_source(self, knowledge: Interval) -> TransferVerdict:
        """Return the verdict where the source's own features gain ``knowledge`` over those of shuffled weights.

        Where that is nothing, what was gained came from training or from random features, and not by transfer.
        """
        if self.answer != "helps" or knowledge.low > 0:
            return dataclasses.replace(self, knowledge=knowledge)
        low, high = (f"{100 * end + 0.0:.1f}" for end in (knowledge.low, knowledge.high))
        note = (
            "the source's frozen features are not measurably better than those of its weights in random order "
            f"({low} to {high} points of balanced accuracy): what was gained may come from the training, or from "
            "features that a network has before it learns anything"
        )
        return dataclasses.replace(self, answer="no evidence", knowledge=knowledge, warnings=(*self.warnings, note))

    def headline(self) -> str:
        """One sentence: the answer, the gain, and what stands behind it."""
        gain, where = self.gain, f"on {self._evidence()}"
        if self.answer == "helps":
            return f"Transfer helps: {self.shown(gain)} above the baseline, {where}."
        if self.answer == "hurts":
            loss = Interval(-gain.value, -gain.high, -gain.low)
            return f"Transfer hurts: {self.shown(loss)} below the baseline, {where}; take the baseline."
        if gain.low > 0:
            return f"No evidence that the gain is the source's: {self.shown(gain)} above the baseline, {where}."
        begin = "No evidence that transfer helps or hurts"
        if math.isnan(gain.low):
            return f"{begin}: {self._evidence()} can tell nothing."
        found = f"both sides score the same {where}" if not self.discordant else f"{self.shown(gain)} {where}"
        if not self.detectable:
            return f"{begin}: {found}."
        least = f"{self.detectable * self.scale:.2g}{' points' if self.scale > 1 else ''}"
        return f"{begin}: {found}; a difference of {least} would have been found four times in five."

    def shown(self, found: Interval) -> str:
        """Return a difference as a person reads it, such as "2.1 points of accuracy (0.4 to 3.8)"."""
        return f"{self._figure(found.value)} {self.unit} ({self._figure(found.low)} to {self._figure(found.high)})"

    def _figure(self, value: float) -> str:
        text = f"{value * self.scale:.1f}" if self.scale > 1 else f"{value:.3g}"
        return text.removeprefix("-") if float(text) == 0 else text

    def _evidence(self) -> str:
        pictures = f"{self.n:,} picture{'s' if self.n > 1 else ''}"
        if self.n_groups < self.n:
            pictures += f" ({self.n_groups:,} independent)"
        ours, theirs = len(self.transfer), len(self.baseline)
        if ours != theirs:
            return f"{pictures} with {ours} against {theirs} seeds"
        return f"{pictures} with {'one seed' if ours == 1 else f'{ours} seeds'} a side"

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each seed and one for all of them: score, gain, ends of its interval."""
        import pandas as pd

        rows: dict[str, tuple[float, float, float, float]] = {}
        for seed, (score, found) in enumerate(zip(self.transfer, self.by_seed, strict=True), 1):
            rows[f"transfer {seed}"] = (score, found.value, found.low, found.high)
        for seed, score in enumerate(self.baseline, 1):
            rows[f"baseline {seed}"] = (score, math.nan, math.nan, math.nan)
        rows["all"] = (float(np.mean(self.transfer)), self.gain.value, self.gain.low, self.gain.high)
        index = pd.Index(list(rows), name="seed")
        return pd.DataFrame(list(rows.values()), index=index, columns=[self.score, "gain", "low", "high"])

    def plot(self) -> Figure:
        """Return the gain of each seed and of all together, with intervals, against zero."""
        from headstart.evaluation.verdict_plots import forest

        return forest(self)


def transfer_verdict(
    correct_transfer: ArrayLike,
    correct_baseline: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    y: ArrayLike | None = None,
    n_boot: int = 4000,
    random_state: int | np.random.Generator | None = 0,
) -> TransferVerdict:
    """Say whether transfer helps, hurts, or whether there is no evidence of either, at 95 %.

    Both sides are scored on the same held-out (or out-of-fold) pictures, by several seeds each. The baseline does
    without transfer and was tuned with the same budget: anything beats one that was not (arXiv 2009.00909).

    *Pictures.* The interval comes from a paired bootstrap in which each picture, or group of copies, is drawn twice or
    not at all, each with probability 1/2. The mean of such a half-sample is at most d exactly where flipping the signs
    of its deviations from d does not lower the sum of all deviations, so the percentiles invert the paired sign-flip
    test (Hartigan 1969), which keeps its level at any number of pictures; percentiles of the plain bootstrap do not.
    With 0/1 scores of one seed it is McNemar's test (mid-p). Scores in 0–1 get an interval that is never narrower than
    what pictures that show no difference at all leave open, ``1 - 0.025 ** (1 / n)`` either way.

    *Seeds.* A seed's mean deviates from its side's because this seed is better on all pictures, and because it happens
    to suit these pictures. The latter is among what the pictures' bootstrap shows already, so it is taken out of the
    variance between the seeds' means (two-way analysis of variance; 0.3 of the variance stays in any case, for few
    seeds can agree by luck). What is left is added to the bootstrap as Student's t with as many degrees of freedom
    as there are seeds less one; that is careful with two or three seeds, and costs little with five. A side with one
    seed takes over the whole variance of the other side. The seeds of the two sides are not paired. With one seed a
    side the verdict is one on these two models.

    BENCHMARKS.md has how often it errs on simulated pairs.

    Parameters
    ----------
    correct_transfer, correct_baseline : array_like, shape (n_seeds, n_pictures)
        Score of each picture, 1 for right and 0 for wrong or any real number of which more is better. A column is the
        same picture on both sides; the numbers of seeds may differ. A row (n_pictures,) is one seed. Of a method
        that nothing random enters, give the row twice.
    groups : array_like, shape (n_pictures,), optional
        Equal values: copies of one picture, or rows that hang together. They are drawn together.
    y : array_like, shape (n_pictures,), optional
        Class of each picture. With it each class weighs the same (balanced accuracy) instead of each picture: under
        imbalance plain accuracy flatters whoever favours the common classes.
    n_boot : int
        Half-samples, an even number.
    random_state : int or Generator
        Seed of the half-samples.

    Returns
    -------
    TransferVerdict

    Raises
    ------
    DataError
        If shapes do not fit or a score is not finite.

    References
    ----------
    Hartigan (1969), Using subsample values as typical values, JASA 64, theorem 1. Owen and Eckles (2012),
    Bootstrapping data arrays of arbitrary order, arXiv:1106.2125 (double or nothing, crossed factors). Fagerland,
    Lydersen and Laake (2013), The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than
    exact conditional. Jordan (2023), arXiv:2304.01910: most of what seeds differ by on a test set is chance.

    Examples
    --------
    >>> baseline = np.tile([1, 1, 1, 0], 100)
    >>> transfer = np.where(np.arange(400) % 20 == 3, 1, baseline)
    >>> found = transfer_verdict(transfer, baseline)
    >>> found.answer
    'helps'
    >>> print(found.headline())
    Transfer helps: 5.0 points of accuracy (2.9 to 7.1) above the baseline, on 400 pictures with one seed a side.
    """
    ours, theirs = _scores(correct_transfer, "correct_transfer"), _scores(correct_baseline, "correct_baseline")
    n = ours.shape[1]
    if theirs.shape[1] != n:
        raise DataError(
            f"correct_transfer scores {n:,} pictures and correct_baseline {theirs.shape[1]:,}: "
            "give both sides the same pictures, in the same order"
        )
    if n_boot < 2:
        raise DataError(f"n_boot={n_boot}: give at least 2, better 1,000 or more")
    rng = np.random.default_rng(random_state)
    group, weight = _groups(groups, n), _weights(y, n)
    n_groups = int(group.max()) + 1
    both = (ours, theirs)
    binary = all(np.isin(side, (0, 1)).all() for side in both)
    bounded = all(side.min() >= 0 and side.max() <= 1 for side in both)

    differences = np.vstack([ours.mean(axis=0), ours]) - theirs.mean(axis=0)
    figures = differences @ weight / n
    if n_groups < _FEWEST:
        gain, *by_seed = (Interval(float(figure), math.nan, math.nan) for figure in figures)
    else:
        drawn = half_samples(differences, weight, group, n_boot=n_boot, random_state=rng)
        drawn[0] += seed_noise(ours, theirs, weight, group, size=drawn.shape[1], random_state=rng)
        reach = unseen(weight, group) if bounded else 0.0
        gain, *by_seed = (interval(float(figure), values, reach) for figure, values in zip(figures, drawn, strict=True))
    answer = "helps" if gain.low > 0 else "hurts" if gain.high < 0 else "no evidence"
    name = "accuracy" if binary else "mean score"
    return TransferVerdict(
        answer=answer,
        gain=gain,
        by_seed=tuple(by_seed),
        transfer=tuple((ours @ weight / n).tolist()),
        baseline=tuple((theirs @ weight / n).tolist()),
        score=name if y is None else f"balanced {name}",
        n=n,
        n_groups=n_groups,
        discordant=float(np.mean([(mine != yours).mean() for mine in ours for yours in theirs])),
        detectable=gain.width / 2 * _POWER,
        seed_deviation=(_deviation(ours, weight, group), _deviation(theirs, weight, group)),
        warnings=_warnings(ours, theirs, n_groups, gain.value, None if y is None else float(differences[0].mean())),
    )


def _deviation(scores: Floats, weight: Floats, groups: Codes) -> float:
    if len(scores) < 2 or groups.max() < 1:
        return math.nan
    between, by_chance = seed_variances(scores, weight, groups)
    return math.sqrt(max(0.0, between - by_chance))


def _weights(y: ArrayLike | None, n: int) -> Floats:
    """Return weights (n,) of mean 1: all equal, or such that each class of ``y`` has the same in all."""
    if y is None:
        return np.ones(n)
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise DataError(f"y has shape {labels.shape} for {n:,} pictures: give one class a picture")
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(n / len(counts) / counts[codes])


def _scores(values: ArrayLike, name: str) -> Floats:
    """Return scores (s, n) of s seeds, or say what is wrong with them."""
    try:
        given: NDArray[Any] = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} has rows of several lengths: give every seed the same pictures") from error
    if given.dtype.kind not in "buif" or given.ndim not in (1, 2) or not given.size:
        raise DataError(
            f"{name} has shape {given.shape} and type {given.dtype}: give numbers (n_seeds, n_pictures), "
            "at least one of each"
        )
    scores = np.atleast_2d(given).astype(np.float64)
    broken = np.argwhere(~np.isfinite(scores))
    if len(broken):
        seed, picture = broken[0].tolist()
        raise DataError(
            f"{name}[{seed}, {picture}] is {scores[seed, picture]} ({len(broken):,} such): "
            "leave out, on both sides, pictures without a score"
        )
    return scores


def _warnings(ours: Floats, theirs: Floats, n_groups: int, gain: float, by_picture: float | None) -> tuple[str, ...]:
    notes = []
    n_seeds = len(ours), len(theirs)
    if n_groups < _FEWEST:
        notes.append(f"{n_groups} independent of {ours.shape[1]} pictures: give at least {_FEWEST}, better 100 or more")
    if max(n_seeds) == 1:
        notes.append(
            "one seed a side: the interval covers the pictures only, and other seeds may answer otherwise; "
            "give three or more"
        )
    elif min(n_seeds) == 1:
        side = "transfer" if n_seeds[0] == 1 else "the baseline"
        notes.append(
            f"one seed of {side}: it is taken to vary between seeds as much as the other side; give three or more, "
            "or the row twice if nothing random enters it"
        )
    elif any(len(side) == 2 and (side[0] != side[1]).any() for side in (ours, theirs)):
        notes.append("two seeds tell little of how much seeds vary, which widens the interval: give three or more")
    if by_picture is not None and by_picture * gain < 0:
        notes.append(
            f"where each picture counts the same, not each class, the gain is {by_picture:+.3f} instead of "
            f"{gain:+.3f}: common and rare classes fare differently"
        )
    return tuple(notes)

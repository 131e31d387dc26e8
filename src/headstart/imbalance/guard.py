"""One correction of an imbalance at a time, unless the next is computed from what the one before leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Floats, checked_shares
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd

    from headstart.imbalance.damage import Damage

Kind = Literal[
    "resampling", "sampler", "class_weight", "deferred_weights", "focal", "margin", "logit_adjustment", "thresholds",
    "prior_correction",
]  # fmt: skip

# Published as one method each: class-balanced focal loss (Cui et al. 2019), LDAM-DRW (Cao et al. 2019).
PAIRS = (frozenset({"focal", "class_weight"}), frozenset({"margin", "deferred_weights"}))
_NEAR = 0.02  # total variation up to which two distributions of classes count as the same


@dataclasses.dataclass(frozen=True, eq=False)
class Correction:
    """One thing that is done about an imbalance.

    Attributes
    ----------
    name : str
        As a person asked for it, for example ``"class_weight='balanced'"``.
    kind : str
        ``"resampling"``, ``"sampler"``, ``"class_weight"``, ``"deferred_weights"``, ``"focal"``, ``"margin"``,
        ``"logit_adjustment"``, ``"thresholds"`` or ``"prior_correction"``.
    computed_from : ndarray, shape (k,)
        Shares of the classes that it takes to be there.
    leaves : ndarray, shape (k,)
        Shares that the model is trained for, or decides for, after it, if ``computed_from`` was there before it.
    """

    name: str
    kind: Kind
    computed_from: Floats
    leaves: Floats

    @classmethod
    def resampled(cls, name: str, before: ArrayLike, after: ArrayLike, kind: Kind = "resampling") -> Correction:
        """Resampling, or a batch sampler (``kind="sampler"``): counts or shares (k,) before and after."""
        return cls(name, kind, _shares(before, name), _shares(after, name))

    @classmethod
    def weighted(cls, name: str, counts: ArrayLike, weights: ArrayLike, kind: Kind = "class_weight") -> Correction:
        """Class weights (k,) in a loss that were computed from ``counts`` (k,)."""
        held = _shares(counts, name)
        given = np.asarray(weights, dtype=np.float64)
        if given.shape != held.shape:
            raise DataError(f"{name} has weights of shape {given.shape} for {len(held)} classes: give one for each")
        return cls(name, kind, held, _shares(held * given, name))

    @classmethod
    def adjusted(cls, name: str, counts: ArrayLike, tau: float = 1.0) -> Correction:
        """Logit adjustment by ``tau`` times the log of the shares of ``counts`` (k,)."""
        held = _shares(counts, name)
        left = np.where(held > 0, np.power(np.where(held > 0, held, 1.0), 1 - tau), 0.0)
        return cls(name, "logit_adjustment", held, left / left.sum())

    @classmethod
    def moved(
        cls, name: str, scores_from: ArrayLike, deployed: ArrayLike | None = None, kind: Kind = "thresholds"
    ) -> Correction:
        """Thresholds or a prior correction of a model, or LDAM's margins.

        Parameters
        ----------
        name : str
        scores_from : array_like, shape (k,)
            Counts or shares that the model was trained for whose scores they were computed from; for margins the counts
            that these were.
        deployed : array_like, shape (k,), optional
            Shares that they decide for; the same for each class where it is not given.
        kind : {"thresholds", "prior_correction", "margin"}
        """
        held = _shares(scores_from, name)
        left = np.full(len(held), 1 / len(held)) if deployed is None else _shares(deployed, name)
        return cls(name, kind, held, left)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corrections(Answer):
    """Corrections that do not correct the same thing twice, in order.

    Attributes
    ----------
    names : tuple of str
        What is done; a published pair counts as one.
    shares : tuple of tuple of float
        Share of each class before everything, and after each.
    classes : tuple of str
    """

    names: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]

    question = "Is the imbalance corrected once?"

    def headline(self) -> str:
        """One sentence: what is done, and from which to which share of the rarest class it goes."""
        if not self.names:
            return "Nothing is done about the imbalance."
        rarest = int(np.argmin(self.shares[0]))
        before, after = self.shares[0][rarest], self.shares[-1][rarest]
        return (
            f"{' and then '.join(self.names)}: {self.classes[rarest]!r} counts as {after:.1%} instead of {before:.1%}, "
            f"and nothing is corrected twice."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the share of each class before everything and after each step."""
        import pandas as pd

        return pd.DataFrame(
            self.shares, index=pd.Index(["as given", *self.names], name="after"), columns=list(self.classes)
        )


def check_corrections(
    counts: ArrayLike,
    corrections: Sequence[Correction],
    *,
    classes: Sequence[str] | None = None,
    damage: Damage | None = None,
) -> Corrections:
    """Refuse what corrects an imbalance that an earlier step has already corrected.

    Each step says which shares of the classes it was computed from and which it leaves. The first may be anything that
    was computed from ``counts``. Every later one must be computed from what the steps before it leave, otherwise the
    rare class counts too much: with 5 % of positives, over-sampling and class weights that both start from 5 % make it
    95 %. A focal loss with class weights and LDAM with deferred reweighting were published as pairs and are one step.

    Parameters
    ----------
    counts : array_like, shape (k,)
        Examples of each class in the training rows, before anything.
    corrections : sequence of Correction
        In the order in which they act.
    classes : sequence of str, optional
        Names.
    damage : Damage, optional
        What :func:`headstart.imbalance.measured_damage` found on these features, to be told with the refusal.

    Returns
    -------
    Corrections

    Raises
    ------
    DataError
        If a correction is computed from shares that are not there any more; or if shapes do not fit.

    References
    ----------
    van den Goorbergh, van Smeden, Timmerman and Van Calster (2022), The harm of class imbalance corrections for risk
    prediction models, JAMIA 29: what even one of them does to calibration.

    Examples
    --------
    >>> counts = [950, 50]
    >>> once = Correction.resampled("over-sampling", counts, [950, 950])
    >>> check_corrections(counts, [once]).shares[-1]
    (0.5, 0.5)
    >>> again = Correction.weighted("class_weight='balanced'", counts, [0.53, 10])
    >>> check_corrections(counts, [once, again])
    Traceback (most recent call last):
    headstart.results.errors.DataError: class_weight='balanced' is computed from shares (0.950, 0.050) ...
    """
    now = _shares(counts, "counts")
    names = tuple(str(code) for code in range(len(now))) if classes is None else tuple(classes)
    if len(names) != len(now):
        raise DataError(f"{len(names)} class names for {len(now)} counts: give one for each")
    for step in corrections:
        for shares in (step.computed_from, step.leaves):
            checked_shares(shares, len(now), step.name)
    done: list[str] = []
    chain = [now]
    for step in _joined(corrections):
        if _distance(step.computed_from, now) > _NEAR:
            raise DataError(_refusal(step, now, done, names, damage))
        now = step.leaves
        done.append(step.name)
        chain.append(now)
    return Corrections(names=tuple(done), shares=tuple(tuple(part.tolist()) for part in chain), classes=names)


def _joined(corrections: Sequence[Correction]) -> list[Correction]:
    """Return the corrections with neighbours that were published as a pair made one."""
    found: list[Correction] = []
    whole: set[int] = set()  # places that hold a pair already
    for step in corrections:
        last = found[-1] if found else None
        pair = last is not None and len(found) - 1 not in whole and frozenset({last.kind, step.kind}) in PAIRS
        if last is None or not pair or _distance(last.computed_from, step.computed_from) > _NEAR:
            found.append(step)
            continue
        weights = step if step.kind in ("class_weight", "deferred_weights") else last
        name = f"{last.name} with {step.name}"
        found[-1] = Correction(name, weights.kind, last.computed_from, weights.leaves)
        whole.add(len(found) - 1)
    return found


def _refusal(step: Correction, now: Floats, done: Sequence[str], names: Sequence[str], damage: Damage | None) -> str:
    if not done:
        return (
            f"{step.name} is computed from shares {_listed(step.computed_from)} but the training rows have "
            f"{_listed(now)}: compute it from the training rows"
        )
    ratio = np.divide(step.leaves, step.computed_from, out=np.zeros_like(now), where=step.computed_from > 0)
    both = now * ratio
    both = both / both.sum() if both.sum() > 0 else both
    wrong = int((both - step.leaves).argmax())
    measured = f"; measured here, {damage.told()}" if damage is not None else ""
    return (
        f"{step.name} is computed from shares {_listed(step.computed_from)} but {' and '.join(done)} already leaves "
        f"{_listed(now)}: both together would make {names[wrong]!r} count as {both[wrong]:.0%} instead of "
        f"{step.leaves[wrong]:.0%}{measured}; use one of them, or compute {step.name} from what {done[-1]} leaves"
    )


def _shares(counts: ArrayLike, name: str) -> Floats:
    held = np.asarray(counts, dtype=np.float64)
    if held.ndim != 1 or not len(held) or not np.isfinite(held).all() or not (held >= 0).all() or held.sum() <= 0:
        raise DataError(f"{name}: {held.tolist()} are no counts of classes; give numbers, none negative, not all 0")
    return np.asarray(held / held.sum())


def _distance(a: Floats, b: Floats) -> float:
    """Return the total variation between two distributions, 0 to 1."""
    return float(np.abs(a - b).sum() / 2)


def _listed(shares: Floats, most: int = 4) -> str:
    shown = ", ".join(f"{share:.3f}" for share in shares[:most])
    return f"({shown}{', ...' if len(shares) > most else ''})"

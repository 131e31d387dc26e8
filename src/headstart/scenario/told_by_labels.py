"""Whether the classes' shares have moved, and whether that is all that has: the two ways to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.scenario.basis import Basis, Floats
from headstart.scenario.classifier_test import told_apart
from headstart.scenario.finding import p_text
from headstart.scenario.label_shift import LabelShift, bbse, resampled, says_test, shares_test
from headstart.scenario.source_model import SourceModel

Codes = NDArray[np.int64]
_N_DRAWS = 1999


def counted_shift(
    counts: Codes, seen: Basis, ns: int, codes: Codes, classes: Sequence[str], *, level: float, n_permutations: int,
    rng: np.random.Generator,
) -> LabelShift:  # fmt: skip
    """Return what labels on both sides say.

    Parameters
    ----------
    counts : ndarray of int, shape (2, k)
        Rows of each shared class: source, target.
    seen, ns, codes
        Rows of shared classes, of which the first ``ns`` are the source's, and their classes.
    """
    p_value = shares_test(counts, _N_DRAWS, rng)
    shares = counts / counts.sum(axis=1, keepdims=True)
    moved = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    within, differs = None, False
    if p_value <= level:
        within = told_apart(seen, ns, codes, n_permutations, rng).p_value
        differs = within > level
        text = f"The classes' shares have moved by {moved:.0%} ({p_text(p_value)})" + (
            f", and within the classes X is the same ({p_text(within)}): label shift."
            if differs
            else f", but within the classes X is another too ({p_text(within)}): no label shift."
        )
    else:
        text = f"No evidence that the classes' shares differ ({p_text(p_value)})."
    return LabelShift(
        differs=differs, sentence=text, statistic=moved, measure="shares that moved", p_value=p_value, effect=moved,
        classes=tuple(classes), source_shares=tuple(shares[0].tolist()), target_shares=tuple(shares[1].tolist()),
        method="counted", within=within,
    )  # fmt: skip


def estimated_shift(
    model: SourceModel, codes: Codes, seen: Basis, classes: Sequence[str], *, level: float, n_permutations: int,
    rng: np.random.Generator,
) -> LabelShift:  # fmt: skip
    """Return what a source model's probabilities of unlabelled target rows say.

    The shares are estimated by maximum likelihood (:func:`headstart.imbalance.estimate_prior`) and by
    :func:`headstart.scenario.bbse`. Whether label shift is all there is, is tested: source rows are drawn such that
    their classes have the estimated shares; if P(X given Y) is the same, no classifier can tell them from the target.

    Parameters
    ----------
    model : SourceModel
    codes : ndarray of int, shape (ns,)
        The source's classes.
    seen : Basis
        The source's rows, then the target's.
    """
    from headstart.imbalance.prior import estimate_prior

    ns, k = len(codes), len(classes)
    before = np.bincount(codes, minlength=k) / ns
    said = model.target.mean(axis=0)
    facts: dict[str, Any] = {
        "classes": tuple(classes), "source_shares": tuple(before.tolist()), "measure": "shares that moved",
    }  # fmt: skip
    if not _knows_more(model.source, codes, before):
        return LabelShift(
            differs=None, **facts,
            sentence="Whether the classes' shares have moved cannot be told: a source model does not know the classes "
            "from X, even in the source.",
        )  # fmt: skip
    likely, other = estimate_prior(said, _calibrated(model.source)).prior, bbse(model.source, codes, said)
    moved = 0.5 * float(np.abs(likely - before).sum())
    p_value = says_test(model.source, said)
    facts |= {
        "target_shares": tuple(likely.tolist()), "bbse": tuple(other.tolist()), "method": "estimated",
        "statistic": moved, "effect": moved, "p_value": p_value,
    }  # fmt: skip
    if p_value > level:
        return LabelShift(
            differs=False, sentence=f"No evidence that the classes' shares differ ({p_text(p_value)}).", **facts
        )
    rows = resampled(codes, likely, rng)
    target = np.arange(ns, len(seen.linear))
    within = told_apart(seen.take(np.concatenate([rows, target])), len(rows), None, n_permutations, rng).p_value
    if within > level:
        text = (
            f"Shares of the classes that moved by {moved:.0%} explain the difference in P(X) ({p_text(within)}): label "
            "shift."
        )
        few = (f"only {len(rows):,} source rows could be drawn to check that",) if len(rows) < 100 else ()
        return LabelShift(differs=True, sentence=text, within=within, warnings=few, **facts)
    text = f"Other shares of the classes do not explain the difference in P(X) ({p_text(within)})."
    return LabelShift(
        differs=None, sentence=f"{text} Whether they moved as well cannot be told.", within=within, **facts
    )


def _calibrated(source: Floats) -> Floats:
    """Return the shares that the model itself says of the source: what its probabilities are relative to."""
    return np.asarray(source.mean(axis=0) / source.mean(axis=0).sum())


def _knows_more(source: Floats, codes: Codes, shares: Floats) -> bool:
    """Return whether the model's loss is lower than that of the shares, by two standard errors."""
    n = np.arange(len(codes))
    gain = np.log(np.maximum(source[n, codes], 1e-6)) - np.log(shares[codes])
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(codes)))

"""From features, or the bake-off, to a model that was measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline import deploying
from headstart.pipeline.balancing import balanced_decisions, balanced_head
from headstart.pipeline.carrying import carried_head
from headstart.pipeline.findings import Findings, Tell
from headstart.pipeline.judging import judge
from headstart.pipeline.plan import Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.pipeline.carrying import Features
    from headstart.pipeline.model import Model


def linear_model(
    found: Findings, X: NDArray[np.floating], tell: Tell, quiet: bool, other: Target | None, features: Features
) -> Model:
    """Choose, fit and measure the head."""
    from headstart.evaluation import cross_validate
    from headstart.features.graph import LAST
    from headstart.pipeline.model import Model
    from headstart.training import LogisticHead

    target, seed, scaling = found.target, found.settings.seed, found.settings.scaling
    development = target.rows("train", "val")
    y, groups = target.y, target.groups
    with found.timed("cross_validation"):
        found.validation = cross_validate(
            X[development], y[development], groups[development], classes=target.classes, random_state=seed,
            scaling=scaling, quiet=quiet,
        )  # fmt: skip
    tell(found.validation)
    head = LogisticHead(C=found.validation.C, scaling=scaling).fit(X[development], y[development])
    table, expected = found.validation.probabilities, found.validation.estimate
    if other is not None:
        head = carried_head(found, other, X[development], found.validation.C, features, quiet=quiet)
        assert found.carried is not None
        table, expected = found.carried.probabilities, found.carried.estimate
        for answer in (found.scenario, found.carried, found.verdict):
            if answer is not None:
                tell(answer)
    out_of_fold = table
    parts = ((found.source, (LAST,)),) if found.source else ()
    if found.settings.calibration == "none":
        head, offsets = balanced_head(found, X[development], head, found.validation.C)
        model = Model(parts, head)
    else:
        model, table = deploying.calibrated(found, Model(parts, head), table, tell)
        offsets = balanced_decisions(found, table)
    probabilities = np.full((len(target), len(target.classes)), np.nan)
    usable = np.isfinite(X).all(axis=1)
    probabilities[usable] = model.predict_proba(X[usable])
    probabilities[development] = table
    decisions = _decisions(probabilities, offsets)
    if found.balance is not None:
        probabilities[development], decisions[development] = found.balance.probabilities, found.balance.decisions
        tell(found.balance)
    judge(found, probabilities, decisions, out_of_fold, expected, tell)
    if found.settings.final:
        everything = target.rows("train", "val", "test")
        head = LogisticHead(C=found.validation.C, scaling=scaling).fit(X[everything], y[everything])
        model = deploying.with_calibration(found, Model(model.parts, head))
    return deploying.with_deployment(found, dataclasses.replace(model, offsets=_told(offsets)))


def contested_model(found: Findings, plan: Plan, work: Path, tell: Tell, limit: int, quiet: bool) -> Model:
    """Let the candidates compete, and measure the model that was made."""
    from headstart.features.activations import compute
    from headstart.pipeline.contest import contest

    target, choice = found.target, plan.choice
    assert target.pictures is not None
    model, probabilities = contest(found, choice, work, tell, cache_size=limit, quiet=quiet)
    development, test = target.rows("train", "val"), target.rows("test")
    model, probabilities[development] = deploying.calibrated(found, model, probabilities[development], tell)
    if len(test):
        pictures, activations = target.pictures.subset(test), []
        for source, taps in model.parts:
            activations.append(
                compute(
                    pictures, source, taps=taps, choice=choice, cache_size=limit, label=f"{source.name}: features",
                    quiet=quiet,
                )
            )  # fmt: skip
            found.count(activations[-1].n_passed, activations[-1].n_damaged)
        if model.handmade:
            from headstart.features.handmade import handmade_features

            read = handmade_features(pictures)
        else:
            read = model.concatenate(activations)
        probabilities[test] = model.predict_proba(read)
    assert found.bakeoff is not None and found.plain is not None
    offsets = balanced_decisions(found, probabilities[development])
    offsets = deploying.network_offsets(found) if offsets is None else offsets
    decisions = _decisions(probabilities, offsets)
    if found.balance is not None:
        known = np.flatnonzero(np.isfinite(probabilities[development]).all(axis=1))
        decisions[development[known]] = found.balance.decisions
        tell(found.balance)
    handed_back = found.verdict is not None and found.verdict.answer == "hurts"  # the estimate is not of the baseline
    expected = None if handed_back else found.bakeoff.estimate
    judge(found, probabilities, decisions, found.plain, expected, tell)
    return deploying.with_deployment(found, dataclasses.replace(model, offsets=_told(offsets)))


def _decisions(probabilities: NDArray[np.float64], offsets: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """Return the class that is said of each row; of a row without probabilities, any."""
    from headstart.imbalance import decide

    known = np.nan_to_num(probabilities)
    return np.asarray(known.argmax(axis=1) if offsets is None else decide(known, offsets))


def _told(offsets: NDArray[np.float64] | None) -> tuple[float, ...]:
    return () if offsets is None or not offsets.any() else tuple(offsets.tolist())

"""What a fit is told of where its model will be used: calibration, the shares of the classes there, what mistakes cost.

Calibration comes after everything that trains, and before everything that takes a probability at its word.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from headstart.imbalance import NetworkCorrection
    from headstart.imbalance._labels import Codes, Floats
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.model import Model
    from headstart.results import Answer

    Tell = Callable[[Answer], None]


def check_options(
    strategy: str, balance: str, calibration: str, cost: Any, prevalence: object, loss: str, batches: str
) -> None:
    """Refuse what does not go together, before anything is read.

    Raises
    ------
    DataError
        In one line, what does not, and the way out.
    """
    from headstart.evaluation.calibrate import WAYS
    from headstart.imbalance import network_correction
    from headstart.imbalance.balance import DECIDED, NONE

    if calibration not in ("auto", *WAYS):
        raise DataError(f"no calibration {calibration!r}: choose auto, {', '.join(WAYS)}")
    if calibration != "none" and balance not in ("auto", *DECIDED):
        raise DataError(
            f"balance={balance!r} trains another head, calibration={calibration!r} takes the plain one: leave one out, "
            f"or choose balance among auto, {', '.join(DECIDED)}"
        )
    for name, value in (("cost", cost), ("prevalence", prevalence)):
        if value is not None and balance != NONE:
            raise DataError(
                f"{name} says what is decided and so does balance={balance!r}, which starts from the shares of the "
                "data: leave one of the two out"
            )
    if not network_correction(loss, batches).is_plain and strategy != "auto":
        raise DataError(
            f"loss={loss!r} and batches={batches!r} are for networks: take strategy='auto', or for a head, which is "
            "fitted to convergence, balance='logit-adjustment' or 'class-weights' (what balanced batches come to there)"
        )
    if not network_correction(loss, batches).is_plain and (cost is not None or prevalence is not None):
        raise DataError(
            f"loss={loss!r} and batches={batches!r} say what is decided, and so do cost and prevalence: leave one out"
        )


def told_cost(cost: Any) -> str | list[list[float]] | None:
    """Return a cost as the plan keeps it: ``"fn=10,fp=1"``, the text of a table that a path leads to, or a matrix."""
    if cost is None:
        return None
    if isinstance(cost, (str, Path)):
        text = str(cost)
        if isinstance(cost, str) and "=" in text and not Path(text).is_file():
            return text
        try:
            return Path(text).read_text(encoding="utf-8").strip() + "\n"
        except (OSError, UnicodeDecodeError):
            raise DataError(f"no cost {text!r}: write it like 'fn=10,fp=1', or give a CSV table of costs") from None
    return [[float(value) for value in row] for row in np.asarray(cost, dtype=np.float64)]


def checked(found: Findings) -> None:
    """Say before any work what is wrong with costs, prevalence, or a loss beside batches.

    Raises
    ------
    DataError
        In one line, what, and the way out.
    """
    from headstart.imbalance import cost_matrix, network_correction, parse_prevalence

    settings, target = found.settings, found.target
    network_correction(settings.loss, settings.batches)
    if settings.prevalence is not None:
        parse_prevalence(settings.prevalence, target.classes, _positive(found))
    if settings.cost is not None:
        cost_matrix(settings.cost, target.classes, _positive(found))


def checked_network(found: Findings, features: NDArray[np.floating]) -> NetworkCorrection:
    """Return how networks are trained; what corrects twice is refused, with the damage on these features (n, d)."""
    from headstart.imbalance import measured_damage, network_correction
    from headstart.imbalance.networks import CROSS_ENTROPY, NATURAL, check_network

    settings, target = found.settings, found.target
    correction = network_correction(settings.loss, settings.batches)
    if settings.loss == CROSS_ENTROPY or settings.batches == NATURAL:
        return correction
    development = target.rows("train", "val")
    counts = np.bincount(target.y[development], minlength=len(target.classes))
    try:
        check_network(correction, counts, target.classes)
    except DataError:
        labels, groups = target.y[development], target.groups[development]
        damage = measured_damage(features, labels, groups, C=0.01, random_state=settings.seed)
        check_network(correction, counts, target.classes, damage)
    return correction


def network_offsets(found: Findings) -> Floats | None:
    """Return the offsets of the decisions (k,) that loss and batches train for; ``None`` where they correct nothing."""
    from headstart.imbalance import network_correction

    settings, target = found.settings, found.target
    correction = network_correction(settings.loss, settings.batches)
    if correction.is_plain or settings.balance != "none":
        return None
    counts = np.bincount(target.y[target.rows("train", "val")], minlength=len(target.classes))
    shift = correction.shift(counts)
    return np.asarray(shift.mean() - shift)


def calibrated(found: Findings, model: Model, table: Floats, tell: Tell) -> tuple[Model, Floats]:
    """Return the model with its calibration, and its out-of-fold probabilities (n, k) as they are then.

    Rows without a prediction are NaN and stay so.
    """
    from headstart.evaluation import calibrate

    settings, target = found.settings, found.target
    if settings.calibration == "none":
        return model, table
    development = target.rows("train", "val")
    rows = np.flatnonzero(np.isfinite(table).all(axis=1))
    with found.timed("calibration"):
        found.calibrating = calibrate(
            target.y[development][rows], table[rows], groups=target.groups[development][rows],
            way=settings.calibration, random_state=settings.seed,
        )  # fmt: skip
    tell(found.calibrating)
    after = np.full_like(table, np.nan)
    after[rows] = found.calibrating.after
    return with_calibration(found, model), after


def with_calibration(found: Findings, model: Model) -> Model:
    """Return the model, fitted and no more, with the calibration that was found, if any was."""
    answer = found.calibrating
    if answer is None or answer.taken == "none":
        return model
    if answer.isotonic is not None:
        return dataclasses.replace(model, calibration=answer.isotonic)
    return model.with_logits(answer.sharpness)


def deploy(found: Findings, probabilities: Floats, decisions: Codes, tell: Tell) -> Codes:
    """Return the decisions (n,) for the shares and costs of where the model is used; the old ones if none were given.

    ``probabilities`` (n, k) answer for the shares of the data; those of the development part are out of fold.
    """
    from headstart.imbalance import bayes_decision, cost_matrix, deployed, parse_prevalence

    settings, target, positive = found.settings, found.target, _positive(found)
    if settings.cost is None and settings.prevalence is None:
        return decisions
    development = target.rows("train", "val")
    rows = development[np.isfinite(probabilities[development]).all(axis=1)]
    prevalence = settings.prevalence
    with found.timed("deployment"):
        found.deployment = deployed(
            target.y[rows], probabilities[rows],
            prior=None if prevalence is None else parse_prevalence(prevalence, target.classes, positive),
            cost=None if settings.cost is None else cost_matrix(settings.cost, target.classes, positive),
            groups=target.groups[rows], classes=target.classes, random_state=settings.seed,
        )  # fmt: skip
    tell(found.deployment)
    known = np.isfinite(probabilities).all(axis=1)
    said = decisions.copy()
    said[known] = bayes_decision(corrected(found, probabilities)[known], found.deployment.cost)
    return said


def corrected(found: Findings, probabilities: Floats) -> Floats:
    """Return probabilities (n, k) as they are where the model is used; rows that are NaN stay so."""
    if found.settings.prevalence is None:
        return probabilities
    table = probabilities * _ratio(found)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def with_deployment(found: Findings, model: Model) -> Model:
    """Return the model, its probabilities being those of the data, as it is where it is used."""
    answer = found.deployment
    if answer is None:
        return model
    if found.settings.prevalence is not None:
        model = dataclasses.replace(model, prior=answer.deployed)
        if model.calibration is None:
            model = model.with_logits(1.0, np.log(_ratio(found)))
        else:
            model = dataclasses.replace(model, calibration=model.calibration.scaled(_ratio(found)))
    return dataclasses.replace(model, cost=answer.cost) if answer.given_cost else model


def _positive(found: Findings) -> str | None:
    assert found.metric is not None
    return None if found.metric.positive is None else str(found.metric.positive)


def _ratio(found: Findings) -> NDArray[np.float64]:
    """Return by how much each class (k,) is more frequent where the model is used."""
    assert found.deployment is not None
    return np.asarray(np.array(found.deployment.deployed) / np.array(found.deployment.trained))

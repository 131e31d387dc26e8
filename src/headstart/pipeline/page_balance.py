"""The page's sections on balance: calibration, the ways compared, curves before and after, where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.report import Block, Decision, Figure, Section, answer_section

if TYPE_CHECKING:
    from headstart.evaluation import Calibrating
    from headstart.imbalance import Balance, Deployment
    from headstart.pipeline.findings import Findings


def balance_sections(found: Findings) -> list[Section]:
    """Return the sections of what was done about probabilities and decisions; none where nothing was asked for."""
    sections = []
    if found.calibrating is not None:
        sections.append(_calibrating(found.calibrating))
    if found.balance is not None:
        sections.append(_balance(found.balance))
    if found.deployment is not None:
        sections.append(_deployment(found.deployment))
    return sections


def _calibrating(answer: Calibrating) -> Section:
    frame = answer.to_frame()
    decision = Decision(
        f"Calibration: {answer.taken}.",
        f"Compared on {answer.n:,} development examples by log loss, each by what was fitted on others. Taken is the "
        "simplest within one standard error of the best. It comes after all that trains, and before thresholds, costs "
        "and shares.",
        frame,
        list(frame.index).index(answer.taken),
        "--calibration WAY",
    )
    plot = Figure(answer.plot(), "What the probability of the predicted class has meant, out of fold")
    return answer_section(answer, plot, decision, table=False)


def _balance(answer: Balance) -> Section:
    from headstart.imbalance.plots import calibration_curves, precision_recall, roc

    frame = answer.to_frame()
    why = (
        f"Compared on {answer.n:,} development examples by {answer.metric}, decisions being made on rows that neither "
        "trained nor tuned. Taken are tuned thresholds, or the best way where its gain over them has a paired 95 % "
        "interval above 0; nothing is moved where a model that never looks at an example is about as good. The "
        "test part played no role. Whatever is taken, probabilities answer for classes as frequent as they are in the "
        "data."
    )
    decision = Decision(
        f"Correction: {answer.taken}.", why, frame, list(frame.index).index(answer.taken), "--balance WAY"
    )
    blocks: list[Block | str] = []
    if len(answer.ways) > 1:
        blocks.append(
            Figure(answer.plot(), "Gain of each way over doing nothing, with its 95 % interval; filled: taken")
        )
    blocks.append(decision)
    shown = answer.classes[answer.shown]
    if 0 < np.count_nonzero(answer.y == answer.shown) < answer.n:
        blocks += [
            Figure(roc(answer), f"{shown} against the rest, out of fold: every threshold, and where it is decided"),
            Figure(precision_recall(answer), f"{shown}: precision and recall; chance is its share, the prevalence"),
            Figure(calibration_curves(answer), f"{shown}: how often it was there where so much was said"),
        ]
    return answer_section(answer, *blocks, table=False)


def _deployment(answer: Deployment) -> Section:
    text = (
        f"Measured on {answer.n:,} development examples out of fold, each counting by how much more frequent its "
        "class is where the model is used. The figures of the test part are at its own shares."
    )
    return answer_section(answer, text)

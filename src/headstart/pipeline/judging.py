"""The test part, which is touched once, and labels that look wrong."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline import deploying
from headstart.pipeline.findings import Findings, Tell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.evaluation import Evaluation
    from headstart.metrics import Interval


def judge(
    found: Findings,
    probabilities: NDArray[np.float64],
    decisions: NDArray[np.int64],
    out_of_fold: NDArray[np.float64],
    expected: Interval | None,
    tell: Tell,
) -> None:
    """Measure what was predicted for the test part, which is touched here and once; look for wrong labels."""
    from headstart.evaluation import confident_mistakes, evaluate, label_issues

    target, seed = found.target, found.settings.seed
    development, test = target.rows("train", "val"), target.rows("test")
    y, groups = target.y, target.groups
    decisions = deploying.deploy(found, probabilities, decisions, tell)
    if len(test):
        with found.timed("evaluation"):
            found.evaluation = evaluate(
                y[test],
                probabilities[test],
                classes=target.classes,
                groups=groups[test],
                random_state=seed,
                predicted=decisions[test],
            )
        found.evaluation = dataclasses.replace(
            found.evaluation, warnings=(*_surprises(expected, found.evaluation), *found.evaluation.warnings)
        )
        tell(found.evaluation)
        found.mistakes = confident_mistakes(
            y[test], probabilities[test], target.ids[test], target.classes, predicted=decisions[test]
        )
    found.issues = label_issues(y[development], out_of_fold, target.ids[development], target.classes)
    tell(found.issues)
    found.probabilities, found.decisions = deploying.corrected(found, probabilities), decisions


def _surprises(expected: Interval | None, evaluation: Evaluation) -> tuple[str, ...]:
    """Say so where the test part is clearly harder than the development part made one expect."""
    reached = evaluation.metrics["macro_f1"]
    if expected is None or not expected.low > reached.high:
        return ()
    return (
        f"macro-F1 is {reached.value:.3f} on the test part where cross-validation expected {expected.value:.3f}: the "
        "development examples resemble one another more than they resemble the test part (other days, places or "
        "devices?); name what they share with --group, or add more varied examples",
    )

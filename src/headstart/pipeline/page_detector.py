"""The report of a detector: its answers, in the order of the questions, as sections of one page."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from headstart.detection import AveragePrecision, BoxProfile
from headstart.detection.inputs import InputSize
from headstart.detection.trained import DetectorTraining
from headstart.evaluation.verdict import TransferVerdict
from headstart.pipeline.page import provenance
from headstart.report import Decision, Details, Figure, KeyFigure, Section, Table, answer_section, render

if TYPE_CHECKING:
    from headstart.pipeline.detecting import Detected
    from headstart.pipeline.plan import Plan


def precision_of(found: Detected) -> AveragePrecision | None:
    """Return the average precision on the test part, if there was one."""
    return next((one for one in found.answers if isinstance(one, AveragePrecision)), None)


def headline(found: Detected) -> str:
    """Return what the run found, in one sentence."""
    measured = precision_of(found)
    if measured is not None:
        return measured.headline()
    return (
        f"{next(one for one in found.answers if isinstance(one, DetectorTraining)).headline()} There was no test part."
    )


def report_page(found: Detected, plan: Plan) -> str:
    """Return the page, as HTML."""
    from headstart.pipeline.page_detect import detection_sections, profile_section

    target, source, measured = found.target, found.source, precision_of(found)
    sections = []
    for answer in found.answers:
        if isinstance(answer, InputSize):
            sections.append(_size(answer))
        elif isinstance(answer, DetectorTraining):
            sections.append(_training(answer))
        elif isinstance(answer, TransferVerdict):
            plot = Figure(answer.plot(), answer.headline(), "Gain in F1 of a validation picture, with its interval")
            sections.append(answer_section(answer, plot, table=False))
    profile = next(one for one in found.answers if isinstance(one, BoxProfile))
    if measured is None:
        sections.insert(0, profile_section(profile, target))
    else:
        shown = [found.boxes[row] for row in target.rows("test").tolist()]
        first, *rest = detection_sections(target, profile, measured, shown, found.thresholds)
        sections = [first, *sections, *rest]
    parts = {part: len(target.rows(part)) for part in ("train", "val", "test")}
    return render(
        sections,
        title=target.name,
        subtitle=f"{len(target.classes):,} classes of objects · headstart fit --task detect",
        facts={
            "Pictures": f"{sum(parts.values()):,}",
            "Learned from": f"{parts['train']:,}",
            "Validated on": f"{parts['val']:,}",
            "Tested on": f"{parts['test']:,}",
            "Source": source.name,
        },
        verdict=headline(found),
        figures=[]
        if measured is None
        else [KeyFigure.of("mAP@0.5", measured.mean_ap50, "mean over the classes of the average precision at IoU 0.5")],
        provenance=provenance(plan, target.fingerprint, source),
        command=_command(plan),
    )


def _size(answer: InputSize) -> Section:
    why = (
        "The finest features stand 8 pixels apart. The size is 320, or as much as makes the small boxes of every class "
        "16 pixels wide, up to 640."
    )
    shown = Decision(f"The shorter side becomes {answer.shorter} pixels.", why, answer.to_frame())
    return answer_section(answer, shown, table=False)


def _training(answer: DetectorTraining) -> Section:
    frame = answer.to_frame()
    why = (
        "What learns is chosen by short trainings on the training part, where the budget allows them, by their mAP "
        "(IoU 0.5 to 0.95) on the validation part; so is the epoch that is kept. The test part played no role."
    )
    name = answer.courses[0].name
    shown = [
        Decision(
            f"{name[0].upper()}{name[1:]}.", why, frame, list(frame.index).index(name),
            "--strategy linear|frozen|auto, --budget MINUTES, --loss focal|class-balanced-focal|auto",
        ),
        Details("Every epoch", [
            Table(answer.by_epoch(), limit=200),
        ]),
    ]  # fmt: skip
    if any(one.scores for one in answer.courses):
        shown.insert(0, Figure(answer.plot(), "mAP on the validation part after each epoch"))
    return answer_section(answer, *shown, table=False)


def _command(plan: Plan) -> str:
    settings = plan.settings
    words = ["headstart", "fit", "DATA", "--task", "detect", "--source", settings.source, "--seed", str(settings.seed)]
    if settings.architecture:
        words += ["--architecture", settings.architecture]
    if settings.strategy != "linear":
        words += ["--strategy", settings.strategy]
    if settings.budget is not None:
        words += ["--budget", f"{settings.budget:g}"]
    if settings.loss != "focal":
        words += ["--loss", settings.loss]
    return " ".join(shlex.quote(word) for word in words)

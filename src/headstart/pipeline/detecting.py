"""``fit(task="detect")``: a detector on a pretrained trunk, measured, with its verdict and its run folder."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.pipeline.detector_run import DetectorRun, write_detector
from headstart.pipeline.findings import Tell
from headstart.pipeline.opening import open_run
from headstart.pipeline.plan import Settings
from headstart.results import Answer, HeadstartError
from headstart.results.team import team

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.detection.boxes import Boxes, DetectionTarget
    from headstart.detection.inputs import InputSize
    from headstart.detection.network import Detector
    from headstart.evaluation.verdict import TransferVerdict
    from headstart.sources import Source

STRATEGIES = ("linear", "frozen", "auto")
LOSSES = {"focal": "none", "class-balanced-focal": "sqrt", "auto": "auto"}


@dataclasses.dataclass
class Detected:
    """What a fit of a detector has found so far.

    ``taken`` is what the final detector started from: ``source``, or the same network with random weights. ``boxes``
    are what it finds, by row of the target; ``thresholds`` say from which score on a box of a class is said, and are
    chosen on the validation part.
    """

    target: DetectionTarget
    settings: Settings
    source: Source
    taken: Source
    size: InputSize
    answers: list[Answer] = dataclasses.field(default_factory=list)
    boxes: dict[int, Boxes] = dataclasses.field(default_factory=dict)
    thresholds: tuple[float, ...] = ()
    times: dict[str, Any] = dataclasses.field(default_factory=dict)


def fit_detector(
    data: Any,
    *,
    out: str | Path | None = None,
    source: str | Path | Source = "lite0",
    architecture: str | None = None,
    split: str | None = None,
    test_size: float = 0.2,
    seed: int = 0,
    strategy: str = "linear",
    budget: float | None = None,
    loss: str = "focal",
    batch_size: int = 4,
    max_unreadable: float = 0.1,
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    tell: Tell | None = None,
) -> DetectorRun:
    """Make a checked, usable detector of pictures with boxes; ``headstart.fit(task="detect")`` calls this.

    Parameters
    ----------
    data : path or DetectionTarget
        COCO JSON, Pascal VOC or YOLO text; see ``headstart.detection.load_detection_target``.
    out, architecture, split, test_size, seed, max_unreadable, device, quiet, tell
        See ``headstart.fit``.
    source : str, Path or Source
        A network with activations at strides 8, 16 and 32. ``"auto"`` is no source here: the ranking is of classes.
    strategy : {"linear", "frozen", "auto"}
        ``"linear"``: a detector from the source, its first stages frozen as far as short trainings on the validation
        part say; ``"frozen"``: the whole trunk frozen; ``"auto"``: as ``"linear"``, and the same detector from scratch
        in the same time, with the verdict on the validation part. Where transfer hurts, that one is handed back.
    budget : float, optional
        Minutes that all trainings together may take; 20 by default.
    loss : {"focal", "class-balanced-focal", "auto"}
        Whether objects of rare classes weigh more; ``"auto"`` compares on the validation part if the budget allows.
    batch_size : int
        Pictures a step.
    cache_size : int, optional
        Not used: pictures and boxes move together in every epoch, so that nothing of a pass can be kept.

    Raises
    ------
    HeadstartError
        In one line, what is wrong with the data, the source or the run folder, and the way out.
    """
    from headstart.detection import average_precision, load_detection_target, profile_boxes
    from headstart.detection.contest import DetectorContest, blank
    from headstart.detection.inputs import choose_input
    from headstart.detection.network import levels
    from headstart.detection.trained import DetectorTraining
    from headstart.features.backends import choose_backend
    from headstart.sources import get

    _check(strategy, loss, source, budget)
    ours = team()
    if not ours.leads:
        quiet, tell = True, None
    tell = tell or (lambda answer: None)
    started = time.perf_counter()
    target = load_detection_target(
        data, split=split, test_size=test_size, random_state=seed, max_unreadable=max_unreadable, quiet=quiet
    )
    trunk = get(source, architecture=architecture)
    levels(trunk.network(), trunk.name)
    if strategy == "auto" and not len(target.rows("val")):
        raise HeadstartError("no validation part to compare with scratch on: give more pictures, or --strategy linear")
    rows = target.rows("train")
    size = choose_input([target.boxes[row] for row in rows], target.sizes[rows], target.classes)
    settings = Settings(
        source=getattr(source, "name", str(source)), architecture=architecture, seed=seed, strategy=strategy,
        budget=budget, loss=loss, batch_size=batch_size, device=device, task="detect",
    )  # fmt: skip
    opened = open_run(out, settings, target, [trunk], lambda: choose_backend(trunk, backend="torch", device=device))
    folder, plan = opened.folder, opened.plan
    if opened.is_finished:
        return DetectorRun(folder)
    found = Detected(target, settings, trunk, trunk, size)
    found.times["load_seconds"] = round(time.perf_counter() - started, 3)

    def note(answer: Answer) -> None:
        found.answers.append(answer)
        tell(answer)

    note(profile_boxes(target, shorter_side=size.shorter))
    note(size)
    started = time.perf_counter()
    contest = DetectorContest(
        trunk, target, size, opened.work, budget=None if budget is None else 60 * budget, strategy=strategy,
        weights=LOSSES[loss], batch_size=batch_size, seed=seed, device=plan.device, quiet=quiet,
    )  # fmt: skip
    detector, course = contest.transferred()
    courses, other = [course], None
    if strategy == "auto":
        other, of_other = contest.from_scratch()
        courses.append(of_other)
    note(
        DetectorTraining(
            rounds=tuple(contest.rounds), courses=tuple(courses), pictures=min(contest.schedule.pictures, len(rows))
        )
    )
    found.times["training_seconds"] = round(time.perf_counter() - started, 3)
    if other is not None:
        verdict = compare(found, detector, other, plan.device)
        note(verdict)
        if verdict.answer == "hurts":
            detector, found.taken = other, blank(trunk, seed)
    shown = target.rows("val", "test")
    found.boxes = dict(zip(map(int, shown), look(found, detector, shown, plan.device), strict=True))
    found.thresholds = thresholds_of(found)
    test = target.rows("test")
    if len(test):
        note(average_precision([target.boxes[row] for row in test], [found.boxes[row] for row in test], target.classes))
    if ours.leads:
        write_detector(folder, plan, found, detector)
        opened.close()
    ours.together()
    return DetectorRun(folder)


def look(found: Detected, detector: Detector, rows: NDArray[np.int64], device: str) -> list[Boxes]:
    """Return what a detector finds in pictures of the target."""
    from headstart.detection.find import find_boxes

    pictures = found.target.pictures.subset(rows)
    boxes, _ = find_boxes(detector, pictures, found.size, found.source.preprocessing.mean, device=device)
    return boxes


def compare(found: Detected, detector: Detector, other: Detector, device: str) -> TransferVerdict:
    """Return the verdict on both detectors' scores of each picture of the validation part."""
    from headstart.detection.scoring import best_thresholds, picture_scores
    from headstart.evaluation import transfer_verdict

    rows, n_classes = found.target.rows("val"), len(found.target.classes)
    truth, scores = [found.target.boxes[row] for row in rows], []
    for one in (detector, other):
        boxes = look(found, one, rows, device)
        scores.append(picture_scores(truth, boxes, best_thresholds(truth, boxes, n_classes), n_classes))
    return transfer_verdict(*scores, random_state=found.settings.seed)


def thresholds_of(found: Detected) -> tuple[float, ...]:
    """Return the score of each class from which on its boxes are said, by their F1 on the validation part."""
    from headstart.detection.scoring import best_thresholds

    rows = found.target.rows("val").tolist()
    truth, boxes = [found.target.boxes[row] for row in rows], [found.boxes[row] for row in rows]
    return tuple(best_thresholds(truth, boxes, len(found.target.classes)).tolist())


def _check(strategy: str, loss: str, source: object, budget: float | None) -> None:
    if strategy not in STRATEGIES:
        raise HeadstartError(f"strategy={strategy!r}: choose {', '.join(STRATEGIES)}")
    if loss not in LOSSES:
        raise HeadstartError(f"a detector has no loss {loss!r}: choose {', '.join(LOSSES)}")
    if source == "auto":
        raise HeadstartError("sources are ranked by classes, not by boxes: name one, such as --source lite0")
    if budget is not None and budget <= 0:
        raise HeadstartError(f"budget={budget:g} minutes leave no time to train: give more")

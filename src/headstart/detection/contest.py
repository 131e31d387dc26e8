"""Detectors trained by a schedule, each kept until the run is finished, so that one that was stopped goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.detection.network import Detector
from headstart.detection.schedule import DetectorPace, DetectorSchedule, measure_pace, plan_training
from headstart.detection.train import RECIPE, SCRATCH, Way, mean_precision, train_detector, ways_to_freeze
from headstart.detection.trained import Course
from headstart.finetuning.freezing import HEAD
from headstart.results import plain
from headstart.results.files import write_bytes, write_json
from headstart.results.team import team
from headstart.results.terminal import progress
from headstart.sources.card import Card
from headstart.sources.source import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.detection.boxes import DetectionTarget
    from headstart.detection.inputs import InputSize

LONGEST = 20 * 60.0  # seconds of all trainings together where nothing was said
WEIGHTED = "sqrt"  # the weighting that is compared with none


class DetectorContest:
    """Trains detectors on a target's training part and compares them on its validation part.

    Parameters
    ----------
    source : Source
    target : DetectionTarget
    size : InputSize
    folder : Path
        Where schedule, scores and trained weights are kept until the run is finished.
    budget : float or None
        Seconds that all of it may take.
    strategy : {"linear", "frozen", "auto"}
        ``"frozen"`` leaves the whole trunk as it is; ``"auto"`` also trains the network from scratch.
    weights : {"none", "sqrt", "auto"}
        How objects of rare classes are weighted; ``"auto"`` compares.
    batch_size, seed : int
    device : str
    quiet : bool
    """

    def __init__(
        self,
        source: Source,
        target: DetectionTarget,
        size: InputSize,
        folder: Path,
        *,
        budget: float | None = None,
        strategy: str = "linear",
        weights: str = "none",
        batch_size: int = RECIPE.batch_size,
        seed: int = 0,
        device: str = "cpu",
        quiet: bool = True,
    ) -> None:
        self.source, self.target, self.size, self.folder = source, target, size, folder
        self.strategy, self.weights, self.seed, self.device, self.quiet = strategy, weights, seed, device, quiet
        self.batch_size = batch_size
        self.train_rows = target.rows("train")
        self.rounds: list[Course] = []
        self.schedule = team().first(lambda: self._schedule(LONGEST if budget is None else budget))
        drawn = np.random.default_rng(seed).permutation(target.rows("val"))[: self.schedule.judged]
        self.judged: NDArray[np.int64] = np.sort(drawn)

    def transferred(self) -> tuple[Detector, Course]:
        """Return the detector that starts from the source, trained in the way that did best in short rounds."""
        way = self._choose()
        return self._trained(self.source, way, self.schedule.epochs[way.until])

    def from_scratch(self) -> tuple[Detector, Course]:
        """Return the same detector on a trunk of random weights, trained as long."""
        return self._trained(blank(self.source, self.seed), Way(scratch=True), self.schedule.scratch)

    def _choose(self) -> Way:
        plan = self.schedule
        ways = [Way(until, "none" if self.weights == "auto" else self.weights) for until in plan.ways]
        if not plan.short:
            return ways[0]
        best = self._best(ways)
        if self.weights == "auto":
            best = self._best([best, dataclasses.replace(best, weights=WEIGHTED)])
        return best

    def _best(self, ways: Sequence[Way]) -> Way:
        scores = []
        for way in ways:
            _, course = self._trained(self.source, way, self.schedule.short, tried=True)
            assert course.score is not None
            scores.append(course.score)
            if course not in self.rounds:
                self.rounds.append(course)
        return ways[int(np.argmax(scores))]  # of equals the first, which is the proposal

    def _trained(self, source: Source, way: Way, epochs: int, *, tried: bool = False) -> tuple[Detector, Course]:
        """Return a detector trained for so many epochs: the one that stands in the folder, else a new one."""
        from safetensors.torch import load_file, save

        name = f"{way.name}-{epochs}{'-tried' if tried else ''}"
        weights, told = self.folder / f"{name}.safetensors", self.folder / f"{name}.json"
        detector = Detector(source, len(self.target.classes), seed=self.seed)
        if told.is_file():
            detector.load_state_dict(load_file(weights))
            return detector.eval(), _course(told)
        recipe = dataclasses.replace(SCRATCH if way.scratch else RECIPE, epochs=epochs, batch_size=self.batch_size)
        text = f"{source.name}, {way.text}" if not way.scratch else source.name
        n = min(self.schedule.pictures, len(self.train_rows))
        with progress(f"{text}{': trying' * tried}", n * epochs, quiet=self.quiet) as advance:
            trained = train_detector(
                detector, self.target, self.train_rows, way, self.size, source.preprocessing.mean, recipe,
                judged=self.judged[:0] if tried else self.judged, n_pictures=n, device=self.device,
                seed=self.seed, checkpoint=self.folder / f"{name}.ckpt", advance=advance,
            )  # fmt: skip
        score = trained.scores[trained.best] if trained.scores else None
        if tried:
            score = mean_precision(
                detector, self.target, self.judged, self.size, source.preprocessing.mean, device=self.device
            )
        course = Course(text, trained.losses, trained.scores, trained.best, score)
        if team().leads:
            tensors = {key: tensor.contiguous() for key, tensor in detector.state_dict().items()}
            write_bytes(weights, save(tensors))
            write_json(told, plain(course))
        team().together()
        return detector, course

    def _schedule(self, budget: float) -> DetectorSchedule:
        path = self.folder / "schedule.json"
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            return DetectorSchedule(**{**stored, "ways": tuple(stored["ways"])})
        ways = (HEAD,) if self.strategy == "frozen" else ways_to_freeze(self.source)
        scratch = self.strategy == "auto"
        width, height = (int(side) for side in np.median(self.target.sizes[self.train_rows], axis=0))
        timed = tuple(dict.fromkeys([*ways, ""] if scratch else ways))
        pace: DetectorPace = measure_pace(
            self.source, len(self.target.classes), timed, self.size, (width, height), self.device,
            batch_size=self.batch_size,
        )  # fmt: skip
        n, n_judged = len(self.train_rows), len(self.target.rows("val"))
        more = 1 if self.weights == "auto" else 0
        plan = plan_training(
            pace, n, n_judged, budget, ways=ways, scratch=scratch, more=more, batch_size=self.batch_size
        )
        write_json(path, plain(plan))
        return plan


def blank(source: Source, seed: int) -> Source:
    """Return the source's network with random weights: what a detector from scratch starts from."""
    card = Card(source.card.architecture, trained_on="nothing", n_classes=source.card.n_classes)
    return Source(f"{source.name} from scratch", card, source.preprocessing, seed=seed)


def _course(path: Path) -> Course:
    stored = json.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(stored[name]) for name in ("losses", "scores")}
    return Course(**{**stored, **lists})

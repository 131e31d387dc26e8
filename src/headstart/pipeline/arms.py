"""The bake-off of a target of pictures: what is tried, in which order, inside the budget."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.graph import LAST
from headstart.finetuning.pace import LADDER, Pace, Schedule, measure_pace, schedule
from headstart.imbalance.networks import PLAIN, NetworkCorrection
from headstart.pipeline.candidates import Bench, Candidate, frozen, handmade
from headstart.pipeline.dear import VIEWS, FineTuning, Linear
from headstart.pipeline.norm_ways import GROUP, SMALL, SOURCE, STEP, accumulated
from headstart.results.cache import cache_folder
from headstart.results.files import write_json
from headstart.results.team import team
from headstart.transfer.history import WarmStart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.sources import Source

WHOLE = ""
_DEPTHS = (0.25, 0.375, 0.5)  # shares of the stages, from the top, that are trained
_EPOCHS_OF_PLAIN = 14  # the default budget: what so many epochs of plain fine-tuning of the whole network take
_LONGEST = 20 * 60.0
_RATES = (3e-4, 1e-3)  # docs/rates.md: the first where the source is near, the second where it is far
_SCRATCH_RATE = 2e-3
_SCRATCH = 0.2  # share of the budget that starting over may take
_SCRATCH_EPOCHS = (8, 60)  # fewer show nothing
_SCRATCH_FROM = 100  # examples a class: docs/sizes.md, where it passes a frozen tap at 66 and three sources at 370


@dataclasses.dataclass(frozen=True, eq=False)
class Arms:
    """What fine-tuning is tried with.

    Attributes
    ----------
    pictures : PictureSet
        Of the development part, in the order of the bench.
    source : Source
        With its exact preprocessing.
    features : mapping of str to mapping of str to ndarray (n, d)
        By source and tap.
    sources : mapping of str to Source
    bench : Bench
    choice : Choice
        Engine and device.
    folder : Path
        Where the work is kept until the run is finished.
    cache_size : int
        Bytes that the activation cache may take.
    quiet : bool
    warm : WarmStart
        What the history says: the order in which things are tried.
    trials : int or None
        How many frozen ways are tried; all by default.
    norms : mapping of str to Source
        By way of ``Norming``, the source with its own statistics and with the target's, where both are known.
    ways : tuple of str
        The ways of ``Norming`` that are tried, the simplest first.
    batch_size : int
        Of training.
    correction : NetworkCorrection
        Loss and batches that networks are trained with.
    """

    pictures: PictureSet
    source: Source
    features: Mapping[str, Mapping[str, NDArray[np.float32]]]
    sources: Mapping[str, Source]
    bench: Bench
    choice: Choice
    folder: Path
    cache_size: int
    quiet: bool = True
    warm: WarmStart = dataclasses.field(default_factory=WarmStart)
    trials: int | None = None
    norms: Mapping[str, Source] = dataclasses.field(default_factory=dict)
    ways: tuple[str, ...] = (SOURCE,)
    batch_size: int = STEP
    correction: NetworkCorrection = PLAIN

    def frozen(self, best_tap: str) -> list[Candidate]:
        """Return the candidates that are array work, the plain one first."""
        from headstart.features.handmade import handmade_features

        tried = frozen(
            self.features, self.sources, self.bench, main=self.source.name, best_tap=best_tap, first=self.warm.ways,
            most=self.trials,
        )  # fmt: skip
        found = list(tried)
        return [*found, *handmade(handmade_features(self.pictures), self.bench)]

    def trained(
        self, plain: Candidate, budget: float | None
    ) -> tuple[list[Candidate], list[dict[str, Any]], list[str], int]:
        """Return the candidates that train a network, the rounds behind them, notes, and the pictures passed.

        Fine-tuning starts from the head of the ``plain`` candidate, fitted on the rows that are learned from. With few
        examples a class nothing is trained from random weights: all of the budget goes to fine-tuning.
        """
        from headstart.results import SourceError
        from headstart.training import LogisticHead

        def probe(rows: NDArray[np.int64], X: NDArray[np.float32] = self.features[self.source.name][LAST]) -> Linear:
            arrays = LogisticHead(C=plain.C).fit(X[rows], self.bench.y[rows]).to_arrays()
            return arrays["weight"], arrays["bias"]

        try:
            plan, starting_over = team().first(lambda: self._plans(budget))
        except SourceError as error:
            return [], [], [f"no fine-tuning: {error}"], 0
        notes = []
        allowed = f"{plan.budget / 60:.1f} minutes"
        if not plan.cuts:
            notes.append(
                f"no fine-tuning: none fits a budget of {allowed} and the cache (--budget and --cache-size give more)"
            )
        variants = {
            way: (source, functools.partial(probe, X=self._last(source)))
            for way, source in self.norms.items()
            if way in self.ways and plan.cuts
        }
        common = {**self._common(), "norms": self.ways, "variants": variants}
        arms = [FineTuning(self.source, self.pictures, probe, self.bench, plan, self.choice, **common)]
        if not self._may_start_over:
            notes.append(f"not started over: random weights need {_SCRATCH_FROM} examples a class or more")
        elif team().size > 1:
            notes.append("not started over: several processes would each have statistics of their own")
        elif starting_over is None:
            notes.append(f"not started over: a share of {_SCRATCH:.0%} of {allowed} trains nothing from random weights")
        else:
            more = self._common("scratch")
            arms.append(FineTuning(self._blank(), self.pictures, None, self.bench, starting_over, self.choice, **more))
        found = [candidate for arm in arms for candidate in arm.run()]
        rounds = [one.to_dict() for one in arms[0].rounds]
        return found, rounds, notes, sum(arm.n_passed for arm in arms)

    def _last(self, source: Source) -> NDArray[np.float32]:
        from headstart.features.activations import compute

        found = compute(
            self.pictures, source, taps=[LAST], choice=self.choice, cache_size=self.cache_size, quiet=self.quiet
        )
        return found[LAST]

    def _common(self, name: str = "tuning") -> dict[str, Any]:
        from headstart.training.loop import Recipe

        recipe = Recipe(batch_size=self.batch_size, accumulate=accumulated(self.batch_size))
        common = {
            "folder": self.folder / name, "cache_size": self.cache_size, "correction": self.correction,
            "quiet": self.quiet,
        }  # fmt: skip
        if name == "scratch":
            recipe = dataclasses.replace(recipe, head_rate=_SCRATCH_RATE, layer_decay=1.0)
            norms = (SOURCE if self.batch_size >= SMALL else GROUP,)
            return {**common, "rates": (_SCRATCH_RATE,), "recipe": recipe, "norms": norms}
        return {**common, "rates": _RATES, "recipe": recipe, "prefer": self.warm.rates}

    def _blank(self) -> Source:
        from headstart.sources.card import Card
        from headstart.sources.source import Source

        card = Card(self.source.card.architecture, trained_on="nothing", n_classes=self.source.card.n_classes)
        side = max(32, self.source.preprocessing.size[0] // 2)
        smaller = dataclasses.replace(self.source.preprocessing, size=(side, side))
        return Source(f"{self.source.name} from scratch", card, smaller, seed=self.bench.seed)

    @property
    def _may_start_over(self) -> bool:
        return len(self.bench.y) >= _SCRATCH_FROM * self.bench.n_classes

    def _plans(self, budget: float | None) -> tuple[Schedule, Schedule | None]:
        """Return the schedules of fine-tuning and of starting over: those that stand in the folder, else new ones."""
        path = self.folder / "schedule.json"
        if not path.is_file():
            pace = self._pace()
            n, share = len(self.bench.y), 1 - 1 / len(self.bench.folds)
            if budget is None:
                budget = min(_LONGEST, _EPOCHS_OF_PLAIN * n * pace.step[WHOLE])
            room = self.cache_size / (n * (1 + VIEWS.total(LADDER[0][0])))
            over = None
            # A picture of half the side has a quarter of the pixels.
            epochs = math.floor(_SCRATCH * budget / (share * n * pace.step[WHOLE] / 4))
            fits = self.source.build is None and pace.within(room).size.get(WHOLE)
            if self._may_start_over and fits and epochs >= _SCRATCH_EPOCHS[0]:
                epochs = min(epochs, _SCRATCH_EPOCHS[1])
                over = Schedule((WHOLE,), 0, (epochs,), (1,), (1,), share * n * epochs * pace.step[WHOLE] / 4, budget)
            left = budget - (over.seconds if over else 0.0)
            plan = schedule(
                pace.within(room).preferring(self.warm.cuts), n, left, share=share, n_views=VIEWS.expected,
                folds=len(self.bench.folds), more=len(self.ways) - 1,
            )  # fmt: skip
            plan = dataclasses.replace(plan, budget=budget)
            write_json(path, [dataclasses.asdict(one) if one else None for one in (plan, over)])
        first, second = json.loads(path.read_text())
        return _schedule(first), _schedule(second) if second else None

    def _pace(self) -> Pace:
        """Return the pace of this machine, measured once for a source and a kind of picture."""
        from headstart.features.backends.base import n_processors

        source = self.source.as_trained
        parts = [source.fingerprint, source.preprocessing.to_dict(), self.choice.key(), n_processors()]
        if self.batch_size != STEP:
            parts.append(self.batch_size)
        name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
        path = cache_folder() / "trials" / f"pace-{name}.json"
        cuts = cuts_of(self.source)
        try:
            kept = json.loads(path.read_text())
            return Pace(*({cut: kept[what][cut] for cut in cuts} for what in ("step", "view", "size")))
        except (OSError, ValueError, KeyError, TypeError):
            found = measure_pace(source, cuts, self.choice, decode=self._decoding(), batch_size=self.batch_size)
            write_json(path, dataclasses.asdict(found))
            return found

    def _decoding(self) -> float:
        """Return seconds a picture for decoding and augmenting it, with all processors at work."""
        import time

        from headstart.features.backends.base import n_processors
        from headstart.features.views import View

        view, rows = View(1), range(min(16, len(self.pictures)))
        at_least = view.at_least(self.source.preprocessing)
        started = time.perf_counter()
        for row in rows:
            view.draw(self.pictures.open(row, at_least), self.source.preprocessing, self.pictures.digests[row])
        return (time.perf_counter() - started) / len(rows) / n_processors()


def cuts_of(source: Source) -> tuple[str, ...]:
    """Return the cuts that are worth a try, from the top down: some shares of the stages, then the whole network."""
    from headstart.finetuning.top import splits

    stages = splits(source)[::-1]
    places = sorted({max(1, round(depth * (len(stages) + 1))) - 1 for depth in _DEPTHS if stages})
    return (*(stages[place] for place in places), WHOLE)


def _schedule(values: dict[str, Any]) -> Schedule:
    lists: dict[str, Any] = {name: tuple(values[name]) for name in ("cuts", "epochs", "n_folds", "n_rates")}
    return Schedule(**{**values, **lists})

"""Candidates of the bake-off that train a network: cuts tried on one fold, the best trained to the end on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from headstart.finetuning.finetune import Views, as_source, fine_tune, predict
from headstart.finetuning.pace import Schedule
from headstart.imbalance.networks import PLAIN, NetworkCorrection
from headstart.pipeline.candidates import Bench, Candidate, Kind
from headstart.pipeline.norm_ways import BATCH, GROUP, SOURCE, STEP
from headstart.pipeline.rounds import TOLD, Round, Way, file_name
from headstart.results.files import write_bytes
from headstart.results.team import team
from headstart.results.terminal import progress
from headstart.training.loop import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.features.cut import CutActivations
    from headstart.pipeline.model import Model
    from headstart.sources import Source

_LONG = 12  # epochs from which on a fast rate shows what it gives
VIEWS = Views(n_views=4, refresh=0.25)
_TINY = float(np.finfo(np.float64).tiny)
Linear = tuple["NDArray[np.floating]", "NDArray[np.floating]"]
Probe = Callable[["NDArray[np.int64]"], Linear]


class FineTuning:
    """Tries the cuts of a schedule, and makes the candidate of the best.

    What was trained is kept in ``folder`` until the run is finished: a run that was stopped goes on from there.

    Parameters
    ----------
    source : Source
    pictures : PictureSet
        Of the development part, in the order of the bench.
    probe : callable or None
        Returns weight (k, d) and bias (k,) of a linear probe on the last tap, fitted on the rows it is given. ``None``
        starts over: the source's weights are random, its statistics learned if it has any, the head begins at zero.
    bench : Bench
    plan : Schedule
    choice : Choice
        Engine and device.
    folder : Path
    cache_size : int
    rates : tuple of float
        Peak learning rates of the stages: the cut is chosen at the first, and trained to the end at as many as the
        schedule says.
    recipe : Recipe
        The rest; its epochs are the schedule's. A step sees 32 pictures at any smaller batch size.
    correction : NetworkCorrection
        Loss and batches. Whatever shares they train for, probabilities are moved back to those of the data.
    prefer : sequence of str
        Rates that the history would try first. Where one only fits the budget and it is trained for long enough, it
        is the first of these.
    norms : tuple of str
        Ways of ``Norming``, the simplest first: they are told apart above the highest cut.
    variants : mapping of str to (Source, callable)
        By way, a source and its probe where they are others than ``source`` and ``probe``.
    quiet : bool
    """

    def __init__(
        self,
        source: Source,
        pictures: PictureSet,
        probe: Probe | None,
        bench: Bench,
        plan: Schedule,
        choice: Choice,
        *,
        folder: Path,
        cache_size: int,
        rates: tuple[float, ...],
        recipe: Recipe | None = None,
        correction: NetworkCorrection = PLAIN,
        prefer: Sequence[str] = (),
        norms: tuple[str, ...] = (SOURCE,),
        variants: Mapping[str, tuple[Source, Probe]] | None = None,
        quiet: bool = True,
    ) -> None:
        self.source, self.pictures, self.probe, self.bench = source, pictures, probe, bench
        self.plan, self.choice, self.folder, self.quiet = plan, choice, folder, quiet
        self.rates, self.recipe = rates, recipe or Recipe()
        self.correction, self.prefer = correction, prefer
        self.norms, self.variants = norms, variants or {}
        self.rounds: list[Round] = []
        self._limit = cache_size
        self._regrouped: tuple[str, ...] = ()
        self._stores: dict[tuple[str, bool, Source], CutActivations] = {}

    @property
    def n_passed(self) -> int:
        """Pictures that went through a prefix, each view counting."""
        return sum(store.n_passed for store in self._stores.values())

    def run(self) -> list[Candidate]:
        """Return a candidate for each rate that the budget allows, trained from the best cut."""
        if not self.plan.cuts:
            return []
        way = self._choose()
        place = self.plan.cuts.index(way.cut)
        ranked = list(self.rates)
        if self.plan.epochs[place] >= _LONG:
            ranks = {rate: rank for rank, rate in enumerate(self.prefer)}
            ranked.sort(key=lambda rate: ranks.get(f"{rate:g}", len(ranks)))
        rates = ranked[: self.plan.n_rates[place]]
        return [self._candidate(dataclasses.replace(way, rate=rate)) for rate in rates]

    def _candidate(self, way: Way) -> Candidate:
        """Return what training to the end gives, on other folds than the one that the cut was chosen on."""
        from headstart.training.temperature import best_sharpness, sharpen

        plan, n_folds = self.plan, len(self.bench.folds)
        place = plan.cuts.index(way.cut)
        epochs = plan.epochs[place]
        table = np.full((len(self.bench.y), self.bench.n_classes), np.nan)
        for fold in sorted({(1 + k) % n_folds for k in range(plan.n_folds[place])}):
            _, test = self.bench.folds[fold]
            table[test] = self._probabilities(way, fold, epochs)
        seen = np.isfinite(table).all(axis=1)
        sharpness = best_sharpness(table[seen], self.bench.y[seen])
        table[seen] = sharpen(table[seen], sharpness)
        detail = (
            f"{epochs} epochs, rate {way.rate:g}, layer decay {self.recipe.layer_decay:g}, views "
            f"{'cropped' if way.crops else 'of the whole picture'}"
            f"{', ' * (not self.correction.is_plain)}{self.correction.text}"
        )
        detail += TOLD[way.norm]
        if self.recipe.batch_size != STEP:
            detail += f", batches of {self.recipe.batch_size}"
            detail += f", {self.recipe.accumulate} a step" if self.recipe.accumulate > 1 else ""
        name = f"fine-tuned from {way.cut} on" if way.cut else "fine-tuned, all of it"
        kind: Kind = "fine-tuned"
        carried: tuple[str, ...] = (self.source.name,)
        if self.probe is None:
            name, kind, carried = "the same network from scratch", "target-only", ()
            detail += f", {self.source.preprocessing.size[0]} pixels"
        if way.rate != self.rates[0]:
            name += f" at {way.rate:g}"
        return Candidate(
            name, kind, table, lambda: self._make(way, epochs, sharpness), detail, linear=True, sources=carried
        )

    def _choose(self) -> Way:
        """Return the cut and the kind of views that do best on the first fold, in few epochs, at the first rate.

        Views, and then ways of normalization, are told apart above the highest cut, where training is cheap, and the
        cuts then with the better ones. Of the ways of normalization the first within a standard error of the best wins.
        Rates are not told apart here: a fast one needs more epochs to show what it gives.
        """
        first, *others = self.plan.cuts
        way = Way(first, True, self.rates[0], self.norms[0])
        if not others:
            return way
        way = self._best([way, dataclasses.replace(way, crops=False)])
        way = self._best([dataclasses.replace(way, norm=norm) for norm in self.norms], simplest=True)
        return self._best([way, *(dataclasses.replace(way, cut=cut) for cut in others)])

    def _best(self, ways: list[Way], *, simplest: bool = False) -> Way:
        from headstart.training.path import select

        for way in ways:
            if all(found.way != way for found in self.rounds):
                self._probabilities(way, 0, self.plan.short)
        found = [found for way in ways for found in self.rounds if found.way == way]
        scores = np.array([one.macro_f1 for one in found])
        losses = np.arange(len(found), dtype=np.float64) if simplest else np.array([one.log_loss for one in found])
        return found[int(select(scores, losses, len(self.bench.folds[0][1])))].way

    def _probabilities(self, way: Way, fold: int, epochs: int) -> NDArray[np.float64]:
        """Return what a network trained on a fold's training rows says of its test rows, and note its score."""
        from headstart.metrics import scores
        from headstart.training.temperature import best_sharpness, sharpen

        train, test = self.bench.folds[fold]
        path = self.folder / f"{file_name(way, epochs)}-{fold}.npy"
        if path.is_file():
            found: NDArray[np.float64] = np.load(path, allow_pickle=False)
        else:
            network = self._train(way, train, epochs, path.with_suffix(".ckpt"), f"fold {fold + 1}")
            found = predict(network, self._store(way), test, device=self.choice.device)
            if not self.correction.is_plain:
                found = softmax(np.log(np.maximum(found, _TINY)) + self._shift(train), axis=1)
            if team().leads:
                _write_array(path, found)
        y = self.bench.y[test]
        score = scores(y, sharpen(found, best_sharpness(found, y)))
        self.rounds.append(Round(way, fold, epochs, score["macro_f1"], score["log_loss"]))
        return found

    def _train(self, way: Way, rows: NDArray[np.int64], epochs: int, checkpoint: Path, what: str) -> nn.Module:
        source, probe = self._variant(way)
        head = probe(rows) if probe else self._blank_head()
        recipe = dataclasses.replace(self.recipe, epochs=epochs, rate=way.rate)
        y, correction = self.bench.y, self.correction
        label = f"{source.name}: training {f'from {way.cut}' if way.cut else 'all'}, {what}"
        with progress(label, epochs * len(rows), quiet=self.quiet) as advance:
            return fine_tune(
                self._store(way), y, rows, head, recipe, views=VIEWS,
                hold=probe is not None and way.norm != BATCH, change=self._change(way, rows),
                device=self.choice.device, seed=self.bench.seed, checkpoint=checkpoint, advance=advance,
                loss=correction.make_loss(self._counts(rows), epochs, recipe.label_smoothing),
                sampler=correction.make_sampler(y[rows], recipe.batch_size, epochs, self.bench.seed),
            ).network  # fmt: skip

    def _variant(self, way: Way) -> tuple[Source, Probe | None]:
        return self.variants.get(way.norm, (self.source, self.probe))

    def _change(self, way: Way, rows: NDArray[np.int64]) -> Callable[[nn.Module, nn.Module], None] | None:
        if way.norm != GROUP:
            return None
        from headstart.pipeline.norm_ways import regroup_above

        def change(network: nn.Module, top: nn.Module) -> None:
            self._regrouped = regroup_above(network, top, self._store(way), rows, matched=self.probe is not None)

        return change

    def _counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(self.bench.y[rows], minlength=self.bench.n_classes)

    def _shift(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what moves logits (k,) of a network trained on these rows to the shares of the data."""
        return self.correction.shift(self._counts(rows))

    def _blank_head(self) -> Linear:
        from headstart.finetuning.top import classifier_of

        width = classifier_of(self.source.network()).in_features
        return np.zeros((self.bench.n_classes, width)), np.zeros(self.bench.n_classes)

    def _store(self, way: Way) -> CutActivations:
        from headstart.features.cut import CutActivations

        source, _ = self._variant(way)
        if (way.cut, way.crops, source) not in self._stores:
            self._stores[way.cut, way.crops, source] = CutActivations(
                self.pictures, source, way.cut or None, self.choice, cache_size=self._limit, seed=self.bench.seed,
                crops=way.crops,
            )  # fmt: skip
        return self._stores[way.cut, way.crops, source]

    def _make(self, way: Way, epochs: int, sharpness: float) -> Model:
        """Train on the whole development part; the temperature goes into the classifier's weights."""
        from headstart.features.graph import LAST
        from headstart.finetuning.top import classifier_of
        from headstart.pipeline.model import Model
        from headstart.sources.norms import grouped
        from headstart.training import LogisticHead

        rows = np.arange(len(self.bench.y))
        network: Any = self._train(
            way, rows, epochs, self.folder / f"{file_name(way, epochs)}-all.ckpt", "all examples"
        )
        classifier = classifier_of(network)
        weight = classifier.weight.detach().numpy().astype(np.float64) * sharpness
        bias = (classifier.bias.detach().numpy().astype(np.float64) + self._shift(rows)) * sharpness
        groups = grouped(network, self._regrouped) if way.norm == GROUP else ()
        source = as_source(network, self._variant(way)[0], "target", len(bias), groups=groups)
        return Model(((source, (LAST,)),), LogisticHead.from_arrays({"weight": weight, "bias": bias}))


def _write_array(path: Path, array: NDArray[Any]) -> None:
    import io

    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    write_bytes(path, stream.getvalue())

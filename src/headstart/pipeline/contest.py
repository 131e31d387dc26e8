"""The bake-off inside a fit: candidates tried, one taken, the verdict spoken, the model made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.graph import LAST
from headstart.pipeline.arms import Arms
from headstart.pipeline.bakeoff import both, correct, decide
from headstart.pipeline.blend import blends
from headstart.pipeline.candidates import Bench, Candidate
from headstart.pipeline.deploying import checked_network
from headstart.pipeline.knowledge import knowledge
from headstart.pipeline.norm_ways import SOURCE
from headstart.pipeline.past import ask_history

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.evaluation.verdict import TransferVerdict
    from headstart.features.backends import Choice
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.model import Model
    from headstart.results import Answer
    from headstart.sources import Fit, Source
    from headstart.training.path import Folds

FOLDS = 5
SEEDS = 3  # divisions into folds that the verdict rests on


def contest(
    found: Findings, choice: Choice, folder: Path, tell: Callable[[Answer], None], *, cache_size: int, quiet: bool
) -> tuple[Model, NDArray[np.float64]]:
    """Try the candidates on the development part, take the best, speak the verdict, and make the model.

    Returns
    -------
    model : Model
        Fitted on the development part.
    probabilities : ndarray, shape (n, k)
        Out of fold of the candidate that was taken; NaN outside the development part and in folds not tried.
    """
    from headstart.features.activations import compute
    from headstart.finetuning.probe import probe_activations
    from headstart.finetuning.rule import place

    target, source, settings = found.target, found.source, found.settings
    assert source is not None and target.pictures is not None
    development = target.rows("train", "val")
    bench = bench_of(target, seed=settings.seed)
    pictures = target.pictures.subset(development)
    fitted = [_fitted(one, source.preprocessing.fit) for one in found.others]
    sources = {one.name: one for one in (source, *fitted)}
    features: dict[str, Mapping[str, NDArray[np.float32]]] = {}
    with found.timed("sources"):
        for name, one in sources.items():
            taps = None if name == source.name else [LAST]
            activations = compute(
                pictures, one, taps=taps, choice=choice, cache_size=cache_size, label=f"{name}: features", quiet=quiet
            )
            found.count(activations.n_passed, activations.n_damaged)
            features[name] = activations.arrays
    with found.timed("probe"):
        found.probe = probe_activations(
            features[source.name], pictures, bench.y, bench.groups, source, classes=target.classes, name=target.name,
            folds=bench.folds, random_state=settings.seed, quiet=quiet,
        )  # fmt: skip
    tell(found.probe)
    found.rule = place(len(bench.y), bench.n_classes, found.probe.similarity.overall)
    tell(found.rule)
    correction = checked_network(found, features[source.name][LAST])
    warm = ask_history(found, features[source.name][LAST], bench.y, bench.groups, folder)
    if warm:
        found.warm = warm
        tell(warm)
    arms = Arms(
        pictures, source, features, sources, bench, choice, folder, cache_size, quiet, warm, settings.trials,
        found.norms, (found.norming and found.norming.tuned) or (SOURCE,), settings.batch_size, correction,
    )  # fmt: skip
    with found.timed("frozen"):
        candidates = arms.frozen(found.probe.best)
    rounds: list[dict[str, Any]] = []
    notes: list[str] = []
    if settings.strategy == "auto":
        with found.timed("training"):
            budget = None if settings.budget is None else settings.budget * 60
            trained, rounds, notes, n_passed = arms.trained(candidates[0], budget)
        candidates += trained
        candidates += blends(candidates, bench)
        found.count(n_passed, 0)
    found.bakeoff = decide(candidates, bench, rounds=rounds, notes=notes)
    tell(found.bakeoff)
    taken = next(one for one in candidates if one.name == found.bakeoff.winner)
    baseline = _baseline(candidates, bench)
    if baseline is not None:
        with found.timed("verdict"):
            found.verdict = _verdict(taken, baseline, bench)
            if found.verdict.answer == "helps":
                carried = [sources[name] for name in dict.fromkeys(taken.sources)]
                known = knowledge(carried, pictures, bench, choice, cache_size=cache_size, quiet=quiet)
                found.verdict = found.verdict.of_a_source(known)
        tell(found.verdict)
        if found.verdict.answer == "hurts":
            taken = baseline
    with found.timed("refit"):
        model = taken.make()
    probabilities = np.full((len(target), len(target.classes)), np.nan)
    probabilities[development] = taken.probabilities
    found.plain = candidates[0].probabilities
    return model, probabilities


def bench_of(target: Target, *, seed: int) -> Bench:
    """Return the folds of a target's development part, which every candidate is tried on."""
    from headstart.data.splits import stratified_group_folds

    development = target.rows("train", "val")
    y, groups = target.y[development], target.groups[development]
    n_folds = min(FOLDS, len(np.unique(groups)))
    folds = stratified_group_folds(y, groups, n_folds=n_folds, random_state=seed, classes=target.classes)
    return Bench(y, groups, folds, len(target.classes), seed)


def _fitted(source: Source, fit: Fit) -> Source:
    return dataclasses.replace(source, preprocessing=dataclasses.replace(source.preprocessing, fit=fit))


def _baseline(candidates: list[Candidate], bench: Bench) -> Candidate | None:
    """Return the best candidate that carries nothing over, by macro-F1 on the rows that it predicted."""
    from headstart.metrics import scores

    def score(one: Candidate) -> float:
        rows = np.isfinite(one.probabilities).all(axis=1)
        return scores(bench.y[rows], one.probabilities[rows])["macro_f1"]

    return max((one for one in candidates if one.kind == "target-only"), key=score, default=None)


def _verdict(taken: Candidate, baseline: Candidate, bench: Bench) -> TransferVerdict:
    from headstart.evaluation.verdict import transfer_verdict

    rows = both(taken, baseline)
    sides = taken, baseline
    if all(one.again for one in sides):
        ours, theirs = (_seeds(one, bench, rows) for one in sides)
    else:  # one training is one seed, and meets the other side on the folds that both learned from
        ours, theirs = (correct(one.probabilities, bench.y, rows) for one in sides)
    return transfer_verdict(ours, theirs, groups=bench.groups[rows], y=bench.y[rows], random_state=bench.seed)


def _seeds(one: Candidate, bench: Bench, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return whether each of ``rows`` is named rightly, (seeds, rows), by several divisions into folds.

    Candidates and their penalties were chosen on the bench's own division, which therefore flatters what was taken: it
    is left out here, and nothing is chosen anew.
    """
    assert one.again is not None
    return np.vstack([correct(one.again(folds), bench.y, rows) for folds in other_folds(bench)])


def other_folds(bench: Bench) -> list[Folds]:
    """Return divisions into folds other than the one on which candidates are chosen."""
    from headstart.data.splits import stratified_group_folds

    return [
        stratified_group_folds(
            bench.y, bench.groups, n_folds=len(bench.folds), random_state=np.random.default_rng([bench.seed, seed])
        )
        for seed in range(1, SEEDS + 1)
    ]

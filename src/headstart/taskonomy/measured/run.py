"""``measure``: every task's encoder, every transfer, the tournaments, and the taxonomy of every budget."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.metrics.intervals import Interval
from headstart.results import DataError
from headstart.results.terminal import progress
from headstart.taskonomy.curve import budget_curve
from headstart.taskonomy.measured.answer import MeasuredTasks, TaskFacts
from headstart.taskonomy.measured.chance import against_random
from headstart.taskonomy.measured.network import Recipe
from headstart.taskonomy.measured.scoring import METRIC
from headstart.taskonomy.measured.seeds import affinity_over_seeds, over_seeds
from headstart.taskonomy.measured.store import Store
from headstart.taskonomy.measured.tasks import LEAST, TaskSet, common
from headstart.taskonomy.measured.transfers import RANDOM, SCRATCH, SELF, Bench, Outcome
from headstart.taskonomy.tournament import tournament
from headstart.taskonomy.tree import task_tree

if TYPE_CHECKING:
    import pandas as pd

    from headstart.sources import Source

    Outcomes = dict[tuple[str, str], list[Outcome]]

NETWORK = "network"


def measure(
    tasks: TaskSet,
    *,
    encoder: str | Source = NETWORK,
    cut: str | None = None,
    seeds: int = 3,
    few: int = 200,
    order: int = 2,
    beam: int = 4,
    recipe: Recipe | None = None,
    least: int = LEAST,
    seed: int = 0,
    device: str = "cpu",
    quiet: bool = True,
) -> MeasuredTasks:
    """Measure which tasks help which, and say which few to label.

    Each task's encoder is trained with full supervision; a small decoder on few other pictures then reads each
    target from each encoder, from pairs and more; sources are compared picture by picture on further pictures, which
    gives tournaments, affinities (AHP) and the best taxonomy of every budget; the last part of the pictures judges it.
    Where the paper trains convolutional decoders, these are linear, and fitted exactly.

    Cost, for T tasks: 2 T networks and about T (T + 2) decoders a repetition, and as many decoders again for pairs.
    With the defaults a network takes 10 to 20 s on two cores, a decoder 0.1 to 0.5 s: six tasks and three repetitions
    some 8 minutes. Above a frozen source, which every picture passes once, a network takes half of that. All results
    are kept by content: a measurement that was interrupted goes on, and one more task costs its own part only.

    Parameters
    ----------
    tasks : TaskSet
        On the same pictures; ``read_tasks`` makes one. Pictures without a value for every task are left out.
    encoder : str or Source
        ``"network"``: small networks on the pictures. Else a source (see ``headstart.sources.get``), frozen, below
        small networks that are trained for each task.
    cut : str, optional
        The stage of a frozen source whose input is read; by default six tenths up.
    seeds : int
        Repetitions: other weights, and other pictures to train and to compare with.
    few : int
        Pictures that a decoder is trained on; at most a fifth of all.
    order : int
        At most so many sources in a transfer.
    beam : int
        Pairs and more are made from so many single sources, the best ones of a target.
    recipe : Recipe, optional
        How networks are trained.
    least : int
        Pictures that must be common.
    seed : int
    device : str
        A PyTorch device.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    MeasuredTasks

    Raises
    ------
    DataError
        If the tasks have too few pictures in common or cannot be used (see ``common``), or a number is too small.
    SourceError
        If the source is unknown, has no maps or no such stage.

    References
    ----------
    Zamir et al. (2018), Taskonomy: disentangling task transfer learning, CVPR, section 3, arXiv 1804.08328.
    """
    for name, number, smallest in (("seeds", seeds, 1), ("few", few, 10), ("order", order, 1), ("beam", beam, 1)):
        if number < smallest:
            raise DataError(f"{name}={number}: give {smallest} or more")
    start = time.monotonic()
    found = common(tasks, least)
    inputs, trunk = _inputs(found, encoder, cut, quiet)
    store = Store()
    benches = [
        Bench(
            found, number, few=few, recipe=recipe or Recipe(), trunk=trunk, inputs=inputs, seed=seed, device=device,
            store=store,
        )
        for number in range(seeds)
    ]  # fmt: skip
    names = found.names
    single = [(one, target) for target in names for one in (*names, SELF, SCRATCH, RANDOM)]
    outcomes = _outcomes(benches, single, "single sources", quiet)
    first = transfer_table(outcomes, [pair for pair in single if pair[0] != SCRATCH])
    more = list(_combined(first, names, order, beam))
    outcomes |= _outcomes(benches, more, "combined sources", quiet)
    store.prune()
    pairs = sorted((pair for pair in outcomes if pair[0] != SCRATCH), key=lambda pair: names.index(pair[1]))
    return _answer(found, benches, outcomes, pairs, trunk.source.name if trunk else NETWORK, time.monotonic() - start)


def _inputs(tasks: TaskSet, encoder: str | Source, cut: str | None, quiet: bool) -> tuple[dict[str, NDArray[Any]], Any]:
    """Return what encoders read, by digest: pictures that several tasks share stand once."""
    plain: dict[str, NDArray[Any]] = {}
    for task in tasks.tasks:
        plain.setdefault(task.input_digest, task.inputs)
    if encoder == NETWORK:
        if cut is not None:
            raise DataError(f"cut={cut!r} has no meaning for encoder='network': name a source, or leave it out")
        return plain, None
    from headstart.taskonomy.measured.frozen import Trunk

    trunk = Trunk(encoder, cut)
    return {key: trunk(pictures, quiet=quiet) for key, pictures in plain.items()}, trunk


def _outcomes(benches: Sequence[Bench], pairs: Sequence[tuple[str, str]], label: str, quiet: bool) -> Outcomes:
    result: Outcomes = {pair: [] for pair in pairs}
    with progress(f"tasks: {label}", len(pairs) * len(benches), quiet=quiet) as advance:
        for bench in benches:
            for sources, target in pairs:
                result[sources, target].append(bench.outcome(sources, target))
                advance(1)
            bench.forget()
    return result


def _combined(first: pd.DataFrame, names: Sequence[str], order: int, beam: int) -> Iterator[tuple[str, str]]:
    """Yield pairs and more of each target's best single sources (the paper's beam search)."""
    for target in names:
        mine = first[(first["target"] == target) & first["sources"].isin(names)]
        best = set(mine.sort_values("value", ascending=False, kind="stable")["sources"].head(beam))
        kept = [name for name in names if name in best]
        for size in range(2, order + 1):
            for chosen in itertools.combinations(kept, size):
                yield "+".join(chosen), target


def transfer_table(outcomes: Outcomes, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the transfers ``pairs`` with affinity, win rates, gain, quality and score, a row each."""
    import pandas as pd

    rows = []
    for target in dict.fromkeys(target for _, target in pairs):
        mine = [sources for sources, one in pairs if one == target]
        repetitions = zip(*(outcomes[sources, target] for sources in mine), strict=True)
        wins = np.stack([tournament([one.compare for one in compared]) for compared in repetitions])
        values, low, high = affinity_over_seeds(wins)
        for k, sources in enumerate(mine):
            did = outcomes[sources, target]
            rows.append(
                {
                    "sources": sources,
                    "target": target,
                    "value": values[k],
                    "low": low[k],
                    "high": high[k],
                    "quality": float(beats(did, outcomes[SELF, target]).mean()),
                    "gain": float(beats(did, outcomes[SCRATCH, target]).mean()),
                    "score": float(np.mean([one.score for one in did])),
                    "loss": float(np.mean([one.judge.mean() for one in did])),
                }
            )
    return pd.DataFrame(rows)


def beats(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> NDArray[np.float64]:
    """Return 1, 0.5 or 0 for each repetition and judging picture, (k, m): whether the loss is lower."""
    mine, other = np.stack([one.judge for one in ours]), np.stack([one.judge for one in theirs])
    return np.asarray((mine < other) + 0.5 * (mine == other))


def _answer(
    tasks: TaskSet,
    benches: Sequence[Bench],
    outcomes: Outcomes,
    pairs: Sequence[tuple[str, str]],
    encoder: str,
    seconds: float,
) -> MeasuredTasks:
    table = transfer_table(outcomes, pairs)
    rates = {name: table[["sources", "target"]].assign(value=table[name]) for name in ("quality", "gain")}
    curve = budget_curve(table, rates=rates)
    points = {(one, target): beats(outcomes[one, target], outcomes[SELF, target]) for one, target in pairs}
    groups = tasks.groups[benches[0].parts.judge]
    parts = benches[0].parts
    return MeasuredTasks(
        tasks=tuple(_facts(tasks, outcomes)),
        n_pictures=len(tasks.groups),
        n_encode=len(parts.encode),
        n_few=len(parts.few),
        n_compare=len(parts.compare),
        n_judge=len(parts.judge),
        seeds=len(benches),
        encoder=encoder,
        budgets=tuple(against_random(table, one, points, groups) for one in curve.taxonomies),
        affinity=table,
        curve=curve,
        tree=task_tree(table) if len(tasks.tasks) > 2 else None,
        seconds=seconds,
        warnings=(*tasks.notes, *_warnings(tasks, outcomes, pairs, len(benches))),
    )


def _facts(tasks: TaskSet, outcomes: Outcomes) -> Iterator[TaskFacts]:
    def level(sources: str, target: str) -> Interval:
        return over_seeds([one.score for one in outcomes[sources, target]])

    for task in tasks.tasks:
        yield TaskFacts(
            name=task.name,
            kind=task.kind,
            n_outputs=task.n_outputs,
            metric=METRIC[task.kind],
            full=level(SELF, task.name),
            scratch=level(SCRATCH, task.name),
            random=level(RANDOM, task.name),
        )


def _warnings(tasks: TaskSet, outcomes: Outcomes, pairs: Sequence[tuple[str, str]], seeds: int) -> Iterator[str]:
    if seeds == 1:
        yield "one repetition has no interval: give seeds=3 or more"
    for name in tasks.names:
        full, scratch = outcomes[SELF, name], outcomes[SCRATCH, name]
        if beats(full, scratch).mean() <= 0.5:
            yield (
                f"{name}: full supervision is no better than the few pictures alone, so its encoder learned little "
                "and quality says little about this target"
            )
        losses = [[one.compare.mean() for one in outcomes[pair]] for pair in pairs if pair[1] == name]
        if np.ptp(np.mean(losses, axis=1)) < 1e-9:
            yield f"{name}: all sources do the same on it"

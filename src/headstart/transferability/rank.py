"""Which source model? Several sources scored on one target, each from one pass of its pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError
from headstart.transferability.learned import Learned, learned
from headstart.transferability.ranking import Ranked, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.features.backends import Choice
    from headstart.finetuning.compare import Tap
    from headstart.sources import Source

MOST = 1000
DRAWS = 20
SURE = 0.95
_FEW = 64  # pictures that say how near the source is; see source_similarity
_LEAST_WEIGHT = 0.02  # scores of less weight are not drawn again


def rank(
    data: Any,
    sources: Sequence[str | Path | Source] | None = None,
    *,
    hub: bool = False,
    weights: Mapping[str, float] | None = None,
    most: int = MOST,
    seed: int = 0,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    **load: Any,
) -> Ranking:
    """Rank sources by evidence: scores of one pass of the target's pictures each, then a probe of the best few.

    The test part is not looked at.

    Parameters
    ----------
    data : Target or anything that ``load_target`` takes
        Labelled pictures.
    sources : sequence of str, Path or Source, optional
        See ``headstart.sources.get``; by default those that are at hand without a network.
    hub : bool
        Whether the curated list of timm's hub is fetched and compared too, where no ``sources`` are named.
    weights : mapping of str to float, optional
        Of the scores in the combined one; by default those learned from the truth table.
    most : int
        Pictures that are looked at; of more, a stratified sample.
    seed : int
        Seed of sample, halves and folds.
    backend, device, cache_size
        As for :func:`headstart.extract`.
    quiet : bool
        Whether to show no progress.
    **load
        Handed to ``load_target``.

    Returns
    -------
    Ranking

    Raises
    ------
    DataError
        If the target is a table of features, has one class, or there are fewer than two sources.
    """
    from headstart.data.sample import load_sample
    from headstart.sources import get, shelf

    shelved = list(shelf(hub=hub)) if sources is None else [get(one) for one in sources]
    target, rows = load_sample(data, most, seed=seed, quiet=quiet, **load)
    return rank_rows(
        target, rows, shelved, weights=weights, seed=seed, backend=backend, device=device, cache_size=cache_size,
        quiet=quiet,
    )  # fmt: skip


def rank_rows(
    target: Target,
    rows: NDArray[np.int64],
    sources: Sequence[Source],
    *,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
    choice: Choice | None = None,
    count: Callable[[int, int], None] | None = None,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
) -> Ranking:
    """Rank sources on some rows of a target's development part; see :func:`rank`.

    ``choice`` fixes the engine (a plan that is replayed); ``count`` is told, for each source, how many pictures went
    through it and how many damaged shards were computed again.
    """
    from headstart.data.splits import sample_rows
    from headstart.features.activations import compute
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.finetuning.similarity import source_similarity
    from headstart.sources.sketches import stored_sketches
    from headstart.transferability import evidence
    from headstart.transferability.placement import halves, how_many, placements

    if len(sources) < 2:
        raise DataError("there is nothing to choose: give at least two sources")
    assert target.pictures is not None
    known = learned() if weights is None else Learned(weights, {}, "given")
    used = {name: weight for name, weight in known.weights.items() if weight >= _LEAST_WEIGHT}
    rng = np.random.default_rng(seed)
    pictures, y, groups = target.pictures.subset(rows), target.y[rows], target.groups[rows]
    few = pictures.subset(sample_rows(y, np.arange(len(y)), _FEW, rng))
    drawn_rows = list(halves(y, groups, DRAWS, rng))
    features, drawn = [], []
    found: list[dict[str, Any]] = []
    for source in sources:
        started = time.perf_counter()
        activations = compute(
            pictures, source, choice=choice, backend=backend, device=device, quiet=quiet,
            cache_size=DEFAULT_LIMIT if cache_size is None else cache_size,
        )  # fmt: skip
        if count is not None:
            count(activations.n_passed, activations.n_damaged)
        last, classifier = activations["last"], evidence.classifier_rows(source)
        scores = evidence.scores(last, y, classifier)
        far = evidence.distances(last, y, stored_sketches(source).get("last"), classifier)
        near = source_similarity(few, source)
        again = [evidence.scores(last[half], y[half], classifier, names=tuple(used)) for half in drawn_rows]
        drawn.append([evidence.values(one) for one in again])
        features.append(activations.arrays)
        found.append(
            {
                "scores": evidence.values(scores),
                "distances": far,
                "similarity": near,
                "seconds": time.perf_counter() - started,
            }
        )
    placed = placements([one["scores"] for one in found], list(zip(*drawn, strict=True)), used)
    k = how_many([place.first for place in placed], SURE)
    probed = sorted(range(len(sources)), key=lambda row: (-placed[row].first, placed[row].rank))[:k]
    taps = {row: _best_tap(features[row], y, groups, target.classes, seed) for row in probed}
    ranked = [
        Ranked(
            name=source.name, placement=place, **one, n_parameters=source.card.n_parameters,
            accuracy=source.card.accuracy, elsewhere=known.places.get(source.name), tap=taps.get(row),
        )
        for row, (source, place, one) in enumerate(zip(sources, placed, found, strict=True))
    ]  # fmt: skip
    ranked.sort(key=lambda one: (-one.tap.score.value if one.tap else np.inf, one.placement.rank))
    left_out = len(target.rows("train", "val")) - len(rows)
    total = len(rows) + left_out
    return Ranking(
        target=target.name, sources=tuple(ranked), confirmed=k, picks=_picks(ranked), weights=dict(known.weights),
        about=known.about, n=len(rows), n_left_out=left_out,
        warnings=(f"{len(rows):,} of {total:,} pictures were looked at, a stratified sample",) if left_out else (),
    )  # fmt: skip


def _best_tap(
    features: Mapping[str, NDArray[np.float32]],
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
) -> Tap:
    from headstart.finetuning.compare import best_tap, probe_taps

    taps, _, _ = probe_taps(features, y, groups, classes=classes, random_state=seed)
    best = best_tap(taps)
    return next(tap for tap in taps if tap.name == best)


def _picks(ranked: Sequence[Ranked]) -> dict[str, str]:
    """Return what rules that look at no picture would take, as far as the cards say enough."""
    found = {}
    for rule, values in (
        ("the largest", [one.n_parameters for one in ranked]),
        ("the most accurate on its own task", [one.accuracy for one in ranked]),
        ("the best on earlier targets", [-one.elsewhere if one.elsewhere else None for one in ranked]),
    ):
        known = [(value, one.name) for value, one in zip(values, ranked, strict=True) if value is not None]
        if known:
            found[rule] = max(known, key=lambda pair: pair[0])[1]
    return found

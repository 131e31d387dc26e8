"""Which source model? Several sources scored on one target, each from one pass of its pictures."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning.compare import Tap
from headstart.results import Answer, DataError
from headstart.transferability.placement import Placement

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    from headstart.sources import Source

MOST = 1000
DRAWS = 20
SURE = 0.95
_LEAST_WEIGHT = 0.02  # scores of less weight are not drawn again
_SHOWN = ("logme", "linear_probe", "knn", "leep")


@dataclasses.dataclass(frozen=True)
class Ranked:
    """One source on one target.

    Attributes
    ----------
    name : str
    placement : Placement
        Combined score, rank, and the share of halves of the pictures on which it is the best.
    scores : mapping of str to float
        Every score; see ``headstart.transferability``.
    distances : mapping of str to float
        From the source's own data, where their statistics are known.
    similarity : float or None
        To the source, from the statistics inside its normalization layers, 0 to 1.
    seconds : float
        For the pass of the pictures and all scores.
    n_parameters : int or None
    accuracy : float or None
        Published, on the source's own task, 0 to 1.
    tap : Tap or None
        Where a head on frozen features is best, measured out of fold; of the sources that were confirmed.
    """

    name: str
    placement: Placement
    scores: Mapping[str, float]
    distances: Mapping[str, float]
    similarity: float | None
    seconds: float
    n_parameters: int | None = None
    accuracy: float | None = None
    tap: Tap | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking(Answer):
    """Sources in the order in which they should be tried.

    Attributes
    ----------
    target : str
    sources : tuple of Ranked
        Those that were confirmed first, by what was measured; then the others by their combined score.
    confirmed : int
        So many were probed: together they are the best on at least 95 % of the halves.
    picks : mapping of str to str
        What naive rules would have taken: the most weights, the highest published accuracy.
    weights : mapping of str to float
        Of the scores in the combined one.
    n, n_left_out : int
        Pictures of the development part that were looked at, and that a sample left out.
    """

    target: str
    sources: tuple[Ranked, ...]
    confirmed: int
    picks: Mapping[str, str]
    weights: Mapping[str, float]
    n: int
    n_left_out: int = 0

    question = "Which source model?"

    @property
    def best(self) -> str:
        """The source to start from."""
        return self.sources[0].name

    def headline(self) -> str:
        """One sentence: the source, what it reaches, and how sure that is."""
        first = self.sources[0]
        text = f"Start from {first.name}"
        if first.tap is not None:
            text += f": a head on its tap {first.tap.name!r} reaches a macro-F1 of {first.tap.score}"
        text += f"; best by the scores on {first.placement.first:.0%} of the halves of {self.n:,} pictures"
        wrong = [f"{rule} would take {name}" for rule, name in self.picks.items() if name != first.name]
        return f"{text} ({', '.join(wrong)})." if wrong else f"{text}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a source: what was measured, the combined score, single scores, similarity, cost."""
        import pandas as pd

        rows = [
            {
                "source": one.name,
                "macro-F1": one.tap.score.value if one.tap else None,
                "tap": one.tap.name if one.tap else "",
                "combined": one.placement.score.value,
                "low": one.placement.score.low,
                "high": one.placement.score.high,
                "first": one.placement.first,
                **{name: one.scores.get(name) for name in _SHOWN},
                "similarity": one.similarity,
                "relative distance": one.distances.get("relative"),
                "millions of weights": one.n_parameters / 1e6 if one.n_parameters else None,
                "published accuracy": one.accuracy,
                "seconds": one.seconds,
            }
            for one in self.sources
        ]
        return pd.DataFrame(rows).set_index("source")

    def plot(self) -> Figure:
        """Return the combined scores with their intervals, and what was confirmed."""
        from headstart.transferability.plots import ranking_bars

        return ranking_bars(self)


def rank(
    data: Any,
    sources: Sequence[str | Path | Source] | None = None,
    *,
    weights: Mapping[str, float],
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
    weights : mapping of str to float
        Of the scores in the combined one.
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

    Raises
    ------
    DataError
        If the target is a table of features, has one class, or there are fewer than two sources.
    """
    from headstart.data import load_target
    from headstart.data.splits import sample_rows
    from headstart.features.activations import compute
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.finetuning.similarity import ENOUGH, source_similarity
    from headstart.sources import get, shelf
    from headstart.sources.sketches import stored_sketches
    from headstart.transferability import evidence
    from headstart.transferability.placement import halves, how_many, placements

    shelved = list(shelf()) if sources is None else [get(one) for one in sources]
    if len(shelved) < 2:
        raise DataError("there is nothing to choose: give at least two sources")
    target = load_target(data, random_state=seed, quiet=quiet, **load)
    if target.pictures is None:
        raise DataError(f"{target.name!r} is a table of features: it has no pictures to pass through a source")
    development = target.rows("train", "val")
    rng = np.random.default_rng(seed)
    rows = sample_rows(target.y, development, most, rng)
    pictures, y, groups = target.pictures.subset(rows), target.y[rows], target.groups[rows]
    few = pictures.subset(sample_rows(y, np.arange(len(y)), ENOUGH, rng))
    drawn_rows = list(halves(y, groups, DRAWS, rng))
    used = {name: weight for name, weight in weights.items() if weight >= _LEAST_WEIGHT}
    features, found, drawn = [], [], []
    for source in shelved:
        started = time.perf_counter()
        activations = compute(
            pictures, source, backend=backend, device=device, quiet=quiet,
            cache_size=DEFAULT_LIMIT if cache_size is None else cache_size,
        )  # fmt: skip
        last, classifier = activations["last"], evidence.classifier_rows(source)
        scores = evidence.scores(last, y, classifier)
        far = evidence.distances(last, y, stored_sketches(source).get("last"), classifier)
        near = source_similarity(few, source).overall
        found.append((scores, far, near, time.perf_counter() - started))
        drawn.append([_drawn(last[half], y[half], classifier, used) for half in drawn_rows])
        features.append(activations.arrays)
    placed = placements([one[0] for one in found], list(zip(*drawn, strict=True)), used)
    k = how_many([place.first for place in placed], SURE)
    probed = sorted(range(len(shelved)), key=lambda row: (-placed[row].first, placed[row].rank))[:k]
    taps = {row: _best_tap(features[row], y, groups, target.classes, seed) for row in probed}
    ranked = [
        Ranked(
            source.name, place, {name: float(value) for name, value in scores.items()}, far, near, seconds,
            source.card.n_parameters, source.card.accuracy, taps.get(row),
        )
        for row, (source, place, (scores, far, near, seconds)) in enumerate(zip(shelved, placed, found, strict=True))
    ]  # fmt: skip
    ranked.sort(key=lambda one: (-one.tap.score.value if one.tap else np.inf, one.placement.rank))
    left_out = len(development) - len(rows)
    notes = (f"{len(rows):,} of {len(development):,} pictures were looked at, a stratified sample",) if left_out else ()
    return Ranking(
        target=target.name, sources=tuple(ranked), confirmed=k, picks=_picks(ranked), weights=dict(weights),
        n=len(rows), n_left_out=left_out, warnings=notes,
    )  # fmt: skip


def _drawn(
    last: NDArray[np.float32],
    y: NDArray[np.int64],
    classifier: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    used: Mapping[str, float],
) -> dict[str, float]:
    from headstart.transferability import evidence

    return {name: float(value) for name, value in evidence.scores(last, y, classifier, names=tuple(used)).items()}


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
    ):
        known = [(value, one.name) for value, one in zip(values, ranked, strict=True) if value is not None]
        if known:
            found[rule] = max(known, key=lambda pair: pair[0])[1]
    return found

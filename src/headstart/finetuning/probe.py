"""What does each layer know? Every tap of a source probed on a target, from one pass of its pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.finetuning.similarity import ENOUGH, Similarity, source_similarity
from headstart.metrics import Interval
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.features.backends import Choice
    from headstart.sources import Source
    from headstart.training.path import Folds

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

# Whole decades, where the head itself has half decades. On Grocery-14, emoji and clothing the macro-F1 of a tap moves
# by at most 0.013, by 0.002 in the median, and the nine taps take 0.6 of the time.
CS = tuple(10.0**power for power in range(-4, 3))
MOST = 5000
_N_FOLDS = 5
_N_BOOT = 2000
_SHALLOW = 0.8  # share of what the best tap adds to guessing that the first tap may reach without remark


@dataclasses.dataclass(frozen=True)
class Tap:
    """What one tap knows of the target.

    Attributes
    ----------
    name : str
        The stage that it enters, or ``"last"``.
    n_features : int
        Length of its vector.
    score : Interval
        Out-of-fold macro-F1 of a logistic head, with a 95 % bootstrap interval over groups.
    C : float
        The head's inverse penalty.
    gain : Interval
        How much better it is than ``"last"``, with :func:`simultaneous` intervals over all taps.
    later : Interval or None
        How much better the later tap is that improves on it most clearly, with :func:`simultaneous` intervals over
        all pairs of taps. ``None`` for the last one.
    knn : float
        Macro-F1 of the vote of its nearest neighbours in other groups.
    dimension : float
        Intrinsic dimension of the target's features here (TwoNN).
    similarity : float or None
        How near the target is to the source at this depth, 0 to 1; ``None`` where the network does not tell.
    """

    name: str
    n_features: int
    score: Interval
    C: float
    gain: Interval
    later: Interval | None
    knn: float
    dimension: float
    similarity: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerProbe(Answer):
    """What each layer of a source knows of a target, and what follows from it.

    Attributes
    ----------
    source, target : str
        Their names.
    taps : tuple of Tap
        From the first to the last.
    best : str
        The tap for a head on frozen features: ``"last"``, or the best of those that are measurably better than it.
    turn : str
        Where features turn from generic to specific: the first tap after which no later one is measurably better.
        What the source learned below it is worth its while for the target; what it learned above is about its own
        task. Where every tap is improved upon by a later one it is ``"last"``.
    rivals : tuple of str
        The other taps that cannot be told from ``best``.
    similarity : Similarity
        To the source, at each depth.
    k : int
        Nearest neighbours that vote.
    n_classes : int
        Classes of the target.
    n, n_left_out : int
        Pictures of the development part that were probed, and that a sample left out.
    """

    source: str
    target: str
    taps: tuple[Tap, ...]
    best: str
    turn: str
    rivals: tuple[str, ...]
    similarity: Similarity
    k: int
    n_classes: int
    n: int
    n_left_out: int = 0

    question = "What does each layer know?"

    def __getitem__(self, name: str) -> Tap:
        for tap in self.taps:
            if tap.name == name:
                return tap
        raise KeyError(f"no tap {name!r}: {', '.join(tap.name for tap in self.taps)}")

    @property
    def cut(self) -> str | None:
        """The stage to fine-tune from, for ``headstart.finetuning.freeze(model, until=...)``; ``None``: the head only.

        What runs before the turn is generic and can stay as it is; what follows was learned for the source's task.
        """
        return None if self.turn == self.taps[-1].name else self.turn

    def headline(self) -> str:
        """One sentence: the best tap, and where features turn from generic to specific."""
        best, last = self[self.best], self.taps[-1].name
        text = f"A head on {best.name!r} reaches a macro-F1 of {best.score}"
        if best.name != last:
            text += f", {_points(best.gain)} points more than on {last!r}"
        if self.cut is None:
            return f"{text}; features get more useful up to the end, so the head alone is to be trained."
        return f"{text}; from {self.cut!r} on, no later tap is measurably better: up to there features are generic."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a tap: size, scores, gain over the last, similarity, intrinsic dimension, what it is."""
        import pandas as pd

        marks = {self.turn: ["turn"]}
        marks.setdefault(self.best, []).append("best")
        rows = [
            {
                "tap": tap.name,
                "features": tap.n_features,
                "macro-F1": tap.score.value,
                "low": tap.score.low,
                "high": tap.score.high,
                "over last": tap.gain.value if tap is not self.taps[-1] else None,
                f"{self.k}-NN": tap.knn,
                "similarity": tap.similarity,
                "dimension": tap.dimension,
                "": ", ".join(marks.get(tap.name, ())),
            }
            for tap in self.taps
        ]
        return pd.DataFrame(rows).set_index("tap")

    def plot(self) -> Figure:
        """Return the scores and the similarity by depth, the best tap and the turn marked."""
        from headstart.finetuning.plots import depth_curves

        return depth_curves(self)


def probe(
    data: Any,
    source: str | Path | Source = "lite0",
    *,
    most: int = MOST,
    seed: int = 0,
    choice: Choice | None = None,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    **load: Any,
) -> LayerProbe:
    """Say what each layer of ``source`` knows of the target, where to cut and which tap to take.

    Every picture is passed once (:func:`headstart.extract`); all else is array work. The test part is not looked at.

    Parameters
    ----------
    data : Target or anything that ``load_target`` takes
        Labelled pictures.
    source : str, Path or Source
        See ``headstart.sources.get``.
    most : int
        Pictures that are probed; of more, a stratified sample.
    seed : int
        Seed of sample, folds and bootstrap.
    choice : Choice, optional
        A fixed engine (a plan that is replayed) instead of ``backend`` and ``device``.
    backend, device, cache_size
        As for :func:`headstart.extract`.
    quiet : bool
        Whether to show no progress.
    **load
        Handed to ``load_target``.

    Returns
    -------
    LayerProbe

    Raises
    ------
    DataError
        If the target is a table of features, or a class cannot be split into folds.

    References
    ----------
    Alain and Bengio (2016), Understanding intermediate layers using linear classifier probes, arXiv:1610.01644;
    Yosinski et al. (2014), How transferable are features in deep neural networks?, arXiv:1411.1792.
    """
    from headstart.data import load_target
    from headstart.features.activations import compute
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.results.terminal import progress
    from headstart.sources import get

    target = load_target(data, random_state=seed, quiet=quiet, **load)
    if target.pictures is None:
        raise DataError(f"{target.name!r} is a table of features: it has no layers to probe; give pictures")
    if most < 1:
        raise DataError(f"most={most}: give the number of pictures to probe, 1 or more")
    rng = np.random.default_rng(seed)
    development = target.rows("train", "val")
    rows = _sample(target.y, development, most, rng)
    network = get(source)
    activations = compute(
        target.pictures.subset(rows), network, choice=choice, backend=backend, device=device,
        cache_size=DEFAULT_LIMIT if cache_size is None else cache_size, quiet=quiet,
    )  # fmt: skip
    similarity = source_similarity(target.pictures.subset(_sample(target.y, rows, ENOUGH, rng)), network)
    with progress("probing", len(activations) * _N_FOLDS * len(CS), quiet=quiet) as advance:
        taps, rivals, k = probe_taps(
            activations, target.y[rows], target.groups[rows], classes=target.classes, random_state=seed, advance=advance
        )
    taps = tuple(dataclasses.replace(tap, similarity=_known(similarity.by_tap.get(tap.name))) for tap in taps)
    best = best_tap(taps)
    return LayerProbe(
        source=network.name,
        target=target.name,
        taps=taps,
        best=best,
        turn=next((tap.name for tap in taps[:-1] if tap.later is None or tap.later.low <= 0), taps[-1].name),
        rivals=rivals[best],
        similarity=similarity,
        k=k,
        n_classes=len(target.classes),
        n=len(rows),
        n_left_out=len(development) - len(rows),
        warnings=_warnings(taps, best, similarity, len(rows), len(development), len(target.classes)),
    )


def probe_taps(
    taps: Mapping[str, NDArray[Any]],
    y: Rows,
    groups: Rows,
    *,
    classes: Sequence[str],
    folds: Folds | None = None,
    Cs: Sequence[float] = CS,
    random_state: int = 0,
    advance: Callable[[int], None] | None = None,
) -> tuple[tuple[Tap, ...], dict[str, tuple[str, ...]], int]:
    """Probe arrays: return what each tap knows, the taps that each cannot be told from, and the k of the neighbours.

    All taps are scored on the same folds and compared on the same resamples of the groups. A score is that of the C
    that was chosen on the same predictions (:func:`headstart.training.path.select`), so it flatters every tap a
    little: it is for comparing taps; ``headstart fit`` measures what to expect.

    Parameters
    ----------
    taps : mapping of str to ndarray, shape (n, d)
        Features by tap, from the first to the last.
    y, groups : ndarray of int64, shape (n,)
        Classes and groups of the rows, all from the development part.
    classes : sequence of str
        Names of the classes.
    folds : sequence of (ndarray, ndarray), optional
        By default five, stratified, groups kept whole.
    Cs : sequence of float
        Penalties to choose from, ascending.
    random_state : int
        Seed of folds and resamples.
    advance : callable, optional
        Called with 1 after each fit.
    """
    from headstart.data.splits import stratified_group_folds
    from headstart.finetuning.neighbours import intrinsic_dimension, neighbour_scores
    from headstart.metrics import bootstrap
    from headstart.training import choose

    names, k = list(taps), len(classes)
    if folds is None:
        folds = stratified_group_folds(y, groups, n_folds=_N_FOLDS, random_state=random_state, classes=classes)
    choices = [choose(taps[name], y, folds, Cs, n_classes=k, advance=advance) for name in names]
    tables = [found.probabilities[found.best] for found in choices]
    scored = [
        bootstrap(y, table, groups, n_boot=_N_BOOT, random_state=random_state, metrics=["macro_f1"])["macro_f1"]
        for table in tables
    ]
    figures, drawn = resampled_scores(y, tables, groups, random_state=random_state)
    gains = simultaneous(figures - figures[-1], drawn - drawn[:, -1:])
    first, second = np.triu_indices(len(names), 1)
    pairs = dict(
        zip(
            zip(first.tolist(), second.tolist(), strict=True),
            simultaneous(figures[second] - figures[first], drawn[:, second] - drawn[:, first]),
            strict=True,
        )
    )
    later = [
        max((pairs[a, b] for b in range(a + 1, len(names))), key=lambda found: found.low, default=None)
        for a in range(len(names))
    ]
    rivals = {
        name: tuple(
            other
            for b, other in enumerate(names)
            if a != b and pairs[min(a, b), max(a, b)].low <= 0 <= pairs[min(a, b), max(a, b)].high
        )
        for a, name in enumerate(names)
    }
    n_neighbours, knn = neighbour_scores([taps[name] for name in names], y, groups, n_classes=k)
    result = tuple(
        Tap(
            name, int(taps[name].shape[1]), scored[a], choices[a].C, gains[a], later[a], knn[a],
            intrinsic_dimension(taps[name]),
        )
        for a, name in enumerate(names)
    )  # fmt: skip
    return result, rivals, n_neighbours


def best_tap(taps: Sequence[Tap]) -> str:
    """Return the last tap, or the best of those whose gain over it has an interval above zero."""
    better = [tap for tap in taps[:-1] if tap.gain.low > 0]
    return max(better, key=lambda tap: tap.score.value).name if better else taps[-1].name


def resampled_scores(
    y: Rows, tables: Sequence[Floats], groups: Rows, *, random_state: int, n_boot: int = _N_BOOT
) -> tuple[Floats, Floats]:
    """Return the macro-F1 of each table (m,), and that of each resample of the groups (n_boot, m)."""
    from headstart.metrics.intervals import resamples
    from headstart.metrics.scores import weighted_scores

    def score(weights: Floats) -> Floats:
        return np.stack([weighted_scores(y, table, weights, ["macro_f1"])["macro_f1"] for table in tables], axis=1)

    group = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    cells = max(len(y), tables[0].shape[1] ** 2)
    drawn = [score(weights) for weights in resamples(group, n_boot, random_state, cells=cells)]
    return score(np.ones((1, len(y))))[0], np.concatenate(drawn)


def simultaneous(values: Floats, drawn: Floats, level: float = 0.95) -> tuple[Interval, ...]:
    """Return intervals that hold all together: value ± c · spread, c a quantile of the largest standardized deviation.

    With eight taps beside the last one, an interval of 95 % each would find "a better tap" by chance far too often.
    This is the single-step max-t bootstrap, which knows how much the taps go together and so gives away less than a
    Bonferroni correction. In 60 draws of 400 clothing photos with nine "taps" of 250 random features of one tap, it
    found a better one 4 times, where plain intervals found one 14 times; in 2 of the 4 it was none on the other 3,000
    photos. All eight true gains lay inside in 48 of the 60, not 57: a bootstrap of finished predictions knows nothing
    of how much the heads hang on their training rows.

    Parameters
    ----------
    values : ndarray, shape (m,)
        The figures.
    drawn : ndarray, shape (b, m)
        What they are on resamples, all m on the same.
    level : float
        Share of cases in which all m intervals hold.

    References
    ----------
    Romano and Wolf (2005), Exact and approximate stepdown methods for multiple hypothesis testing, JASA 100, sec. 3.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).normal(size=(4000, 8))
    >>> simultaneous(np.zeros(8), drawn)[0].high > 1.3 * simultaneous(np.zeros(1), drawn[:, :1])[0].high
    True
    """
    spread = drawn.std(axis=0)
    moved = spread > 0
    deviation = np.abs(drawn[:, moved] - values[moved]) / spread[moved]
    reach = float(np.quantile(deviation.max(axis=1), level)) if moved.any() else 0.0
    return tuple(
        Interval(float(value), float(value - reach * width), float(value + reach * width), level)
        for value, width in zip(values, spread, strict=True)
    )


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _points(gain: Interval) -> str:
    return f"{100 * gain.low:.1f} to {100 * gain.high:.1f}"


def _sample(y: Rows, rows: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Return at most about ``size`` of ``rows``, ascending, with the classes' shares and at least five of each."""
    if len(rows) <= size:
        return rows
    kept = []
    for code in np.unique(y[rows]):
        mine = rows[y[rows] == code]
        wanted = max(min(5, len(mine)), round(size * len(mine) / len(rows)))
        kept.append(rng.choice(mine, size=wanted, replace=False))
    return np.sort(np.concatenate(kept))


def _warnings(
    taps: Sequence[Tap], best: str, similarity: Similarity, n: int, n_development: int, n_classes: int
) -> tuple[str, ...]:
    notes = []
    if n < n_development:
        notes.append(f"{n:,} of {n_development:,} pictures were probed, a stratified sample")
    if similarity.reason:
        notes.append(f"similarity to the source is not known: {similarity.reason}")
    first, chosen = taps[0], next(tap for tap in taps if tap.name == best)
    chance = 1 / n_classes
    if chosen.score.value > chance and first.score.value - chance > _SHALLOW * (chosen.score.value - chance):
        notes.append(
            f"colour and edges alone ({first.name!r}) reach a macro-F1 of {first.score.value:.3f}: make sure that it "
            "is the thing that tells the classes apart, not the light, the ground or the camera"
        )
    if chosen.score.width > 0.1:
        notes.append(
            f"the best tap's interval is {chosen.score.width:.2f} wide: {n:,} pictures cannot tell taps more closely, "
            "and the turn may lie later"
        )
    return tuple(notes)

"""What does each layer know? Every tap of a source probed on a target, from one pass of its pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.finetuning.compare import CS, N_FOLDS, Tap, best_tap, probe_taps
from headstart.finetuning.similarity import ENOUGH, Similarity, source_similarity
from headstart.metrics import Interval
from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.sources import Source
    from headstart.training.path import Folds

MOST = 5000
_SHALLOW = 0.8  # share of what the best tap adds to guessing that the first tap may reach without remark


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
    from headstart.data.sample import load_sample
    from headstart.features.activations import compute
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.sources import get

    target, rows = load_sample(data, most, seed=seed, quiet=quiet, **load)
    assert target.pictures is not None
    pictures, network = target.pictures.subset(rows), get(source)
    activations = compute(
        pictures, network, choice=choice, backend=backend, device=device,
        cache_size=DEFAULT_LIMIT if cache_size is None else cache_size, quiet=quiet,
    )  # fmt: skip
    return probe_activations(
        activations, pictures, target.y[rows], target.groups[rows], network, classes=target.classes,
        name=target.name, n_left_out=len(target.rows("train", "val")) - len(rows), random_state=seed, quiet=quiet,
    )  # fmt: skip


def probe_activations(
    activations: Mapping[str, NDArray[np.float32]],
    pictures: PictureSet,
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    source: Source,
    *,
    classes: Sequence[str],
    name: str,
    folds: Folds | None = None,
    n_left_out: int = 0,
    random_state: int = 0,
    quiet: bool = True,
) -> LayerProbe:
    """Probe what has been computed already; see :func:`probe`.

    Parameters
    ----------
    activations : mapping of str to ndarray, shape (n, d)
        Every tap of ``source``, from the first to the last.
    pictures : PictureSet
        The n pictures; a sample of them is passed once more to see how near they are to the source.
    y, groups : ndarray of int64, shape (n,)
        Classes and groups, all from the development part.
    source : Source
        With its exact preprocessing.
    classes : sequence of str
        Names of the classes.
    name : str
        The target's name.
    folds : sequence of (ndarray, ndarray), optional
        See ``probe_taps``.
    n_left_out : int
        Development pictures that are not among these.
    random_state : int
        Seed.
    quiet : bool
        Whether to show no progress.
    """
    from headstart.data.splits import sample_rows
    from headstart.results.terminal import progress

    n, rng = len(y), np.random.default_rng(random_state)
    similarity = source_similarity(pictures.subset(sample_rows(y, np.arange(n), ENOUGH, rng)), source)
    with progress("probing", len(activations) * N_FOLDS * len(CS), quiet=quiet) as advance:
        taps, rivals, k = probe_taps(
            activations, y, groups, classes=classes, folds=folds, random_state=random_state, advance=advance
        )
    taps = tuple(dataclasses.replace(tap, similarity=_known(similarity.by_tap.get(tap.name))) for tap in taps)
    best = best_tap(taps)
    return LayerProbe(
        source=source.name,
        target=name,
        taps=taps,
        best=best,
        turn=next((tap.name for tap in taps[:-1] if tap.later is None or tap.later.low <= 0), taps[-1].name),
        rivals=rivals[best],
        similarity=similarity,
        k=k,
        n_classes=len(classes),
        n=n,
        n_left_out=n_left_out,
        warnings=_warnings(taps, best, similarity, n, n + n_left_out, len(classes)),
    )


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _points(gain: Interval) -> str:
    return f"{100 * gain.low:.1f} to {100 * gain.high:.1f}"


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

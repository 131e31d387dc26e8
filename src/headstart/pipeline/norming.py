"""The statistics of normalization layers in a fit: the source's, or those of the target, or none at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.graph import LAST
from headstart.pipeline.norm_ways import BATCH, GROUP, RECALIBRATED, SMALL, SOURCE, STEP
from headstart.results import Answer, HeadstartError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.features.backends import Choice
    from headstart.metrics import Interval
    from headstart.normalization import Audit
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.plan import Settings
    from headstart.sources import Source

_AUDITED = 32  # pictures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Norming(Answer):
    """What the normalization layers go by, and the comparison behind it.

    Attributes
    ----------
    taken : {"source", "recalibrated"}
        Whose statistics frozen features come from.
    tuned : tuple of str
        The ways that fine-tuning tries: ``"source"`` and ``"recalibrated"`` hold these statistics, ``"group"`` puts
        group normalization in their place, ``"batch"`` estimates them from each batch. Empty without fine-tuning.
    batch_size : int
        Of fine-tuning.
    n : int
        Development pictures that frozen features were compared on; 0 where nothing was compared.
    n_statistics : int
        Pictures that the target's statistics come from; 0 where they were not asked for.
    macro_f1 : mapping of str to float
        Out of fold, of either.
    gain : Interval or None
        Gain in macro-F1 of the target's statistics over the source's, paired.
    reason : str
        Why nothing was compared; empty where something was.
    """

    taken: str
    tuned: tuple[str, ...] = ()
    batch_size: int = STEP
    n: int = 0
    n_statistics: int = 0
    macro_f1: Mapping[str, float] = dataclasses.field(default_factory=dict)
    gain: Interval | None = None
    reason: str = ""

    question = "Which statistics do the normalization layers keep?"

    def headline(self) -> str:
        """One sentence: whose statistics, and why."""
        whose = {SOURCE: "Those of the source", RECALIBRATED: f"Those of {self.n_statistics:,} of these pictures"}
        told = whose[self.taken]
        if self.gain is None:
            return f"{told}: {self.reason}."
        low, high = (round(100 * end, 1) + 0.0 for end in (self.gain.low, self.gain.high))
        if self.taken == RECALIBRATED:
            return f"{told}: worth {low:.1f} to {high:.1f} points of macro-F1 over those of the source."
        return f"{told}: those of these pictures are not measurably better ({low:.1f} to {high:.1f} points)."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each kind of statistics that frozen features were compared with."""
        import pandas as pd

        rows = [
            {
                "statistics": name,
                "macro-F1": score,
                "gain": self.gain.value if self.gain and name == RECALIBRATED else None,
                "low": self.gain.low if self.gain and name == RECALIBRATED else None,
                "high": self.gain.high if self.gain and name == RECALIBRATED else None,
            }
            for name, score in self.macro_f1.items()
        ]
        return pd.DataFrame(rows, columns=["statistics", "macro-F1", "gain", "low", "high"]).set_index("statistics")


def norm_features(
    found: Findings,
    X: NDArray[np.floating],
    choice: Choice,
    tell: Callable[[Answer], None],
    cache_size: int,
    quiet: bool,
) -> NDArray[np.floating]:
    """Audit the source where it is asked what its layers go by, and return the last tap (n, d) as it then is.

    Nothing is done for a table of features, nor where the source's statistics are wanted and nothing is fine-tuned.
    """
    settings = found.settings
    if found.source is None or (settings.norm == SOURCE and settings.strategy == "linear"):
        return X
    with found.timed("audit"):
        found.audit = _audit(found.target, found.source, settings)
    tell(found.audit)
    X = _chosen(found, X, choice, cache_size, quiet)
    if found.norming is not None:
        tell(found.norming)
    return X


def _audit(target: Target, source: Source, settings: Settings) -> Audit:
    from headstart.data.splits import sample_rows
    from headstart.normalization.target import audit_pictures

    assert target.pictures is not None
    development = target.rows("train", "val")
    rows = sample_rows(target.y, development, _AUDITED, np.random.default_rng(settings.seed))
    held = settings.norm != BATCH
    return audit_pictures(target.pictures, rows, source, batch_size=settings.batch_size, n=len(development), held=held)


def _chosen(
    found: Findings, X: NDArray[np.floating], choice: Choice, cache_size: int, quiet: bool
) -> NDArray[np.floating]:
    """Choose the statistics of the source's layers; return the last tap (n, d) that goes with them.

    ``found.source`` becomes the source with these statistics. The target's are taken from up to 256 development
    pictures without a look at labels, once and not fold by fold: a channel's mean over thousands of positions does not
    tell which picture was among them.

    Parameters
    ----------
    found : Findings
        Its ``norming`` and ``norms`` are set where a way was asked for.
    X : ndarray, shape (n, d)
        The last tap with the source's own statistics; NaN where a row cannot be read.
    choice : Choice
    cache_size : int
    quiet : bool

    Raises
    ------
    HeadstartError
        If the network has no batch normalization and a way was named that needs one.
    """
    from headstart.data.splits import sample_rows
    from headstart.features.activations import compute
    from headstart.metrics import scores
    from headstart.metrics.paired import paired_gain
    from headstart.normalization.target import ENOUGH, recalibrate_source
    from headstart.pipeline.contest import bench_of
    from headstart.training import choose

    target, source, settings = found.target, found.source, found.settings
    if settings.norm == SOURCE:
        return X
    assert source is not None and target.pictures is not None
    pictures, size = target.pictures, settings.batch_size
    known = _has_statistics(source)
    if settings.norm in (GROUP, BATCH) and not known:
        raise HeadstartError(f"{source.name!r} has no batch normalization: leave norm={settings.norm!r} out")
    if settings.norm in (GROUP, BATCH) or (settings.norm == "auto" and not known):
        asked = settings.norm != "auto"
        reason = "fine-tuning alone goes another way" if asked else "the network has no batch normalization"
        tuned = (settings.norm,) if asked else ()
        found.norming = Norming(taken=SOURCE, tuned=tuned, reason=reason, batch_size=size)
        return X
    development, seed = target.rows("train", "val"), settings.seed
    rows = sample_rows(target.y, development, ENOUGH, np.random.default_rng(seed))
    with found.timed("recalibration"):
        other = recalibrate_source(pictures.subset(rows), source, seed=seed, quiet=quiet)

    def last(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        label = f"{source.name}: recalibrated"
        activations = compute(
            pictures.subset(rows), other, taps=[LAST], choice=choice, cache_size=cache_size, label=label, quiet=quiet
        )
        found.count(activations.n_passed, activations.n_damaged)
        return activations[LAST]

    found.norms = {SOURCE: source, RECALIBRATED: other}
    tuning = settings.strategy == "auto"
    answer = Norming(taken=RECALIBRATED, n_statistics=len(rows), reason="as was asked", batch_size=size)
    if settings.norm == "auto":
        bench = bench_of(target, seed=seed)
        with found.timed("norm"):
            tables = {}
            for name, features in ((SOURCE, X[development]), (RECALIBRATED, last(development))):
                chosen = choose(features, bench.y, bench.folds, n_classes=bench.n_classes)
                tables[name] = chosen.probabilities[chosen.best]
            gain = paired_gain(bench.y, tables[RECALIBRATED], tables[SOURCE], bench.groups, random_state=seed)
        reached = {name: scores(bench.y, table)["macro_f1"] for name, table in tables.items()}
        taken = RECALIBRATED if gain.low > 0 else SOURCE
        answer = dataclasses.replace(answer, taken=taken, n=len(bench.y), macro_f1=reached, gain=gain, reason="")
    ways = (*dict.fromkeys((answer.taken, SOURCE, RECALIBRATED)), GROUP)
    ways = ways if size < SMALL else (*ways, BATCH)
    found.norming = dataclasses.replace(
        answer, tuned=() if not tuning else ways if settings.norm == "auto" else (answer.taken,)
    )
    if answer.taken == SOURCE:
        return X
    found.source = other
    readable = np.flatnonzero(np.isfinite(X).all(axis=1))
    X = X.copy()
    X[readable] = last(readable)
    return X


def _has_statistics(source: Source) -> bool:
    from headstart.features.moments import has_statistics

    return any(has_statistics(module) for module in source.network().modules())

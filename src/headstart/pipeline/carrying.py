"""Other data beside the target: how they differ, what can be carried over, and whether that helps."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline.carried import Carried, Tried
from headstart.results import DataError, HeadstartError
from headstart.results.terminal import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.evaluation.verdict import TransferVerdict
    from headstart.metrics import Interval
    from headstart.pipeline.candidates import Bench
    from headstart.pipeline.findings import Findings
    from headstart.scenario import Scenario
    from headstart.training import LogisticHead
    from headstart.transfer.carry import Both, Way

Features = Callable[["Target", "NDArray[np.int64]"], "NDArray[np.floating]"]
FEW = 2  # examples of a shared class that the other data needs at least


def carried_head(
    found: Findings, other: Target, X: NDArray[np.floating], C: float, features: Features, *, quiet: bool
) -> LogisticHead:
    """Compare the ways to use ``other`` data with the target alone, and return the head of the one that was taken.

    Sets ``found.scenario``, ``found.carried`` and ``found.verdict``. Taken is the best that is one linear layer; where
    it gains nothing on other divisions into folds than it was chosen on, the target's own head stays.

    Parameters
    ----------
    found : Findings
    other : Target
    X : ndarray, shape (n, d)
        Of the target's development part.
    C : float
        Inverse penalty that cross-validation chose on it.
    features : callable
        From data and rows to features (m, d).
    quiet : bool

    Raises
    ------
    HeadstartError
        If the two have no class in common, or other features.
    """
    from headstart.data.copies import also_in
    from headstart.pipeline.contest import bench_of
    from headstart.scenario import diagnose

    target, seed = found.target, found.settings.seed
    bench = bench_of(target, seed=seed)
    if target.modality != other.modality:
        raise HeadstartError(f"{target.name!r} holds {target.modality}, {other.name!r} {other.modality}: give the same")
    usable = other.rows("train", "val", "test")
    copies = also_in(other, target, quiet=quiet)[usable]
    usable = usable[~copies]
    if not len(usable):
        raise HeadstartError(
            f"every example of {other.name!r} is in {target.name!r} too: there is nothing to carry over"
        )
    name = other.name if other.name != target.name else "the other data"
    Xs, names = features(other, usable), other.labels[usable].astype(str)
    with found.timed("diagnosis"):
        found.scenario = diagnose(
            Xs, names, X, target.labels[target.rows("train", "val")].astype(str), names=(name, target.name),
            groups=(other.groups[usable], bench.groups), random_state=seed,
        )  # fmt: skip
    code = {name: place for place, name in enumerate(target.classes)}
    ys = np.array([code.get(name, -1) for name in names.tolist()], dtype=np.int64)
    counts = np.bincount(ys[ys >= 0], minlength=len(target.classes))
    shared = ys >= 0
    shared[shared] = counts[ys[shared]] >= FEW
    if len(np.unique(ys[shared])) < 2:
        raise HeadstartError(
            f"{other.name!r} and {target.name!r} share fewer than two classes of {FEW} examples or more: rename the "
            "classes so that they agree, or make a source of it (headstart fit, then --source RUN)"
        )
    if Xs.shape[1] != X.shape[1]:
        raise HeadstartError(
            f"{other.name!r} has {Xs.shape[1]} features, {target.name!r} {X.shape[1]}: give the same columns"
        )
    with found.timed("carrying"):
        return _compare(found, name, Xs[shared], ys[shared], X, bench, C, int(copies.sum()), quiet)


def _compare(
    found: Findings, name: str, Xs: NDArray[np.floating], ys: NDArray[np.int64], X: NDArray[np.floating],
    bench: Bench, C: float, n_copies: int, quiet: bool,
) -> LogisticHead:  # fmt: skip
    from headstart.data.splits import stratified_group_folds
    from headstart.evaluation.honest import bias_corrected_cv
    from headstart.metrics.paired import paired_gain
    from headstart.metrics.scores import scores
    from headstart.pipeline.contest import FOLDS
    from headstart.training import choose
    from headstart.training.path import Choice, select
    from headstart.transfer.carry import TARGET, Axes, Both, as_head, out_of_fold, settled, ways

    assert found.scenario is not None
    codes = np.unique(ys, return_inverse=True)[1]
    folds = stratified_group_folds(
        codes, np.arange(len(ys)), n_folds=min(FOLDS, int(np.bincount(codes).min())), random_state=bench.seed
    )
    both = Both(Xs, ys, X, bench.y, bench.n_classes, C, C, bench.seed)
    axes = Axes.of(both)
    narrow = both if axes is None else axes.narrow(both)
    narrow = dataclasses.replace(narrow, Cs=choose(narrow.Xs, codes, folds, n_classes=int(codes.max()) + 1).C)
    tables, models, kept, failed = [], [], [], []
    tried = [ways(both, ())[0], *ways(narrow, fitting(found.scenario))[1:]]  # the target alone has all features
    with progress(f"ways to use {name}", len(tried), quiet=quiet) as advance:
        for way in tried:
            seen = both if way.name == TARGET else narrow
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    way, model = settled(way, seen)
                    table = out_of_fold(way, seen, bench.folds)
            except DataError as error:
                if way.name == TARGET:  # what all others are compared with
                    raise
                failed.append((way.name, str(error)))
            else:
                tables.append(table)
                models.append(as_head(model, seen))
                kept.append(way)
            advance(1)
    rated = [scores(bench.y, table) for table in tables]
    linear = [place for place, head in enumerate(models) if head is not None]
    f1, losses = (np.array([rated[place][metric] for place in linear]) for metric in ("macro_f1", "log_loss"))
    best = linear[int(select(f1, losses, len(bench.y)))]
    if kept[best].name != TARGET:
        found.verdict = _verdict((kept[best], narrow), (kept[0], both), bench)
        if found.verdict.gain.value <= 0:
            best = 0
    if kept[best].name == TARGET:
        assert found.validation is not None
        estimate = found.validation.estimate
    else:
        order = tuple(map(float, linear))
        stacked = Choice(order, tuple(f1), tuple(losses), linear.index(best), np.stack(tables)[linear])
        honest = bias_corrected_cv(stacked, bench.y, bench.groups, metric="macro_f1", random_state=bench.seed)
        estimate = honest.estimate
    notes = [f"{n_copies:,} examples of {name} are in the target too and were left out"] if n_copies else []
    found.carried = Carried(
        source=name,
        taken=kept[best].name,
        tried=tuple(
            Tried(
                name=way.name,
                kind=way.kind,
                macro_f1=_interval(table, bench),
                gain=paired_gain(bench.y, table, tables[0], bench.groups, random_state=bench.seed),
                linear=head is not None,
            )
            for way, table, head in zip(kept, tables, models, strict=True)
        ),
        estimate=estimate,
        n_source=len(ys),
        n=len(bench.y),
        failed=tuple(failed),
        probabilities=tables[best],
        warnings=tuple(notes),
    )
    head = models[best]
    assert head is not None
    return head if axes is None or kept[best].name == TARGET else axes.widen(head)


def _interval(table: NDArray[np.float64], bench: Bench) -> Interval:
    from headstart.metrics.intervals import bootstrap

    return bootstrap(bench.y, table, bench.groups, metrics=["macro_f1"], random_state=bench.seed)["macro_f1"]


def fitting(scenario: Scenario) -> list[str]:
    """Return the names of the adapters that are made for a difference that was found, and of a kind that applies.

    Those that train a network are left to :mod:`headstart.transfer.deep`: they cost a training a fold, and do not end
    as one linear layer.
    """
    from headstart.transfer import ADAPTERS
    from headstart.transfer.deep import NetworkAdapter

    kinds = {one.kind for one in scenario.follows if one.verdict == "applies"}
    return [
        name
        for name, made in ADAPTERS.items()
        if made.kind in kinds and made.mends & scenario.differences and not issubclass(made, NetworkAdapter)
    ]


def _verdict(ours: tuple[Way, Both], theirs: tuple[Way, Both], bench: Bench) -> TransferVerdict:
    """Compare two ways on divisions into folds that played no role in choosing."""
    from headstart.evaluation.verdict import transfer_verdict
    from headstart.pipeline.bakeoff import correct
    from headstart.pipeline.contest import other_folds
    from headstart.transfer.carry import out_of_fold

    rows = np.arange(len(bench.y))
    sides = [
        np.vstack([correct(out_of_fold(way, both, folds), bench.y, rows) for folds in other_folds(bench)])
        for way, both in (ours, theirs)
    ]
    return transfer_verdict(*sides, groups=bench.groups, y=bench.y, random_state=bench.seed)

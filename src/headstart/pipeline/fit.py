"""``fit``: the questions in their order, a model, and the evidence for it."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.pipeline import deploying
from headstart.pipeline.balancing import balanced_decisions, balanced_head
from headstart.pipeline.carrying import carried_head
from headstart.pipeline.findings import Findings
from headstart.pipeline.norm_ways import check_modality, checked
from headstart.pipeline.norming import norm_features
from headstart.pipeline.past import remember_run
from headstart.pipeline.plan import Plan, Settings, make_plan
from headstart.pipeline.run import Run
from headstart.pipeline.writing import write_run
from headstart.results import Answer, HeadstartError
from headstart.results.team import team

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.evaluation import Evaluation
    from headstart.features.backends import Choice
    from headstart.metrics import Interval
    from headstart.pipeline.carrying import Features
    from headstart.pipeline.model import Model
    from headstart.sources import Fit, Source

Tell = Callable[[Answer], None]
STRATEGIES = ("linear", "frozen", "auto")
WORK = ".work"  # what a run that is stopped goes on from


def fit(
    data: Any,
    *,
    out: str | Path | None = None,
    source: str | Path | Source = "lite0",
    architecture: str | None = None,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    test_size: float = 0.2,
    input_fit: str = "auto",
    final: bool = False,
    seed: int = 0,
    strategy: str = "linear",
    budget: float | None = None,
    balance: str = "none",
    calibration: str = "none",
    cost: Any = None,
    prevalence: str | float | None = None,
    loss: str = "cross-entropy",
    batches: str = "natural",
    trials: int | None = None,
    source_data: Any = None,
    norm: str = "source",
    batch_size: int = 32,
    scaling: str = "standard",
    max_unreadable: float = 0.1,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    tell: Tell | None = None,
) -> Run:
    """Make a checked, usable model of a person's labelled examples.

    Parameters
    ----------
    data : path, DataFrame, (X, y) or anything else that ``load_target`` takes
        The labelled examples.
    out : path, optional
        The run folder; ``NAME-run`` in the working folder by default. A run that was interrupted there goes on.
    source : str, Path or Source
        The pretrained model; see ``headstart.sources.get``. ``"auto"`` ranks those at hand and takes the best.
    architecture : str, optional
        timm's name of the network, where ``source`` is a checkpoint.
    image, label, split, group : str, optional
        Columns of a table, where they cannot be told by their names.
    test_size : float
        Share of the pictures that are held out where the data has no split of its own.
    input_fit : {"auto", "crop", "squash", "pad"}
        How a picture is fitted into the input; ``"auto"`` measures.
    final : bool
        Refit the head on everything, test part included, after it was measured.
    seed : int
        Seed of all that is random: same data, same seed, same machine, same result.
    strategy : {"linear", "frozen", "auto"}
        What is tried: a logistic head on the last tap; every head on frozen features of one source or several; or
        those, fine-tuning from several stages on and, for large targets, starting over; the latter two with a verdict
        on whether transfer helped.
    budget : float, optional
        Minutes that training networks may take, with ``strategy="auto"``; by default what fourteen epochs of plain
        fine-tuning of the whole network would take on this machine, and at most 20.
    balance : str
        Whether an imbalance is corrected: ``"none"``; ``"auto"`` compares the ways out of fold, by the metric that the
        imbalance asks for, see ``headstart.imbalance.balance``; ``"logit-adjustment"``, ``"thresholds"``, and with
        ``strategy="linear"`` also ``"class-weights"``, ``"weights-then-thresholds"``, ``"over-sampling"``,
        ``"under-sampling"``, ``"smote"``.
        Probabilities stay those of the data; decisions are moved.
    calibration : {"none", "auto", "temperature", "isotonic"}
        Whether probabilities are calibrated, out of fold and after all that trains; ``"auto"`` compares. It goes with
        the ways to balance that move decisions only.
    cost : str, path or array_like (k, k), optional
        What mistakes cost where the model is used: ``"fn=10,fp=1"`` for two classes, or a CSV table with the true class
        in rows and the said one in columns. The class that costs least in expectation is said.
    prevalence : str or float, optional
        Shares of the classes where the model is used: a number for the positive class, or ``"NAME=0.1,OTHER=0.2"``.
        Probabilities and decisions are then for those; the test part is judged at its own shares. Neither this nor
        ``cost`` goes with ``balance``: both say what is decided.
    loss : str
        Of networks (``strategy="auto"``): ``"cross-entropy"``, ``"focal"``, ``"class-balanced"``,
        ``"class-balanced-focal"``, ``"ldam-drw"``, ``"logit-adjustment"``.
    batches : {"natural", "balanced", "square-root", "progressive"}
        How they draw examples. Loss and batches that correct the same imbalance twice are refused.
    trials : int, optional
        How many ways on frozen features are tried, the plain one counting; all by default. What worked on the most
        similar targets of the local history (``headstart.transfer.history``) is tried first.
    source_data : path, DataFrame, (X, y) or anything else that ``load_target`` takes, optional
        Labelled examples from another place, with classes of the same names, with ``strategy="linear"``. How they
        differ is diagnosed, what the differences allow is tried, and the best is taken if it gains anything.
    norm : {"source", "frozen", "recalibrated", "group", "batch", "auto"}
        What the normalization layers go by: the statistics of the source, in fine-tuning frozen (``"source"`` and
        ``"frozen"`` are the same), those of these pictures, in fine-tuning frozen as well, and in fine-tuning alone
        group normalization, or the statistics of each batch. ``"auto"`` compares them out of fold and leaves those of
        the source only for what is measurably better.
    batch_size : int
        Pictures in a batch of fine-tuning. Gradients are added up to a step of 32 pictures, so 1 trains as well.
    scaling : {"standard", "robust", "quantile"}
        Of plain features, by the training rows of each fold: mean and standard deviation, median and interquartile
        range, or ranks.
    max_unreadable : float
        Share of the pictures that may be unreadable.
    backend : {"auto", "openvino", "torch"}
        The engine.
    device : str
        ``"auto"`` or a PyTorch device.
    cache_size : int, optional
        Bytes that the activation cache may take.
    quiet : bool
        Whether to show no progress.
    tell : callable, optional
        Called with each answer as soon as it is found.

    Returns
    -------
    Run
        The finished run, which predicts.

    Raises
    ------
    HeadstartError
        In one line, what is wrong with the data, the source or the run folder, and the way out.
    """
    from headstart.data import load_target
    from headstart.data.profile import profile
    from headstart.features.backends import Choice
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.imbalance import choose_metric
    from headstart.imbalance.balance import NONE, WAYS
    from headstart.pipeline.choice import candidates, choose_source
    from headstart.pipeline.seen import seen_by_source
    from headstart.sources import FITS
    from headstart.training.scaling import checked_scaling

    if input_fit not in {"auto", *FITS}:
        raise HeadstartError(f"no input fit {input_fit!r}: choose auto, crop, squash or pad")
    if strategy not in STRATEGIES:
        raise HeadstartError(f"no strategy {strategy!r}: choose {', '.join(STRATEGIES)}")
    if balance not in ("auto", *WAYS):
        raise HeadstartError(f"no balance {balance!r}: choose auto, {', '.join(WAYS)}")
    if final and strategy != "linear":
        raise HeadstartError("final=True goes with strategy='linear' only: leave one of the two out")
    if checked_scaling(scaling) != "standard" and balance != NONE:
        raise HeadstartError(f"scaling={scaling!r} goes without balance only: leave one of the two out")
    if final and balance != NONE:
        raise HeadstartError("final=True goes without balance only: leave one of the two out")
    deploying.check_options(strategy, balance, calibration, cost, prevalence, loss, batches)
    if trials is not None and trials < 1:
        raise HeadstartError(f"trials={trials}: give 1 or more")
    if source_data is not None and (strategy != "linear" or final or balance != NONE or scaling != "standard"):
        raise HeadstartError(
            "source_data goes with strategy='linear' alone, without balance, scaling and final: leave one out"
        )
    norm = checked(norm, batch_size, strategy=strategy)
    ours = team()
    if not ours.leads:
        quiet, tell = True, None
    started = time.perf_counter()
    target = load_target(
        data, image=image, label=label, split=split, group=group, test_size=test_size, random_state=seed,
        max_unreadable=max_unreadable, quiet=quiet,
    )  # fmt: skip
    check_modality(target, norm=norm, scaling=scaling)
    other = None
    if source_data is not None:
        other = load_target(
            source_data, image=image, label=label, random_state=seed, max_unreadable=max_unreadable, quiet=quiet
        )
    settings = Settings(
        source=getattr(source, "name", str(source)), architecture=architecture, input_fit=input_fit, final=final,
        seed=seed, strategy=strategy, budget=budget, balance=balance, calibration=calibration,
        cost=deploying.told_cost(cost), prevalence=None if prevalence is None else str(prevalence), loss=loss,
        batches=batches, norm=norm, batch_size=batch_size, scaling=scaling, trials=trials,
        source_data=other.fingerprint if other else None, backend=backend, device=device,
    )  # fmt: skip
    folder = Path(out) if out is not None else Path(f"{Path(target.name).stem or 'headstart'}-run")
    sources = candidates(source, architecture) if target.pictures is not None else []
    choices: list[Choice] = []
    plan = ours.first(
        lambda: make_plan(folder, settings, target, sources, lambda: _choose(target, sources[0], settings, choices))
    )
    if (folder / "run.json").is_file():
        return Run(folder)
    if ours.leads:
        for part in folder.glob(".*.part"):
            part.unlink(missing_ok=True)

    found = Findings(target, settings, profile(target))
    found.times["load_seconds"] = round(time.perf_counter() - started, 3)
    if choices:
        found.times["engine"] = {"why": choices[0].why, "rates": choices[0].rates}
    tell = tell or (lambda answer: None)
    tell(found.profile)
    found.metric = choose_metric(target.labels[target.rows("train", "val")])
    tell(found.metric)
    deploying.checked(found)
    limit = DEFAULT_LIMIT if cache_size is None else cache_size
    if sources:
        choose_source(found, sources, Choice(plan.engine["backend"], plan.device, "as planned"), tell, limit, quiet)
    X = _features(found, plan, tell, limit, quiet)
    X = norm_features(found, X, Choice(plan.engine.get("backend", ""), plan.device, "as planned"), tell, limit, quiet)
    found.seen = seen_by_source(found, X)
    if found.seen is not None:
        tell(found.seen)
    work = folder / WORK
    if strategy == "linear" or found.source is None:
        features = functools.partial(_features_of, found, plan, limit, quiet)
        model = _head(found, X, tell, quiet, other, features)
    else:
        model = _contest(found, plan, work, tell, limit, quiet)
    if ours.leads:
        remember_run(found, X)
        with found.timed("write"):
            write_run(folder, plan, found, model)
        shutil.rmtree(work, ignore_errors=True)
    ours.together()
    return Run(folder)


def _choose(target: Target, source: Source, settings: Settings, choices: list[Choice]) -> Choice:
    from headstart.features.activations import choose_engine

    assert target.pictures is not None
    readable = target.pictures.subset(_readable(target))
    choices.append(choose_engine(readable, source, backend=settings.backend, device=settings.device))
    return choices[0]


def _readable(target: Target) -> NDArray[np.int64]:
    return np.array([row for row, name in enumerate(target.ids) if name not in target.unreadable], dtype=np.int64)


def _features(found: Findings, plan: Plan, tell: Tell, limit: int, quiet: bool) -> NDArray[np.floating]:
    """Return what the head learns from, (n, d), with NaN where a row cannot be read."""
    target, settings, source = found.target, found.settings, found.source
    if target.features is not None:
        return target.features
    from headstart.data.splits import sample_rows
    from headstart.features.activations import compute
    from headstart.features.backends import Choice
    from headstart.features.graph import LAST
    from headstart.pipeline.input_fit import SAMPLE, InputFit, choose_input_fit

    assert source is not None and target.pictures is not None
    pictures, choice = target.pictures, Choice(plan.engine["backend"], plan.device, "as planned")

    def last(rows: NDArray[np.int64], fit: Fit, label: str) -> NDArray[np.float32]:
        preprocessing = dataclasses.replace(source.preprocessing, fit=fit)
        found.source = dataclasses.replace(source, preprocessing=preprocessing)
        activations = compute(
            pictures.subset(rows),
            found.source,
            taps=[LAST],
            choice=choice,
            cache_size=limit,
            label=label,
            quiet=quiet,
        )
        found.count(activations.n_passed, activations.n_damaged)
        return activations[LAST]

    own = source.preprocessing.fit
    if settings.input_fit == "auto":
        sample = sample_rows(target.y, target.rows("train", "val"), SAMPLE, np.random.default_rng(settings.seed))
        with found.timed("input_fit"):
            found.input_fit = choose_input_fit(
                lambda fit: last(sample, fit, f"{source.name}: trying {fit}"),
                target.y[sample],
                target.groups[sample],
                own=own,
                random_state=settings.seed,
            )
    else:
        found.input_fit = InputFit(fit=cast("Fit", settings.input_fit), own=own)
    tell(found.input_fit)
    readable = _readable(target)
    with found.timed("features"):
        vectors = last(readable, found.input_fit.fit, f"{source.name}: features")
    X = np.full((len(target), vectors.shape[1]), np.nan, dtype=np.float32)
    X[readable] = vectors
    return X


def _features_of(
    found: Findings, plan: Plan, limit: int, quiet: bool, other: Target, rows: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Return the features of other data's rows, (m, d), made as the target's were."""
    if other.features is not None:
        return other.features[rows]
    from headstart.features.activations import compute
    from headstart.features.backends import Choice
    from headstart.features.graph import LAST

    assert other.pictures is not None and found.source is not None
    choice = Choice(plan.engine["backend"], plan.device, "as planned")
    activations = compute(
        other.pictures.subset(rows), found.source, taps=[LAST], choice=choice, cache_size=limit,
        label=f"{found.source.name}: {other.name}", quiet=quiet,
    )  # fmt: skip
    found.count(activations.n_passed, activations.n_damaged)
    return activations[LAST]


def _head(
    found: Findings, X: NDArray[np.floating], tell: Tell, quiet: bool, other: Target | None, features: Features
) -> Model:
    """Choose, fit and measure the head."""
    from headstart.evaluation import cross_validate
    from headstart.features.graph import LAST
    from headstart.pipeline.model import Model
    from headstart.training import LogisticHead

    target, seed, scaling = found.target, found.settings.seed, found.settings.scaling
    development = target.rows("train", "val")
    y, groups = target.y, target.groups
    with found.timed("cross_validation"):
        found.validation = cross_validate(
            X[development], y[development], groups[development], classes=target.classes, random_state=seed,
            scaling=scaling, quiet=quiet,
        )  # fmt: skip
    tell(found.validation)
    head = LogisticHead(C=found.validation.C, scaling=scaling).fit(X[development], y[development])
    table, expected = found.validation.probabilities, found.validation.estimate
    if other is not None:
        head = carried_head(found, other, X[development], found.validation.C, features, quiet=quiet)
        assert found.carried is not None
        table, expected = found.carried.probabilities, found.carried.estimate
        for answer in (found.scenario, found.carried, found.verdict):
            if answer is not None:
                tell(answer)
    out_of_fold = table
    if found.settings.calibration == "none":
        head, offsets = balanced_head(found, X[development], head, found.validation.C)
    model = Model(((found.source, (LAST,)),) if found.source else (), head)
    if found.settings.calibration != "none":
        model, table = deploying.calibrated(found, model, table, tell)
        offsets = balanced_decisions(found, table)
    probabilities = np.full((len(target), len(target.classes)), np.nan)
    usable = np.isfinite(X).all(axis=1)
    probabilities[usable] = model.predict_proba(X[usable])
    probabilities[development] = table
    decisions = _decisions(probabilities, offsets)
    if found.balance is not None:
        probabilities[development], decisions[development] = found.balance.probabilities, found.balance.decisions
        tell(found.balance)
    _judge(found, probabilities, decisions, out_of_fold, expected, tell)
    if found.settings.final:
        everything = target.rows("train", "val", "test")
        head = LogisticHead(C=found.validation.C, scaling=scaling).fit(X[everything], y[everything])
        model = deploying.with_calibration(found, Model(model.parts, head))
    return deploying.with_deployment(found, dataclasses.replace(model, offsets=_told(offsets)))


def _contest(found: Findings, plan: Plan, work: Path, tell: Tell, limit: int, quiet: bool) -> Model:
    """Let the candidates compete, and measure the model that was made."""
    from headstart.features.activations import compute
    from headstart.features.backends import Choice
    from headstart.pipeline.contest import contest

    target, choice = found.target, Choice(plan.engine["backend"], plan.device, "as planned")
    assert target.pictures is not None
    model, probabilities = contest(found, choice, work, tell, cache_size=limit, quiet=quiet)
    development, test = target.rows("train", "val"), target.rows("test")
    model, probabilities[development] = deploying.calibrated(found, model, probabilities[development], tell)
    if len(test):
        pictures, activations = target.pictures.subset(test), []
        for source, taps in model.parts:
            activations.append(
                compute(
                    pictures, source, taps=taps, choice=choice, cache_size=limit, label=f"{source.name}: features",
                    quiet=quiet,
                )
            )  # fmt: skip
            found.count(activations[-1].n_passed, activations[-1].n_damaged)
        if model.handmade:
            from headstart.features.handmade import handmade_features

            read = handmade_features(pictures)
        else:
            read = model.concatenate(activations)
        probabilities[test] = model.predict_proba(read)
    assert found.bakeoff is not None and found.plain is not None
    offsets = balanced_decisions(found, probabilities[development])
    offsets = deploying.network_offsets(found) if offsets is None else offsets
    decisions = _decisions(probabilities, offsets)
    if found.balance is not None:
        known = np.flatnonzero(np.isfinite(probabilities[development]).all(axis=1))
        decisions[development[known]] = found.balance.decisions
        tell(found.balance)
    handed_back = found.verdict is not None and found.verdict.answer == "hurts"  # the estimate is not of the baseline
    expected = None if handed_back else found.bakeoff.estimate
    _judge(found, probabilities, decisions, found.plain, expected, tell)
    return deploying.with_deployment(found, dataclasses.replace(model, offsets=_told(offsets)))


def _decisions(probabilities: NDArray[np.float64], offsets: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """Return the class that is said of each row; of a row without probabilities, any."""
    from headstart.imbalance import decide

    known = np.nan_to_num(probabilities)
    return np.asarray(known.argmax(axis=1) if offsets is None else decide(known, offsets))


def _told(offsets: NDArray[np.float64] | None) -> tuple[float, ...]:
    return () if offsets is None or not offsets.any() else tuple(offsets.tolist())


def _judge(
    found: Findings,
    probabilities: NDArray[np.float64],
    decisions: NDArray[np.int64],
    out_of_fold: NDArray[np.float64],
    expected: Interval | None,
    tell: Tell,
) -> None:
    """Measure what was predicted for the test part, which is touched here and once; look for wrong labels."""
    from headstart.evaluation import confident_mistakes, evaluate, label_issues

    target, seed = found.target, found.settings.seed
    development, test = target.rows("train", "val"), target.rows("test")
    y, groups = target.y, target.groups
    decisions = deploying.deploy(found, probabilities, decisions, tell)
    if len(test):
        with found.timed("evaluation"):
            found.evaluation = evaluate(
                y[test],
                probabilities[test],
                classes=target.classes,
                groups=groups[test],
                random_state=seed,
                predicted=decisions[test],
            )
        found.evaluation = dataclasses.replace(
            found.evaluation, warnings=(*_surprises(expected, found.evaluation), *found.evaluation.warnings)
        )
        tell(found.evaluation)
        found.mistakes = confident_mistakes(
            y[test], probabilities[test], target.ids[test], target.classes, predicted=decisions[test]
        )
    found.issues = label_issues(y[development], out_of_fold, target.ids[development], target.classes)
    tell(found.issues)
    found.probabilities, found.decisions = deploying.corrected(found, probabilities), decisions


def _surprises(expected: Interval | None, evaluation: Evaluation) -> tuple[str, ...]:
    """Say so where the test part is clearly harder than the development part made one expect."""
    reached = evaluation.metrics["macro_f1"]
    if expected is None or not expected.low > reached.high:
        return ()
    return (
        f"macro-F1 is {reached.value:.3f} on the test part where cross-validation expected {expected.value:.3f}: the "
        "development examples resemble one another more than they resemble the test part (other days, places or "
        "devices?); name what they share with --group, or add more varied examples",
    )

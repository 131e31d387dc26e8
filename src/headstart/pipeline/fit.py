"""``fit``: the questions in their order, a model, and the evidence for it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.pipeline.findings import Findings
from headstart.pipeline.plan import Plan, Settings, make_plan
from headstart.pipeline.run import Run
from headstart.pipeline.writing import write_run
from headstart.results import Answer, HeadstartError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.evaluation import CrossValidation, Evaluation
    from headstart.features.backends import Choice
    from headstart.sources import Fit, Source

Tell = Callable[[Answer], None]


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
        The pretrained model; see ``headstart.sources.get``.
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
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.sources import FITS, get

    if input_fit not in {"auto", *FITS}:
        raise HeadstartError(f"no input fit {input_fit!r}: choose auto, crop, squash or pad")
    started = time.perf_counter()
    target = load_target(
        data, image=image, label=label, split=split, group=group, test_size=test_size, random_state=seed,
        max_unreadable=max_unreadable, quiet=quiet,
    )  # fmt: skip
    settings = Settings(
        source=getattr(source, "name", str(source)), architecture=architecture, input_fit=input_fit, final=final,
        seed=seed, backend=backend, device=device,
    )  # fmt: skip
    folder = Path(out) if out is not None else Path(f"{Path(target.name).stem or 'headstart'}-run")
    network = get(source, architecture=architecture) if target.pictures is not None else None
    choices: list[Choice] = []
    plan = make_plan(folder, settings, target, network, lambda: _choose(target, network, settings, choices))
    if (folder / "run.json").is_file():
        return Run(folder)
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)

    found = Findings(target, settings, profile(target), network)
    found.times["load_seconds"] = round(time.perf_counter() - started, 3)
    if choices:
        found.times["engine"] = {"why": choices[0].why, "rates": choices[0].rates}
    tell = tell or (lambda answer: None)
    tell(found.profile)
    limit = DEFAULT_LIMIT if cache_size is None else cache_size
    X = _features(found, plan, tell, limit, quiet)
    _head(found, X, tell, quiet)
    with found.timed("write"):
        write_run(folder, plan, found)
    return Run(folder)


def _choose(target: Target, source: Source | None, settings: Settings, choices: list[Choice]) -> Choice:
    from headstart.features.activations import choose_engine

    assert source is not None and target.pictures is not None
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
    from headstart.features.activations import compute
    from headstart.features.backends import Choice
    from headstart.features.graph import LAST
    from headstart.pipeline.input_fit import SAMPLE, InputFit, choose_input_fit, sample_rows

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
        found.times["pictures_passed"] = found.times.get("pictures_passed", 0) + activations.n_passed
        found.times["shards_damaged"] = found.times.get("shards_damaged", 0) + activations.n_damaged
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


def _head(found: Findings, X: NDArray[np.floating], tell: Tell, quiet: bool) -> None:
    """Choose, fit and measure the head. The test part is touched once, at the end."""
    from headstart.evaluation import confident_mistakes, cross_validate, evaluate, label_issues
    from headstart.training import LogisticHead

    target, seed = found.target, found.settings.seed
    development, test = target.rows("train", "val"), target.rows("test")
    y, groups = target.y, target.groups
    with found.timed("cross_validation"):
        found.validation = cross_validate(
            X[development], y[development], groups[development], classes=target.classes, random_state=seed, quiet=quiet
        )
    tell(found.validation)
    found.head = LogisticHead(C=found.validation.C).fit(X[development], y[development])
    probabilities = np.full((len(target), len(target.classes)), np.nan)
    usable = np.isfinite(X).all(axis=1)
    probabilities[usable] = found.head.predict_proba(X[usable])
    if len(test):
        with found.timed("evaluation"):
            found.evaluation = evaluate(
                y[test], probabilities[test], classes=target.classes, groups=groups[test], random_state=seed
            )
        found.evaluation = dataclasses.replace(
            found.evaluation, warnings=(*_surprises(found.validation, found.evaluation), *found.evaluation.warnings)
        )
        tell(found.evaluation)
        found.mistakes = confident_mistakes(y[test], probabilities[test], target.ids[test], target.classes)
    oof = found.validation.probabilities
    found.issues = label_issues(y[development], oof, target.ids[development], target.classes)
    tell(found.issues)
    probabilities[development] = oof
    found.probabilities = probabilities
    if found.settings.final:
        everything = target.rows("train", "val", "test")
        found.head = LogisticHead(C=found.validation.C).fit(X[everything], y[everything])


def _surprises(validation: CrossValidation, evaluation: Evaluation) -> tuple[str, ...]:
    """Say so where the test part is clearly harder than the development part made one expect."""
    expected, reached = validation.estimate, evaluation.metrics["macro_f1"]
    if not expected.low > reached.high:
        return ()
    return (
        f"macro-F1 is {reached.value:.3f} on the test part where cross-validation expected {expected.value:.3f}: the "
        "development examples resemble one another more than they resemble the test part (other days, places or "
        "devices?); name what they share with --group, or add more varied examples",
    )

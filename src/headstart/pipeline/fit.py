"""``fit``: the questions in their order, a model, and the evidence for it."""

from __future__ import annotations

import functools
import inspect
import time
from typing import TYPE_CHECKING, Any

from headstart.pipeline import deploying
from headstart.pipeline.extracting import choose_engine_for, features, features_of
from headstart.pipeline.findings import Findings, Tell
from headstart.pipeline.making import contested_model, linear_model
from headstart.pipeline.norm_ways import check_modality
from headstart.pipeline.norming import norm_features
from headstart.pipeline.opening import open_run
from headstart.pipeline.options import checked_options
from headstart.pipeline.past import remember_run
from headstart.pipeline.plan import Settings
from headstart.pipeline.run import Run
from headstart.pipeline.tasks import fit_task
from headstart.pipeline.writing import write_run
from headstart.results import HeadstartError
from headstart.results.team import team

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.sources import Source


def fit(
    data: Any,
    *,
    task: str = "classify",
    out: str | Path | None = None,
    source: str | Path | Source = "lite0",
    architecture: str | None = None,
    image: str | None = None,
    label: Any = None,
    order: str | None = None,
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
    task : {"classify", "detect", "multilabel", "ordinal", "regress"}
        What is to be predicted: one class; boxes; any number of classes; one of classes that have an order; a number.
        Tasks other than the first know fewer of the options below, and refuse the others. For boxes see
        ``headstart.pipeline.detecting.fit_detector``.
    out : path, optional
        The run folder; ``NAME-run`` in the working folder by default. A run that was interrupted there goes on.
    source : str, Path or Source
        The pretrained model; see ``headstart.sources.get``. ``"auto"`` ranks those at hand and takes the best.
    architecture : str, optional
        timm's name of the network, where ``source`` is a checkpoint.
    image, label, split, group : str, optional
        Columns of a table, where they cannot be told by their names. Several labels are a list of columns, or text
        with commas.
    order : str, optional
        Ordinal classes, lowest first, such as ``"none<slight<severe"``; numbers need none.
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
    if task != "classify":
        given = {name: value for name, value in locals().items() if name not in ("data", "task")}
        defaults = {name: one.default for name, one in inspect.signature(fit).parameters.items()}
        return fit_task(task, data, given, defaults)
    if order is not None:
        raise HeadstartError(f"an order of classes means nothing where one is predicted: add --task ordinal ({order})")
    from headstart.data import load_target
    from headstart.data.profile import profile
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.imbalance import choose_metric
    from headstart.pipeline.choice import candidates, choose_source
    from headstart.pipeline.seen import seen_by_source

    norm = checked_options(
        input_fit=input_fit, strategy=strategy, balance=balance, final=final, scaling=scaling, trials=trials,
        with_source_data=source_data is not None, norm=norm, batch_size=batch_size, calibration=calibration, cost=cost,
        prevalence=prevalence, loss=loss, batches=batches,
    )  # fmt: skip
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
    sources = candidates(source, architecture) if target.pictures is not None else []
    opened = open_run(out, settings, target, sources, lambda: choose_engine_for(target, sources[0], settings))
    folder, plan = opened.folder, opened.plan
    if opened.is_finished:
        return Run(folder)

    found = Findings(target, settings, profile(target))
    found.times["load_seconds"] = round(time.perf_counter() - started, 3)
    if opened.trial:
        found.times["engine"] = {"why": opened.trial.why, "rates": opened.trial.rates}
    tell = tell or (lambda answer: None)
    found.metric = choose_metric(target.labels[target.rows("train", "val")])
    deploying.checked(found)
    tell(found.profile)
    tell(found.metric)
    limit = DEFAULT_LIMIT if cache_size is None else cache_size
    if sources:
        choose_source(found, sources, plan.choice, tell, limit, quiet)
    X = features(found, plan, tell, limit, quiet)
    X = norm_features(found, X, plan.choice, tell, limit, quiet)
    found.seen = seen_by_source(found, X)
    if found.seen is not None:
        tell(found.seen)
    if strategy == "linear" or found.source is None:
        model = linear_model(found, X, tell, quiet, other, functools.partial(features_of, found, plan, limit, quiet))
    else:
        model = contested_model(found, plan, opened.work, tell, limit, quiet)
    if ours.leads:
        remember_run(found, X)
        with found.timed("write"):
            write_run(folder, plan, found, model)
        opened.close()
    ours.together()
    return Run(folder)

"""``headstart fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def fit(
    data: o.Data,
    task: Annotated[
        str,
        typer.Option(
            help="What is predicted: classify (one class), detect (boxes), multilabel (any number of classes), "
            "ordinal (classes that have an order), regress (a number)."
        ),
    ] = "classify",
    out: Annotated[
        Path | None, typer.Option(help="Run folder; NAME-run by default. An interrupted run there goes on.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="auto (those at hand are ranked), lite0, lite1, lite2, timm:NAME, a checkpoint, ARCHITECTURE@PATH, "
            "or a finished run."
        ),
    ] = "lite0",
    architecture: Annotated[str | None, typer.Option(help="timm's name of a checkpoint's network.")] = None,
    image: o.Image = None,
    label: o.Label = None,
    order: Annotated[
        str | None,
        typer.Option(help="Ordinal classes, lowest first: none<slight<severe.", rich_help_panel="Tables"),
    ] = None,
    split: o.Split = None,
    group: o.Group = None,
    test_size: o.TestSize = 0.2,
    input_fit: Annotated[
        str, typer.Option(help="How pictures are fitted into the input: auto measures; crop, squash, pad.")
    ] = "auto",
    strategy: Annotated[
        str,
        typer.Option(
            help="linear: a logistic head on the last tap; frozen: every head on frozen features; "
            "auto: those, fine-tuning and starting over, with a verdict."
        ),
    ] = "linear",
    budget: Annotated[
        float | None, typer.Option(help="Minutes that training networks may take (--strategy auto).", min=0.0)
    ] = None,
    balance: Annotated[
        str,
        typer.Option(
            help="Whether an imbalance is corrected: none; auto compares the ways; logit-adjustment, thresholds, "
            "class-weights, weights-then-thresholds, over-sampling, under-sampling, smote."
        ),
    ] = "none",
    calibration: Annotated[
        str, typer.Option(help="Whether probabilities are calibrated: none; auto compares; temperature, isotonic.")
    ] = "none",
    cost: Annotated[
        str | None,
        typer.Option(
            help="What mistakes cost where it is used: fn=10,fp=1, or a CSV table (rows: true, columns: said)."
        ),
    ] = None,
    prevalence: Annotated[
        str | None,
        typer.Option(help="Shares of the classes where it is used: 0.01 (of the positive), or NAME=0.1,OTHER=0.2."),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            help="Of networks (--strategy auto): cross-entropy, focal, class-balanced, class-balanced-focal, ldam-drw, "
            "logit-adjustment."
        ),
    ] = "cross-entropy",
    batches: Annotated[
        str, typer.Option(help="How networks draw examples: natural, balanced, square-root, progressive.")
    ] = "natural",
    trials: Annotated[
        int | None,
        typer.Option(
            help="Ways on frozen features that are tried, by default all; those that worked on the most similar "
            "earlier targets (headstart history) come first.",
            min=1,
        ),
    ] = None,
    source_data: Annotated[
        Path | None,
        typer.Option(help="Labelled examples from another place, same classes: what they are worth is measured."),
    ] = None,
    norm: Annotated[
        str,
        typer.Option(
            help="What normalization layers go by: source (in fine-tuning frozen), recalibrated (statistics of these "
            "pictures), group or batch (fine-tuning alone), auto (compared)."
        ),
    ] = "source",
    batch_size: Annotated[int, typer.Option(help="Pictures in a batch of fine-tuning; 1 works.", min=1)] = 32,
    scaling: Annotated[
        str, typer.Option(help="Of plain features, inside the folds: standard, robust, quantile.")
    ] = "standard",
    final: Annotated[
        bool, typer.Option("--final", help="Refit on everything, test part included, after it was measured.")
    ] = False,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    backend: o.Backend = "auto",
    device: o.Device = "auto",
    cache_size: o.CacheSize = 20.0,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Make a checked, usable model of labelled pictures (or of a table of features), with a report."""
    from headstart.cli.printing import console, print_headline, print_json
    from headstart.pipeline.fit import fit as run_fit
    from headstart.results.team import team

    silent = quiet or as_json
    run = run_fit(
        data, task=task, out=out, source=source, architecture=architecture, image=image, label=label, order=order,
        split=split, group=group, test_size=test_size, input_fit=input_fit, strategy=strategy, budget=budget,
        balance=balance, calibration=calibration, cost=cost, prevalence=prevalence, loss=loss, batches=batches,
        norm=norm, batch_size=batch_size, scaling=scaling, source_data=source_data, final=final, trials=trials,
        seed=seed, max_unreadable=max_unreadable, backend=backend, device=device,
        cache_size=int(cache_size * 2**30), quiet=silent, tell=None if silent else print_headline,
    )  # fmt: skip
    if not team().leads:
        return
    if as_json:
        print_json(run.info)
    elif not quiet:
        from rich.text import Text

        screen = console()
        screen.print()
        screen.print(Text(run.headline(), style="bold"))
        what = "PICTURES..." if run.info["source"] else "TABLE"
        screen.print(Text(f"predict headstart predict {run.folder} {what} --out predictions.csv"), soft_wrap=True)
        screen.print(Text(f"report  {run.report}"), soft_wrap=True)

"""``headstart diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def diagnose(
    source: Annotated[
        Path, typer.Argument(help="Labelled data from another place: a folder or a table.", metavar="SOURCE")
    ],
    target: Annotated[
        Path,
        typer.Argument(help="Your data. With --no-target-labels any folder of pictures will do.", metavar="TARGET"),
    ],
    target_labels: Annotated[
        bool, typer.Option("--target-labels/--no-target-labels", help="Whether to look at the target's labels.")
    ] = True,
    model: Annotated[
        str, typer.Option(help="Through which pictures are seen: lite0, timm:NAME, ARCHITECTURE@PATH, a finished run.")
    ] = "lite0",
    image: o.Image = None,
    label: o.Label = None,
    split: o.Split = None,
    group: o.Group = None,
    most: Annotated[int, typer.Option(help="Rows of each side; of more, a random sample.", min=2)] = 2000,
    plot: Annotated[Path | None, typer.Option(help="Write how far each feature moved to this HTML file.")] = None,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    backend: o.Backend = "auto",
    device: o.Device = "auto",
    cache_size: o.CacheSize = 20.0,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Say how labelled data from another place differs from yours, and what can be carried over."""
    from headstart.cli.printing import console, print_answer, print_json, write_plot
    from headstart.results.terminal import table
    from headstart.scenario.compare import diagnose_data

    found = diagnose_data(
        source, target, model=model, target_labels=target_labels, image=image, label=label, split=split, group=group,
        most=most, seed=seed, max_unreadable=max_unreadable, backend=backend, device=device,
        cache_size=int(cache_size * 2**30), quiet=quiet or as_json,
    )  # fmt: skip
    if plot is not None:
        write_plot(plot, found)
    if as_json:
        print_json({"headline": found.headline(), **found.to_dict()})
    elif not quiet:
        print_answer(found)
        screen = console()
        for finding in found.findings:
            screen.print(f"- {finding.sentence}", markup=False)
        screen.print()
        screen.print(table(found.what_follows()))

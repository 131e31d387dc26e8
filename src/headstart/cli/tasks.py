"""``headstart tasks``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def tasks(
    data: o.Data,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="A column of the table (NAME:number or NAME:classes says what it holds), or autoencoding, colour, "
            "denoising, edges, inpainting, jigsaw, mask, rotation; once for each. "
            "By default all columns with classes or numbers, and mask, edges, colour, rotation."
        ),
    ] = None,
    image: o.Image = None,
    split: o.Split = None,
    group: o.Group = None,
    encoder: Annotated[
        str, typer.Option(help="network: a small one for each task; or a source, frozen, below such networks.")
    ] = "network",
    cut: Annotated[str | None, typer.Option(help="Stage of a frozen source whose input is read.")] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels, a multiple of 8.", min=32)] = 64,
    most: Annotated[int, typer.Option(help="Pictures that are read; of more, a sample.", min=100)] = 3000,
    seeds: Annotated[int, typer.Option(help="Repetitions, for intervals.", min=1)] = 3,
    few: Annotated[int, typer.Option(help="Pictures that a transfer is learned from.", min=10)] = 200,
    order: Annotated[int, typer.Option(help="At most so many sources in a transfer.", min=1)] = 2,
    steps: Annotated[int, typer.Option(help="Steps that each network is trained for.", min=1)] = 200,
    out: Annotated[Path | None, typer.Option(help="Write the page to this HTML file.")] = None,
    seed: o.Seed = 0,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Measure which tasks help which, on the same pictures, and say which few to label.

    Six tasks and three repetitions take some 8 minutes on two cores; what is finished is kept.
    """
    from headstart.cli.printing import console, print_headline, print_json
    from headstart.results import plain
    from headstart.results.files import write_text
    from headstart.results.terminal import table
    from headstart.taskonomy import Recipe, measure, read_tasks

    hush = quiet or as_json
    read = read_tasks(data, task or None, image=image, split=split, group=group, size=size, most=most, seed=seed,
                      quiet=hush)  # fmt: skip
    found = measure(
        read, encoder=encoder, cut=cut, seeds=seeds, few=few, order=order, recipe=Recipe(steps=steps), seed=seed,
        quiet=hush,
    )  # fmt: skip
    if out is not None:
        from headstart.pipeline.page_tasks import tasks_page

        write_text(out, tasks_page(found, title=read.name, command=["headstart", *sys.argv[1:]]))
    if as_json:
        rows = {"affinities": found.to_frame().to_dict("records")}
        print_json({"headline": found.headline(), **found.to_dict(), **plain(rows)})
    elif not quiet:
        print_headline(found)
        screen = console()
        for frame in (found.matrix(intervals=False), found.best(), found.by_budget()):
            screen.print(table(frame))

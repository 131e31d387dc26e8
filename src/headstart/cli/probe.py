"""``headstart probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def probe(
    data: o.Data,
    source: Annotated[
        str, typer.Option(help="lite0, lite1, lite2, timm:NAME, ARCHITECTURE@PATH, or a finished run.")
    ] = "lite0",
    image: o.Image = None,
    label: o.Label = None,
    split: o.Split = None,
    group: o.Group = None,
    test_size: o.TestSize = 0.2,
    most: Annotated[int, typer.Option(help="Pictures that are probed; of more, a sample.", min=1)] = 5000,
    plot: Annotated[Path | None, typer.Option(help="Write the curves to this HTML file.")] = None,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    backend: o.Backend = "auto",
    device: o.Device = "auto",
    cache_size: o.CacheSize = 20.0,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Say what each layer of a source knows of the data: the best tap, where to cut, how near the source is."""
    from headstart.cli.printing import print_answer, print_json, write_plot
    from headstart.finetuning.probe import probe as find
    from headstart.finetuning.rule import place

    found = find(
        data, source, image=image, label=label, split=split, group=group, test_size=test_size, most=most, seed=seed,
        max_unreadable=max_unreadable, backend=backend, device=device, cache_size=int(cache_size * 2**30),
        quiet=quiet or as_json,
    )  # fmt: skip
    rule = place(found.n + found.n_left_out, found.n_classes, found.similarity.overall)
    if plot is not None:
        write_plot(plot, found)
    if as_json:
        print_json(
            {"headline": found.headline(), **found.to_dict(), "rule": {"headline": rule.headline(), **rule.to_dict()}}
        )
    elif not quiet:
        print_answer(found)
        print_answer(rule)

"""``headstart rank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def rank(
    data: o.Data,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="A source to compare, once for each: lite0, timm:NAME, ARCHITECTURE@PATH, a finished run. "
            "By default all that are at hand without a network (headstart sources)."
        ),
    ] = None,
    hub: Annotated[
        bool, typer.Option("--hub", help="Compare the curated list of timm's hub too; it is fetched (1.1 GB once).")
    ] = False,
    image: o.Image = None,
    label: o.Label = None,
    split: o.Split = None,
    group: o.Group = None,
    test_size: o.TestSize = 0.2,
    most: Annotated[int, typer.Option(help="Pictures that are looked at; of more, a sample.", min=1)] = 1000,
    plot: Annotated[Path | None, typer.Option(help="Write the comparison to this HTML file.")] = None,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    backend: o.Backend = "auto",
    device: o.Device = "auto",
    cache_size: o.CacheSize = 20.0,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Say which source model to start from: scores of one pass each, then a probe of the few that may be best."""
    from headstart.cli.printing import console, print_answer, print_json, write_plot
    from headstart.results.terminal import table
    from headstart.transferability.rank import rank as find

    found = find(
        data, source or None, hub=hub, image=image, label=label, split=split, group=group, test_size=test_size,
        most=most, seed=seed, max_unreadable=max_unreadable, backend=backend, device=device,
        cache_size=int(cache_size * 2**30), quiet=quiet or as_json,
    )  # fmt: skip
    if plot is not None:
        write_plot(plot, found)
    if as_json:
        seconds = {one.name: one.seconds for one in found.sources}
        print_json({"headline": found.headline(), **found.to_dict(), "seconds": seconds})
    elif not quiet:
        print_answer(found)
        console().print(table(found.evidence()))

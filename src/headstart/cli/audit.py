"""``headstart audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def audit(
    data: o.Data,
    source: Annotated[
        str, typer.Option(help="lite0, lite1, lite2, timm:NAME, ARCHITECTURE@PATH, or a finished run.")
    ] = "lite0",
    batch_size: Annotated[int, typer.Option(help="Pictures in a batch of training.", min=1)] = 32,
    until: Annotated[
        str | None, typer.Option(help="Stage below which everything is frozen (headstart probe names them).")
    ] = None,
    image: o.Image = None,
    label: o.Label = None,
    split: o.Split = None,
    group: o.Group = None,
    test_size: o.TestSize = 0.2,
    cost: Annotated[
        bool, typer.Option("--cost", help="Also time each layer, forward and backward, and take its memory.")
    ] = False,
    most: Annotated[int, typer.Option(help="Pictures that are looked at.", min=1)] = 64,
    plot: Annotated[Path | None, typer.Option(help="Write the shift of each layer to this HTML file.")] = None,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Say whether a source's normalization layers survive this batch size and these pictures."""
    import pandas as pd

    from headstart.cli.printing import console, print_answer, print_json, write_plot
    from headstart.normalization.target import audit_source
    from headstart.results.terminal import table

    found = audit_source(
        data, source, batch_size=batch_size, until=until, image=image, label=label, split=split, group=group,
        test_size=test_size, most=most, cost=cost, seed=seed, max_unreadable=max_unreadable, quiet=quiet or as_json,
    )  # fmt: skip
    if plot is not None:
        write_plot(plot, found)
    if as_json:
        print_json({"headline": found.headline(), **found.to_dict()})
    elif not quiet:
        print_answer(found)
        rows = [{"severity": one.severity, "layer": one.layer, "mend": one.mend} for one in found.findings]
        if rows:
            console().print(table(pd.DataFrame(rows).set_index("severity")))

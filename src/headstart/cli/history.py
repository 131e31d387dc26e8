"""``headstart history``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o

history = typer.Typer(help="Show, export, merge or clear what earlier runs taught; it never leaves this machine.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="One JSON object a line, one line a run.")]


@history.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show()


@history.command()
def show(as_json: o.Json = False) -> None:
    """Show what is remembered of finished runs."""
    from headstart.cli.printing import print_answer, print_json
    from headstart.transfer.history import history as remembered

    found = remembered()
    if as_json:
        print_json({"headline": found.headline(), **found.to_dict()})
    else:
        print_answer(found)


@history.command()
def export(file: File) -> None:
    """Write everything that is remembered to FILE."""
    from headstart.transfer.history import export as write

    typer.echo(f"{write(file)} runs written to {file}")


@history.command()
def merge(file: File) -> None:
    """Add the runs of FILE, which `headstart history export` wrote, here or elsewhere."""
    from headstart.transfer.history import merge as add

    typer.echo(f"{add(file)} runs added")


@history.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget everything."""
    from headstart.transfer.history import clear as forget
    from headstart.transfer.history import records

    if not yes and records():
        typer.confirm(f"Forget {len(records())} runs?", abort=True)
    typer.echo(f"{forget()} runs forgotten")

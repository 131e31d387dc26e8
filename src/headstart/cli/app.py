"""The application and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli.audit import audit
from headstart.cli.diagnose import diagnose
from headstart.cli.fit import fit
from headstart.cli.history import history
from headstart.cli.predict import predict
from headstart.cli.probe import probe
from headstart.cli.profile import profile
from headstart.cli.rank import rank
from headstart.cli.report import report
from headstart.cli.sources import sources

app = typer.Typer(
    help="Transfer learning that is hard to get wrong: every decision measured, every measurement shown.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (audit, diagnose, fit, predict, probe, profile, rank, report, sources):
    app.command()(command)
app.add_typer(history, name="history")


def _version(wanted: bool) -> None:
    if wanted:
        from headstart import __version__

        typer.echo(f"headstart {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Transfer learning that is hard to get wrong: every decision measured, every measurement shown."""

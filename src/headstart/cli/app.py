"""The application and its commands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated

import typer

from headstart.cli.fit import fit
from headstart.cli.predict import predict
from headstart.cli.printing import say
from headstart.cli.probe import probe
from headstart.cli.profile import profile
from headstart.cli.report import report
from headstart.cli.sources import sources

app = typer.Typer(
    help="Transfer learning that is hard to get wrong: every decision measured, every measurement shown.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Let Ctrl-C end a command with a line that says what becomes of the work."""

    @functools.wraps(command)
    def run(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            say("stopped; what was finished is kept, and the same command goes on from there")
            raise typer.Exit(130) from None

    return run


for command in (fit, predict, probe, profile, report, sources):
    app.command()(_stoppable(command))


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

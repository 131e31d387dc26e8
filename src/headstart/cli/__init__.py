"""The command line: one small file a command."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TextIO

from headstart.results import HeadstartError, HeadstartWarning
from headstart.results.files import clear_storage_errors


def main(arguments: list[str] | None = None) -> None:
    """Run the command. A person's mistake is one line on standard error and exit code 2, never a traceback."""
    from headstart.cli.app import app

    warnings.showwarning = _show_warning
    try:
        with clear_storage_errors(Path.cwd()):
            app(args=arguments)
    except HeadstartError as error:
        _say(f"[bold red]error[/] {_escaped(str(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        sys.exit(130)


def _say(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show Headstart's own warnings as a line; other libraries' are for developers."""
    if issubclass(category, HeadstartWarning):
        _say(f"[yellow]![/] {_escaped(str(message))}")

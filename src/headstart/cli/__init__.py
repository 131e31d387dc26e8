"""The command line: one small file a command."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TextIO

from headstart.cli.stopping import stop_at_once_on_interrupt
from headstart.results import HeadstartError, HeadstartWarning
from headstart.results.files import clear_storage_errors


def main(arguments: list[str] | None = None) -> None:
    """Run the command. A person's mistake is one line on standard error and exit code 2, never a traceback."""
    stop_at_once_on_interrupt()
    from rich.markup import escape

    from headstart.cli.app import app
    from headstart.cli.printing import say

    warnings.showwarning = _show_warning
    try:
        with clear_storage_errors(Path.cwd()):
            app(args=arguments)
    except HeadstartError as error:
        say(f"[bold red]error[/] {escape(str(error))}")
        sys.exit(2)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show Headstart's own warnings as a line; other libraries' are for developers."""
    from rich.markup import escape

    from headstart.cli.printing import say

    if issubclass(category, HeadstartWarning):
        say(f"[yellow]![/] {escape(str(message))}")

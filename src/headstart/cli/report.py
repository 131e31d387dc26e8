"""``headstart report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import options as o


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: o.Json = False,
) -> None:
    """Show what a finished run found, and where its page is."""
    from rich.text import Text

    from headstart.cli.printing import console, print_json
    from headstart.pipeline.run import load

    found = load(run)
    if as_json:
        print_json(found.info)
        return
    screen = console()
    screen.print(Text(found.headline(), style="bold"))
    for question, answer in found.info["decisions"].items():
        screen.print(Text(question, style="dim"))
        screen.print(Text(f"  {answer['headline']}"))
    screen.print(Text(f"report  {found.report}"), soft_wrap=True)
    if browser:
        import webbrowser

        webbrowser.open(found.report.resolve().as_uri())

"""What commands print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from headstart.results import Answer


def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    return Console(highlight=False)


def say(text: str) -> None:
    """Print a line of rich markup on standard error."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def print_answer(answer: Answer) -> None:
    """Print question, headline, warnings and table."""
    screen = console()
    screen.print(answer)
    screen.print()


def print_headline(answer: Answer) -> None:
    """Print question, headline, notes and warnings: what a person needs while the work goes on."""
    from rich.padding import Padding
    from rich.text import Text

    screen = console()
    screen.print(Text(answer.question, style="dim"))
    screen.print(Padding(Text(answer.headline()), (0, 0, 0, 2)))
    for note in getattr(answer, "notes", ()):
        screen.print(Padding(Text(f"- {note}", style="dim"), (0, 0, 0, 2)))
    for warning in answer.warnings:
        screen.print(Padding(Text(f"! {warning}", style="yellow"), (0, 0, 0, 2)))


def write_plot(path: Path, answer: Answer) -> None:
    """Write the answer's plot as a page that works offline."""
    from headstart.results.files import write_text

    page = answer.plot().to_html(include_plotlyjs=True, full_html=True, config={"displayModeBar": False})
    write_text(path, page)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))

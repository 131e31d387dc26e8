"""Answers, tables and progress in a terminal, through rich."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from headstart.results.answer import Answer

_WIDEST = 26  # letters of a name that is not broken; a longer one is, but never cut, so that it can be copied

Advance = Callable[[int], None]


def cell(value: Any) -> str:
    """Return one table cell as text: three significant decimals for fractions, nothing for missing values.

    >>> cell(0.81234), cell(12), cell(None), cell(float("nan")), cell(1234.5)
    ('0.812', '12', '', '', '1,234.5')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def table(frame: pd.DataFrame, limit: int = 30) -> RenderableType:
    """Return ``frame`` as a rich table; past ``limit`` rows it says how many are not shown."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    index = frame.index.name is not None
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    numeric = [frame[column].dtype.kind in "iuf" for column in frame.columns]
    if index:
        name = str(frame.index.name)
        longest = max([len(name), *(len(cell(key)) for key in frame.index[:limit])])
        fits = longest <= _WIDEST
        result.add_column(name, overflow="fold", width=longest if fits else None, min_width=None if fits else _WIDEST)
    for column, right in zip(frame.columns, numeric, strict=True):
        if right:  # a heading is broken where room is short, a number never
            longest = max((len(cell(value)) for value in frame[column].head(limit)), default=0)
            result.add_column(str(column), justify="right", overflow="fold", min_width=longest)
        else:
            result.add_column(str(column))
    for key, *row in frame.head(limit).itertuples():
        values = [cell(value.item() if hasattr(value, "item") else value) for value in row]
        result.add_row(*[Text(text) for text in ([cell(key), *values] if index else values)])
    if len(frame) > limit:
        return Group(result, Text(f"and {len(frame) - limit:,} more", style="dim"))
    return result


def render_answer(answer: Answer) -> Iterable[RenderableType]:
    """Yield what a terminal shows of ``answer``: question, headline, warnings, table."""
    from rich.text import Text

    if answer.question:
        yield Text(answer.question, style="dim")
    yield Text(answer.headline(), style="bold")
    for warning in answer.warnings:
        yield Text(f"! {warning}", style="yellow")
    frame = answer.to_frame()
    if len(frame):
        yield table(frame)


@contextlib.contextmanager
def progress(label: str, total: int, *, quiet: bool = False, after: float = 1.0) -> Iterator[Advance]:
    """Show a bar with rate and time left on standard error once the work has taken ``after`` seconds.

    Yields a function to be called with the number of things just done. Nothing is shown when ``quiet``.
    """
    if quiet or total <= 0:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "", style="dim")

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), Rate(),
        TimeRemainingColumn(), console=Console(file=sys.stderr),
    )  # fmt: skip
    task = bar.add_task(label, total=total)
    started = time.monotonic()
    shown = False

    def advance(done: int) -> None:
        nonlocal shown
        bar.advance(task, done)
        if not shown and time.monotonic() - started > after:
            bar.start()
            shown = True

    try:
        yield advance
    finally:
        if shown:
            bar.stop()

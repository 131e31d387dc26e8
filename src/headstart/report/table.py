"""Tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.report.blocks import Block
from headstart.results.terminal import cell

if TYPE_CHECKING:
    import pandas as pd

    from headstart.report.page import Page

_LONG = 26  # characters; longer cells may break into lines, shorter ones never do
_REST = 1000  # rows that may be opened below the first ones; what lies beyond is counted


@dataclass(frozen=True, eq=False)
class Table(Block):
    """A table. It scrolls inside its own box where the screen is narrow.

    Attributes
    ----------
    frame : DataFrame
        The rows. The index is shown if it has a name.
    caption : str
        What the table shows.
    limit : int
        Rows that are shown at once; up to 1,000 more open on demand, and what lies beyond is counted.
    digits : mapping of str to int
        Decimals of the float columns named here; otherwise three, or one where a value reaches 100.
    bar : str
        Name of a numeric column that is also drawn as bars, all on one scale that begins at 0.
    marked : sequence of int
        Positions of rows that are set off.
    """

    frame: pd.DataFrame
    caption: str = ""
    limit: int = 15
    digits: Mapping[str, int] = field(default_factory=dict)
    bar: str = ""
    marked: Sequence[int] = ()
    template = "table.html"

    def view(self, page: Page) -> dict[str, Any]:
        frame = self.frame
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index(allow_duplicates=True)
        series = [frame.iloc[:, position] for position in range(frame.shape[1])]
        columns = [self._column(str(name), one) for name, one in zip(frame.columns, series, strict=True)]
        shown = min(len(frame), self.limit + _REST)
        rows = [
            {
                "cells": [column["cells"][row] for column in columns],
                "bars": [column["bars"][row] if column["bars"] else None for column in columns],
                "marked": row in set(self.marked),
            }
            for row in range(shown)
        ]
        # A handful of rows more is better shown than hidden behind a click.
        cut = self.limit if shown > self.limit + 3 else shown
        return {"columns": columns, "first": rows[:cut], "rest": rows[cut:], "more": len(frame) - shown}

    def _column(self, name: str, values: pd.Series) -> dict[str, Any]:
        numeric = values.dtype.kind in "iuf"
        known = [value.item() if hasattr(value, "item") else value for value in values.iloc[: self.limit + _REST]]
        # All floats of a column have the same number of decimals, so that they can be compared at a glance.
        large = any(isinstance(value, float) and abs(value) >= 100 for value in known)
        texts = [self._text(value, self.digits.get(name, 1 if large else 3)) for value in known]
        bars: list[float | None] = []
        if numeric and name == self.bar:
            top = max((float(value) for value in known if value == value), default=0.0)
            bars = [round(max(100 * value / top, 0.0), 2) if value == value and top > 0 else 0.0 for value in known]
        return {
            "name": name,
            "numeric": numeric,
            "long": not numeric and any(len(text) > _LONG for text in texts),
            "cells": texts,
            "bars": bars,
        }

    def _text(self, value: Any, digits: int) -> str:
        if isinstance(value, float) and value == value:
            return f"{value:,.{digits}f}"
        if value is not None and not isinstance(value, (bool, int, float)) and value != value:
            return ""  # NaT, pandas.NA and the like
        return cell(value)

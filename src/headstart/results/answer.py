"""The base of every answer: what was decided, the evidence for it, and how to show both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from rich.console import Console, ConsoleOptions, RenderResult


def plain(value: Any) -> Any:
    """Return ``value`` as what JSON can hold: NumPy scalars and arrays unpacked, NaN and infinities as ``None``.

    >>> plain({"a": np.float32(0.5), "b": np.array([1, 2]), "c": float("nan")})
    {'a': 0.5, 'b': [1, 2], 'c': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """Base of every answer.

    A subclass is a frozen dataclass whose fields are the answer and its evidence. It sets ``question`` and
    gives ``headline`` (one sentence that a person can act on) and ``to_frame``; it gives ``plot`` where a
    picture says more than the table. Fields declared with ``repr=False`` (large arrays) stay out of ``to_dict``.

    Attributes
    ----------
    warnings : tuple of str
        What a person should know before trusting the answer; empty when there is nothing.
    """

    warnings: tuple[str, ...] = ()

    question = ""

    def headline(self) -> str:
        """One sentence: what was found."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return the evidence as a table, one row for each thing that was compared."""
        raise NotImplementedError

    def plot(self) -> Figure:
        """Return a plotly figure of the evidence.

        Raises
        ------
        TypeError
            If this answer has no plot.
        """
        raise TypeError(f"{type(self).__name__} has no plot; use to_frame()")

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the large arrays as plain values that JSON can hold."""
        result = plain(self)
        assert isinstance(result, dict)
        return result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from headstart.results.terminal import render_answer

        yield from render_answer(self)

    def _repr_html_(self) -> str:
        from html import escape

        notes = "".join(f"<li>{escape(note)}</li>" for note in self.warnings)
        return (
            f"<p><b>{escape(self.question)}</b> {escape(self.headline())}</p>"
            + (f"<ul>{notes}</ul>" if notes else "")
            + str(self.to_frame().to_html())
        )

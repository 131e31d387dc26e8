"""Sections and the plain blocks: text, key figures, lists, what was decided."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from headstart.results.terminal import cell

if TYPE_CHECKING:
    import pandas as pd

    from headstart.report.page import Page


class Block:
    """Base of every block: pure data, the name of a template, and what the template is to show."""

    template: ClassVar[str] = ""

    def view(self, page: Page) -> dict[str, Any]:
        """Return what the template shows beside the block's own fields."""
        return {}


@dataclass(frozen=True, eq=False)
class Section:
    """One question, its answer in a sentence, and the evidence.

    Attributes
    ----------
    question : str
        The question that the section answers, such as ``"How good is it?"``.
    headline : str
        The answer, one sentence that a person can act on.
    body : sequence of Block or str
        The evidence, in reading order.
    warnings : sequence of str
        What to know before trusting the answer. They are also counted and listed in the page's header.
    anchor : str
        Name of the section in the page's address (``report.html#quality``); made from the question if empty.
    """

    question: str
    headline: str = ""
    body: Sequence[Block | str] = field(default_factory=list)
    warnings: Sequence[str] = ()
    anchor: str = ""


@dataclass(frozen=True, eq=False)
class Text(Block):
    """Prose. An empty line begins a new paragraph."""

    text: str
    template = "text.html"

    def view(self, page: Page) -> dict[str, Any]:
        return {"paragraphs": [part.strip() for part in re.split(r"\n\s*\n", self.text) if part.strip()]}


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def level(self) -> float: ...


@dataclass(frozen=True)
class KeyFigure:
    """One number that matters, with its interval.

    Attributes
    ----------
    label : str
        Name of the quantity, such as ``"macro-F1"``.
    value : float, int or str
        The number; text is shown as it is.
    low, high : float, optional
        Ends of the interval; drawn where both are given.
    explanation : str
        What the number says, in a sentence.
    scale : tuple of float
        Ends of the axis on which value and interval are drawn.
    reference : float, optional
        A value to compare with, drawn as a tick (chance, prevalence, the baseline), and its name ``reference_label``.
    digits : int
        Decimals of a float.
    level : float
        Level of the interval, in (0, 1).
    """

    label: str
    value: float | int | str
    low: float | None = None
    high: float | None = None
    explanation: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    reference: float | None = None
    reference_label: str = ""
    digits: int = 3
    level: float = 0.95

    @classmethod
    def of(cls, label: str, interval: _Interval, explanation: str = "", **more: Any) -> KeyFigure:
        """Return the key figure of anything that has ``value``, ``low``, ``high`` and ``level``."""
        return cls(label, interval.value, interval.low, interval.high, explanation, level=interval.level, **more)

    def text(self, value: float | int | str | None) -> str:
        """Return ``value`` as it is written beside this figure; an en dash where it is not known."""
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return "–"
        return f"{value:,.{self.digits}f}" if isinstance(value, float) else cell(value)

    def place(self, value: float | int | str | None) -> float | None:
        """Return where ``value`` lies on the scale, in percent of its length, or None where it has no place."""
        low, high = self.scale
        if value is None or isinstance(value, str) or not math.isfinite(value) or high <= low:
            return None
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    def shown(self) -> dict[str, Any]:
        """Return the texts and positions that the template draws."""
        at, start, end = self.place(self.value), self.place(self.low), self.place(self.high)
        ranged = start is not None and end is not None
        spoken = f"{self.text(self.value)} on a scale from {self.scale[0]:g} to {self.scale[1]:g}"
        if ranged:
            spoken += f", {self.level:.0%} interval from {self.text(self.low)} to {self.text(self.high)}"
        if self.reference is not None:
            spoken += f", {self.reference_label or 'reference'} at {self.text(self.reference)}"
        return {
            "figure": self,
            "value": self.text(self.value),
            "interval": f"{self.text(self.low)} – {self.text(self.high)}" if ranged else "",
            "level": f"{self.level:.0%}".replace("%", "\u202f%"),
            "at": at,
            "start": start,
            "length": round(end - start, 2) if start is not None and end is not None else None,
            "tick": self.place(self.reference),
            "reference": self.text(self.reference),
            "drawn": at is not None and (ranged or self.reference is not None),
            "spoken": spoken,
        }


@dataclass(frozen=True, eq=False)
class KeyFigures(Block):
    """Big numbers side by side, each with its interval on a small axis."""

    figures: Sequence[KeyFigure]
    template = "key_figures.html"

    def view(self, page: Page) -> dict[str, Any]:
        return {"figures": [figure.shown() for figure in self.figures]}


@dataclass(frozen=True, eq=False)
class Notes(Block):
    """A list that opens on demand: unreadable files with reasons, duplicates, remarks.

    Attributes
    ----------
    summary : str
        What is always shown, such as ``"Unreadable files"``; the number of items follows it.
    items : sequence of str or of (str, str)
        Lines; of a pair, the first is the thing (a file name) and the second what is said about it.
    limit : int
        Lines past this are counted, not shown.
    open : bool
        Whether the list is open at first.
    """

    summary: str
    items: Sequence[str | tuple[str, str]]
    limit: int = 500
    open: bool = False
    template = "notes.html"

    def view(self, page: Page) -> dict[str, Any]:
        pairs = [("", item) if isinstance(item, str) else item for item in self.items]
        return {"items": pairs[: self.limit], "total": len(pairs), "more": max(0, len(pairs) - self.limit)}


@dataclass(frozen=True, eq=False)
class Details(Block):
    """Other blocks that open on demand."""

    summary: str
    body: Sequence[Block | str]
    open: bool = False
    template = "details.html"


@dataclass(frozen=True, eq=False)
class Decision(Block):
    """What was decided, why, and what lost.

    Attributes
    ----------
    what : str
        The decision, such as ``"Pictures are squashed to 224 × 224."``
    why : str
        The measurement behind it, in a sentence or two.
    alternatives : DataFrame, optional
        One row for each option that was compared, with its scores.
    chosen : int, optional
        Position of the row of ``alternatives`` that was chosen; it is marked.
    overrule : str
        How to decide otherwise, such as ``"--fit crop"``.
    """

    what: str
    why: str = ""
    alternatives: pd.DataFrame | None = None
    chosen: int | None = None
    overrule: str = ""
    template = "decision.html"

    def view(self, page: Page) -> dict[str, Any]:
        from headstart.report.table import Table

        if self.alternatives is None or not len(self.alternatives):
            return {"table": None}
        return {"table": Table(self.alternatives, marked=() if self.chosen is None else (self.chosen,))}

"""What a reader of boxes returns, and how it keeps account of what cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from headstart.data.readers.base import count, part_of

PARTS = ("train", "val", "test")


class Mark(NamedTuple):
    """One box as it was given: its place among those of its picture (from 1), class, edges, whether to ignore it.

    Edges are left, top, right and bottom, in pixels or, where the reader says so, in shares of the picture.
    """

    number: int
    label: str
    edges: tuple[float, float, float, float]
    ignore: bool = False


@dataclass
class Remarks:
    """What was left out, each thing with its reason, and one line for each kind of trouble, however often it came."""

    left_out: dict[str, str] = field(default_factory=dict)
    _kinds: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def leave(self, thing: str, key: str, reason: str, kind: str) -> None:
        """Leave ``key`` out. ``kind`` ends the sentence "3 boxes ..." of which ``thing`` is the noun."""
        self.left_out[key] = reason
        self._kinds.setdefault((thing, kind), []).append(key)

    def mention(self, thing: str, key: str, kind: str) -> None:
        """Count ``key`` among those of which ``kind`` is true, but keep it."""
        self._kinds.setdefault((thing, kind), []).append(key)

    def note(self, line: str) -> None:
        """Add a line of its own."""
        self._notes.append(line)

    def notes(self) -> list[str]:
        """Return all lines, one a kind."""
        lines = [
            f"{count(len(keys), thing)} {kind} (for example {keys[0]!r})" for (thing, kind), keys in self._kinds.items()
        ]
        return self._notes + lines


@dataclass(frozen=True, eq=False)
class Marked:
    """Pictures and their boxes, as the annotations have them, before any picture was looked at.

    Attributes
    ----------
    ids : list of str
        Path of each picture relative to ``root``, with ``/``.
    marks : list of list of Mark
        Boxes of each picture; none: there is nothing in it.
    classes : list of str
        Names that the annotations declare or use.
    split : list of str
        "train", "val", "test", or "" of each picture.
    stated : dict of str to (int, int) or None
        id -> width and height that the annotation gives.
    damaged : dict of str to str
        id -> why its annotation cannot be read.
    relative : bool
        Whether edges are shares of the picture.
    """

    root: Path
    ids: list[str]
    marks: list[list[Mark]]
    classes: list[str]
    split: list[str]
    remarks: Remarks
    stated: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    relative: bool = False


class Reader(NamedTuple):
    """One format: ``what`` is looked for, a cheap test, and the reading itself."""

    what: str
    accepts: Callable[[Path], bool]
    read: Callable[[Path], Marked]


def later_part(one: str, other: str) -> str:
    """Return which of two parts comes later; a picture that is in both stands there.

    >>> later_part("train", "test"), later_part("", "train")
    ('test', 'train')
    """
    order = ("", *PARTS)
    return max(one, other, key=order.index)


def part_of_path(path: str) -> str:
    """Return the part that a folder above ``path`` names, or "".

    >>> part_of_path("valid/images/a.png"), part_of_path("test.png")
    ('val', '')
    """
    return next((part for folder in path.split("/")[:-1] if (part := part_of(folder))), "")


def leave_unlisted(remarks: Remarks, pictures: Iterable[str], listed: Iterable[str]) -> None:
    """Leave out the pictures that no annotation lists: what is in them is not known."""
    known = set(listed)
    for path in pictures:
        if path not in known:
            remarks.leave("picture", path, "no annotation lists it", "that no annotation lists left out")

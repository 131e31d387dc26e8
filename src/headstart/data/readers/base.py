"""What every reader is asked and what it returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data.pictures import PictureSet
from headstart.results import DataError

if TYPE_CHECKING:
    from headstart.data.readers.answers import Answers

CLASSIFICATION = "classification"
Column = Hashable
_PARTS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "holdout"),
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}


@dataclass(frozen=True)
class Columns:
    """The columns a person named; ``None`` where the reader is to find out.

    For arrays, ``split`` and ``group`` hold the n values themselves. ``task`` says how labels are read; several columns
    of labels are a list, or text with commas.
    """

    image: Column | None = None
    label: Any = None
    split: Any = None
    group: Any = None
    task: str = CLASSIFICATION

    def labels(self, there: Iterable[Column]) -> tuple[Column, ...]:
        """Return the columns that hold the labels, none where the reader is to find out; ``there`` are all columns.

        >>> Columns(label="red, round").labels(["path", "red", "round"])
        ('red', 'round')
        """
        if self.label is None:
            return ()
        if isinstance(self.label, list):
            return tuple(self.label)
        several = isinstance(self.label, str) and "," in self.label and self.label not in list(there)
        return tuple(name.strip() for name in self.label.split(",")) if several else (self.label,)

    def refuse(self, *names: str, because: str) -> None:
        """Raise a DataError if any of the arguments ``names`` was given."""
        for name in names:
            given = getattr(self, name)
            if given is not None:
                raise DataError(f"{name}={short(given)} has no meaning here: {because}")


@dataclass(frozen=True)
class Rows:
    """Labelled rows as they were given, before anything is checked; either ``pictures`` or ``features`` is there.

    Attributes
    ----------
    split : sequence of str, optional
        "train", "val" or "test" of each row, if the person gave it.
    groups : ndarray of int64, shape (n,), optional
        Code of each row's group, -1 for a row that is in none.
    answers : Answers, optional
        What is to be predicted, where it is not one class of each row; ``labels`` are then its texts.
    """

    name: str
    ids: Sequence[str]
    labels: Sequence[str]
    pictures: PictureSet | None = None
    features: NDArray[np.float64] | None = None
    feature_names: tuple[str, ...] = ()
    split: Sequence[str] | None = None
    groups: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    answers: Answers | None = None


class Reader(NamedTuple):
    """One way to bring data: ``what`` it is in words, a cheap test, and the reading itself."""

    what: str
    accepts: Callable[[Any], bool]
    read: Callable[[Any, Columns], Rows]


def part_of(word: object) -> str:
    """Return the part of the data that ``word`` names, or "" if it names none.

    >>> part_of("Validation"), part_of("train"), part_of("cats")
    ('val', 'train', '')
    """
    return _PART_OF.get(str(word).strip().casefold(), "")


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key that orders numbers inside text by value, and capitals beside small letters.

    >>> sorted(["img10", "Img2", "b", "-1", "0"], key=natural_key)
    ['-1', '0', 'b', 'Img2', 'img10']
    """
    pieces: list[str | int] = list(re.split(r"(^-?[0-9]+|[0-9]+)", text.casefold()))
    pieces[1::2] = map(int, pieces[1::2])
    return pieces, text


def some(values: Sequence[object], limit: int = 3) -> str:
    """Quote the first ``limit`` values and count the rest, for an error line.

    >>> some(["a", "b c", "d", "e", "f"])
    "'a', 'b c', 'd' and 2 more"
    """
    shown = ", ".join(repr(str(value)) for value in values[:limit])
    return f"{shown} and {len(values) - limit:,} more" if len(values) > limit else shown


def short(value: object) -> str:
    """Return ``repr(value)`` on one line of at most 60 characters."""
    return " ".join(repr(value).split())[:60]


def count(n: int, thing: str) -> str:
    """Return "1 picture" or "1,200 pictures".

    >>> count(1, "row"), count(1200, "row"), count(2, "class"), count(2, "copy"), count(2, "box")
    ('1 row', '1,200 rows', '2 classes', '2 copies', '2 boxes')
    """
    if n == 1:
        return f"1 {thing}"
    if thing.endswith("y"):
        return f"{n:,} {thing[:-1]}ies"
    return f"{n:,} {thing}{'es' if thing.endswith(('s', 'x')) else 's'}"

"""What is asked of classes and of a person's own split before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data.readers.base import count, some
from headstart.data.target import PARTS
from headstart.results import DataError


def check_shares(test_size: float, max_unreadable: float) -> None:
    """Raise a DataError unless both are shares that mean something."""
    if not 0 <= max_unreadable <= 1:
        raise DataError(f"max_unreadable={max_unreadable} is no share: give a number from 0 to 1")
    if not 0 < test_size < 1:
        raise DataError(f"test_size={test_size} is no share: give a number between 0 and 1")


def check_classes(classes: Sequence[str], y: NDArray[np.int64], clusters: NDArray[np.int64]) -> None:
    """Raise a DataError unless there are two classes, each with two examples that are no copies of each other."""
    if not classes:
        raise DataError("no row can be used, each picture is unreadable: see that the files are pictures")
    if len(classes) == 1:
        raise DataError(f"all rows are of one class, {classes[0]!r}: give at least two classes")
    pairs = np.unique(np.stack([y, clusters]), axis=1)
    different = np.bincount(pairs[0], minlength=len(classes))
    few = [name for name, n in zip(classes, different, strict=True) if n < 2]
    if few:
        it = "it" if len(few) == 1 else "them"
        raise DataError(
            f"fewer than two usable, different examples of {_which(few)}: "
            f"add more, merge {it} with another class, or remove {it}"
        )


def _which(names: Sequence[str]) -> str:
    return f"class {names[0]!r}" if len(names) == 1 else f"{count(len(names), 'class')} ({some(names)})"


def own_parts(split: Sequence[str], notes: list[str]) -> NDArray[np.str_]:
    """Return the split that came with the data; a val part stands in for a test part that is not there."""
    parts = np.array(split, dtype="<U5")
    there = [part for part in PARTS if (parts == part).any()]
    if there[0] != "train":
        raise DataError(f"the split has no train part, only {' and '.join(there)}: add one, or leave the split out")
    if there == ["train"]:
        raise DataError("the split puts all rows into train: add a test part, or leave the split out to have one made")
    if "test" not in there:
        parts[parts == "val"] = "test"
        size = count(int((parts == "test").sum()), "row")
        notes.append(f"the split has no test part, so its val part ({size}) is the test part")
    return parts


def check_parts(parts: NDArray[np.str_], y: NDArray[np.int64], classes: Sequence[str], notes: list[str]) -> None:
    """Raise a DataError if test is empty or a class is missing from train; note those missing from test."""
    if not (parts == "test").any():
        raise DataError("the test part has no usable row: mend its pictures, or leave the split out to have one made")
    missing = [name for code, name in enumerate(classes) if not (parts[y == code] == "train").any()]
    if missing:
        raise DataError(
            f"the train part has no example of {_which(missing)}: move some there, or remove the class from the rest"
        )
    untested = [name for code, name in enumerate(classes) if not (parts[y == code] == "test").any()]
    if untested:
        notes.append(f"the test part has no example of {_which(untested)}, so nothing is known about it there")

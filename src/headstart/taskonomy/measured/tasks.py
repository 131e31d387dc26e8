"""Tasks on the same pictures: what is to be predicted from each, and what the network gets to see."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.taskonomy.table import BASELINES

Kind = Literal["classes", "number", "map", "mask"]
MAP = 32  # height and width of what is predicted pixel by pixel
LEAST = 100  # pictures that all tasks have in common


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One task.

    Attributes
    ----------
    name : str
    kind : {"classes", "number", "map", "mask"}
        ``classes`` are scored by log loss and balanced accuracy; a ``number`` (also of ordered levels) by squared error
        and the share of variance that is explained; a ``map`` of channels by squared error over its pixels and the
        explained share; a ``mask`` by squared error (Brier) and intersection over union at 0.5.
    inputs : ndarray of uint8, shape (n, s, s, 3)
        What an encoder sees. Tasks that alter the picture (rotation, noise) have their own.
    values : ndarray
        Classes: int64 (n,), -1 where missing. Number: float64 (n,), NaN where missing. Map and mask: float32
        (n, c, 32, 32), nowhere missing.
    classes : tuple of str
        Names of the classes.
    """

    name: str
    kind: Kind
    inputs: NDArray[np.uint8]
    values: NDArray[Any]
    classes: tuple[str, ...] = ()

    @property
    def n_outputs(self) -> int:
        """Classes, channels, or 1."""
        if self.kind == "classes":
            return len(self.classes)
        return 1 if self.kind == "number" else int(self.values.shape[1])

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which pictures have a value, (n,)."""
        if self.kind == "classes":
            return np.asarray(self.values >= 0)
        if self.kind == "number":
            return np.asarray(np.isfinite(self.values))
        return np.ones(len(self.values), dtype=bool)

    @cached_property
    def input_digest(self) -> str:
        """SHA-256 of the inputs."""
        return digest(self.inputs)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything but the name."""
        parts = f"{self.kind}{self.n_outputs}{self.input_digest}{digest(self.values)}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def subset(self, rows: NDArray[np.int64]) -> Task:
        """Return the task on some of the pictures."""
        return dataclasses.replace(self, inputs=self.inputs[rows], values=self.values[rows])


@dataclasses.dataclass(frozen=True, eq=False)
class TaskSet:
    """Tasks on the same n pictures.

    Attributes
    ----------
    tasks : tuple of Task
    groups : ndarray of int64, shape (n,)
        Pictures of one group (copies, one patient) are never torn apart.
    ids : tuple of str
        Of the pictures.
    notes : tuple of str
        What was done while reading that a person should know.
    name : str
    """

    tasks: tuple[Task, ...]
    groups: NDArray[np.int64]
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    name: str = "tasks"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(task.name for task in self.tasks)


def class_task(name: str, inputs: NDArray[np.uint8], labels: Sequence[Any]) -> Task:
    """Return the task of telling classes; a label that is None or NaN is missing.

    >>> task = class_task("style", np.zeros((3, 8, 8, 3), np.uint8), ["b", None, "a"])
    >>> task.classes, task.values.tolist()
    (('a', 'b'), [1, -1, 0])
    """
    from headstart.data.readers.base import natural_key

    text = [None if label is None or label != label else str(label) for label in labels]
    classes = tuple(sorted({one for one in text if one is not None}, key=natural_key))
    code = {one: k for k, one in enumerate(classes)}
    values = np.array([-1 if one is None else code[one] for one in text], dtype=np.int64)
    return Task(name, "classes", inputs, values, classes)


def number_task(name: str, inputs: NDArray[np.uint8], numbers: ArrayLike) -> Task:
    """Return the task of predicting a number, or an ordered level; NaN is missing."""
    return Task(name, "number", inputs, np.asarray(numbers, dtype=np.float64))


def common(tasks: TaskSet, least: int = LEAST) -> TaskSet:
    """Return the tasks on the pictures on which all of them have a value.

    Raises
    ------
    DataError
        If there are fewer than two tasks, a name cannot be used, lengths differ, fewer than ``least`` pictures are
        common (the task that is in the way is named), or a task has the same value everywhere.
    """
    if len(tasks.tasks) < 2:
        raise DataError(f"{len(tasks.tasks)} task has nothing to be transferred to: name two or more tasks")
    for k, task in enumerate(tasks.tasks):
        if task.name in (*BASELINES, "scratch") or "+" in task.name or not task.name:
            raise DataError(f"a task cannot be called {task.name!r}, which stands for something else here: rename it")
        if task.name in tasks.names[:k]:
            raise DataError(f"two tasks are called {task.name!r}: rename one of them")
        if len(task.values) != len(tasks.groups) or len(task.inputs) != len(tasks.groups):
            raise DataError(
                f"task {task.name!r} has {len(task.values):,} values for {len(tasks.groups):,} pictures: one each"
            )
    known = np.stack([task.known for task in tasks.tasks])
    rows = np.flatnonzero(known.all(axis=0))
    if len(rows) < least:
        raise DataError(_too_few(tasks, known, len(rows), least))
    kept = TaskSet(
        tuple(task.subset(rows) for task in tasks.tasks),
        tasks.groups[rows],
        tuple(tasks.ids[row] for row in rows) if tasks.ids else (),
        tasks.notes,
        tasks.name,
    )
    for task in kept.tasks:
        if is_constant(task):
            raise DataError(f"task {task.name!r} has the same value on all {len(rows):,} common pictures: leave it out")
    return kept


def is_constant(task: Task) -> bool:
    """Whether there is nothing to predict: every picture has the same value (a map: to a thousandth)."""
    values = task.values[task.known]
    if task.kind in ("classes", "number"):
        return len(np.unique(values)) < 2
    return float(np.ptp(values, axis=0).max(initial=0.0)) < 1e-3


def digest(array: NDArray[Any]) -> str:
    """Return the SHA-256, in hexadecimal, of an array's type, shape and content."""
    total = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _too_few(tasks: TaskSet, known: NDArray[np.bool_], n: int, least: int) -> str:
    """Name the task without which most pictures are common, or, where none helps, the two that share the fewest."""
    total = known.shape[1]
    said = f"the tasks have {n:,} of {total:,} pictures in common, fewer than {least}: "
    without = [int(np.delete(known, k, axis=0).all(axis=0).sum()) for k in range(len(known))]
    worst = int(np.argmax(without))
    if without[worst] >= least:
        return (
            f"{said}{tasks.names[worst]!r} has a value on {int(known[worst].sum()):,}, and without it "
            f"{without[worst]:,} would be common; label more pictures or leave it out"
        )
    if (counts := known.sum(axis=1)).min() < least:
        few = ", ".join(f"{tasks.names[k]!r} ({counts[k]:,})" for k in np.flatnonzero(counts < least))
        return f"{said}too few pictures have a value for {few}; label more or leave them out"
    both = known.astype(np.int64) @ known.T.astype(np.int64)
    i, j = np.unravel_index(both.argmin(), both.shape)
    return (
        f"{said}{tasks.names[i]!r} and {tasks.names[j]!r} share {both[i, j]:,}; label the same pictures for both, "
        "or leave one of them out"
    )

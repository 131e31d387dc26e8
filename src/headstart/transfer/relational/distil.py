"""A small student that learns from the relations between examples that a big source sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

_PART = 256  # examples that are computed at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Distilled:
    """A student that was trained on the relations of a teacher's features.

    Attributes
    ----------
    student : torch.nn.Module
    losses : tuple of float
        Mean loss of each epoch.
    best : int
        The epoch whose weights the student has.
    """

    student: nn.Module
    losses: tuple[float, ...]
    best: int

    def transform(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Return the student's features, (n, width)."""
        import torch

        rows = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
        self.student.eval()
        with torch.no_grad():
            found = [self.student(rows[start : start + _PART]) for start in range(0, len(rows), _PART)]
        return np.asarray(torch.cat(found).numpy(), dtype=np.float32)


def distil(
    inputs: ArrayLike, teacher: ArrayLike, *, student: nn.Module | None = None, width: int = 64, hidden: int = 256,
    distance: float = 1.0, angle: float = 2.0, epochs: int = 30, batch_size: int = 64, rate: float = 1e-3,
    weight_decay: float = 1e-4, random_state: int = 0,
) -> Distilled:  # fmt: skip
    """Train a student so that distances and angles between its features are those between the teacher's.

    No labels are needed. Without a ``student`` it is a perceptron with one hidden layer that standardizes its inputs,
    meant for features of a shallow tap; a small network on pictures (n, 3, h, w) is given as ``student``.

    Parameters
    ----------
    inputs : array-like, shape (n, ...)
        What the student sees.
    teacher : array-like, shape (n, e)
        Features of the same examples from the big source.
    student : torch.nn.Module, optional
        Trained in place; gives features (b, width).
    width, hidden : int
        Of the perceptron.
    distance, angle : float
        Weights of the two losses.
    epochs, batch_size : int
        Relations are those within a batch; a batch of one has none and is not drawn.
    rate, weight_decay : float
        Of AdamW.
    random_state : int

    Raises
    ------
    DataError
        If there are fewer than three examples, or rows do not match or are not finite.

    References
    ----------
    Park et al. (2019), Relational knowledge distillation, arXiv:1904.05068.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 5))
    >>> found = distil(X, X[:, :2], width=2, hidden=16, epochs=20, batch_size=30, rate=0.01)
    >>> found.losses[-1] < found.losses[0] / 2, found.transform(X).shape
    (True, (90, 2))
    """
    import torch

    from headstart.training.loop import Recipe, train
    from headstart.transfer.relational.distillation import RelationalLoss

    seen, goal = np.asarray(inputs, dtype=np.float32), np.asarray(teacher, dtype=np.float32)
    if goal.ndim != 2 or seen.ndim < 2 or len(seen) != len(goal) or len(goal) < 3:
        raise DataError(
            f"inputs {seen.shape} and teacher {goal.shape} do not fit: give one row of either for each of 3 or more "
            "examples"
        )
    if not (np.isfinite(seen).all() and np.isfinite(goal).all()):
        raise DataError("inputs or the teacher's features hold numbers that are not finite")
    if batch_size < 3 or epochs < 1:
        raise DataError(f"batch_size={batch_size}, epochs={epochs}: give at least 3 examples a batch, and one epoch")
    if student is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            student = _perceptron(seen, width, hidden)
    group: dict[str, Any] = {"params": list(student.parameters()), "lr": rate, "weight_decay": weight_decay}
    trained = train(
        student,
        _Rows(torch.from_numpy(seen), torch.from_numpy(goal), batch_size, random_state),
        [group],
        Recipe(epochs=epochs, batch_size=batch_size, rate=rate, weight_decay=weight_decay),
        loss=RelationalLoss(distance, angle),
        seed=random_state,
    )
    return Distilled(student, trained.losses, trained.best)


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    """Batches of inputs and the teacher's features; what is left over is shared out, so that none is short."""

    inputs: Tensor
    teacher: Tensor
    batch_size: int
    seed: int

    def __len__(self) -> int:
        return max(1, len(self.inputs) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.random.default_rng([self.seed, number]).permutation(len(self.inputs))
        for rows in np.array_split(order, len(self)):
            yield self.inputs[rows], self.teacher[rows]


def _perceptron(rows: NDArray[np.float32], width: int, hidden: int) -> nn.Module:
    import torch
    from torch import nn

    if rows.ndim != 2:
        raise DataError(f"inputs have shape {rows.shape}: give a student for what is not a table (n, d)")
    first = nn.Linear(rows.shape[1], hidden)
    deviation = rows.std(axis=0)
    scale = torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32))
    with torch.no_grad():  # standardization of the inputs, folded into the first layer
        first.weight.div_(scale)
        first.bias.sub_(first.weight @ torch.from_numpy(rows.mean(axis=0)))
    return nn.Sequential(first, nn.GELU(), nn.Linear(hidden, width))

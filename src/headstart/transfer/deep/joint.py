"""Training a network on labelled source rows and unlabelled target rows at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.results import DataError
from headstart.training.loop import Recipe, Trained, train
from headstart.training.schedules import one_cycle
from headstart.transfer.deep.alignments import Alignment


class DomainBatches:
    """Batches whose first half is of the source and whose second half is of the target.

    An epoch shows every row of the larger domain once, and starts the smaller one anew, in another order, as often as
    is needed. What an epoch shows depends on seed and epoch alone.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, ...) and (nt, ...)
        Inputs of the network.
    ys, yt : ndarray of int64, shape (ns,) and (nt,)
        Classes; -1 where a target row has none.
    batch_size : int
        Both halves together.
    seed : int
    """

    def __init__(
        self,
        Xs: NDArray[Any],
        ys: NDArray[np.int64],
        Xt: NDArray[Any],
        yt: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        if not len(Xs) or not len(Xt):
            raise DataError(f"{len(Xs)} source and {len(Xt)} target rows: there must be some of both")
        self.Xs, self.ys, self.Xt, self.yt, self.seed = Xs, ys, Xt, yt, seed
        self.half = max(2, batch_size // 2)

    def __len__(self) -> int:
        return -(-max(len(self.Xs), len(self.Xt)) // self.half)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (b, ...) and classes (b,), the source's half first."""
        rng = np.random.default_rng([self.seed, number])
        shown = len(self) * self.half
        orders = [
            np.concatenate([rng.permutation(n) for _ in range(-(-shown // n))])[:shown]
            for n in (len(self.Xs), len(self.Xt))
        ]
        for start in range(0, shown, self.half):
            of_source, of_target = (order[start : start + self.half] for order in orders)
            inputs = np.concatenate([self.Xs[of_source], self.Xt[of_target]])
            classes = np.concatenate([self.ys[of_source], self.yt[of_target]])
            yield torch.from_numpy(inputs), torch.from_numpy(classes)


class Joint(nn.Module):
    """Body, head and alignment as one network, which is what is trained.

    In training it takes a batch of :class:`DomainBatches` and returns the logits and the penalty; else any inputs, and
    it returns their logits.
    """

    def __init__(self, body: nn.Module, head: nn.Module, alignment: Alignment) -> None:
        super().__init__()
        self.body, self.head, self.alignment = body, head, alignment

    def forward(self, x: Tensor) -> Any:
        """Return logits (b, k), in training with the penalty."""
        features = self.body(x)
        logits = self.head(features)
        if not self.training:
            return logits
        (fs, ft), (zs, zt) = features.chunk(2), logits.chunk(2)
        return logits, self.alignment(fs, zs, ft, zt)


class JointLoss:
    """Cross-entropy of the rows that have a class, plus ``weight`` times the penalty.

    Parameters
    ----------
    alignment : Alignment
        Told how far the training has come.
    weight : float
    epochs : int
    label_smoothing : float
    """

    def __init__(self, alignment: Alignment, weight: float, epochs: int, label_smoothing: float = 0.0) -> None:
        self.alignment, self.weight, self.epochs = alignment, weight, epochs
        self.entropy = nn.CrossEntropyLoss(ignore_index=-1, label_smoothing=label_smoothing)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, counted from 0."""
        self.alignment.set_progress((epoch + 1) / self.epochs)

    def __call__(self, outputs: Any, classes: Tensor) -> Tensor:
        """Return the loss of logits (b, k) and penalty."""
        logits, penalty = outputs
        found: Tensor = self.entropy(logits.float(), classes) + self.weight * penalty
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptedNetwork:
    """A network that was trained on both domains.

    Attributes
    ----------
    body, head : torch.nn.Module
        On the CPU, in evaluation mode.
    trained : Trained
        Losses by epoch.
    """

    body: nn.Module = dataclasses.field(repr=False)
    head: nn.Module = dataclasses.field(repr=False)
    trained: Trained


def adapt(
    body: nn.Module,
    head: nn.Module,
    alignment: Alignment,
    batches: DomainBatches,
    recipe: Recipe,
    *,
    weight: float = 1.0,
    device: str = "cpu",
    seed: int = 0,
    checkpoint: Path | None = None,
) -> AdaptedNetwork:
    """Train ``body`` and ``head``, in place, on the source's labels and the alignment of source and target.

    Parameters
    ----------
    body : torch.nn.Module
        Inputs to features (b, d): an MLP on cached features, or what runs above a cut.
    head : torch.nn.Module
        Features to logits (b, k).
    alignment : Alignment
    batches : DomainBatches
    recipe : Recipe
        The body learns at ``rate``, head and discriminator at ``head_rate``.
    weight : float
        Of the alignment's penalty.
    device, seed, checkpoint
        See :func:`headstart.training.loop.train`.

    Returns
    -------
    AdaptedNetwork

    Raises
    ------
    DataError
        If the weight is below 0 or no row has a class.
    """
    if not weight >= 0:
        raise DataError(f"weight={weight!r}: give a number from 0 on")
    if not (batches.ys >= 0).any() and not (batches.yt >= 0).any():
        raise DataError("no row has a class: there is nothing to learn from")
    joint = Joint(body, head, alignment)
    groups = [
        {"params": list(module.parameters()), "lr": rate, "weight_decay": recipe.weight_decay}
        for module, rate in ((body, recipe.rate), (head, recipe.head_rate), (alignment, recipe.head_rate))
    ]
    groups = [group for group in groups if group["params"]]

    def multipliers(step: int, total: int) -> list[float]:
        return [one_cycle(step, total, warmup=recipe.warmup)] * len(groups)

    trained = train(
        joint, batches, groups, recipe, multipliers=multipliers, device=device, seed=seed, checkpoint=checkpoint,
        loss=JointLoss(alignment, weight, recipe.epochs, recipe.label_smoothing),
    )  # fmt: skip
    joint.cpu()
    return AdaptedNetwork(body, head, trained)

"""Batches with chosen shares of the classes, the same whatever the number of processes, resumable anywhere."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance.sampler_cells import Cells, Rows
from headstart.imbalance.sampler_plan import Plan
from headstart.imbalance.sampler_shares import Shares
from headstart.results import DataError


class BalancedBatchSampler:
    """Batches whose classes have the shares that were asked for: a ``batch_sampler`` of a PyTorch ``DataLoader``.

    An epoch is ``epoch_size`` draws in ceil(epoch_size / batch_size) batches, as equal in size as can be: none is a
    last, short one. The draws of an epoch are divided among the classes so that each gets its share, rounded up or
    down (which, is drawn anew each epoch), and those of a class are dealt to the batches, so that each has the mean
    number of them, rounded up or down. A class shows all its pictures before it shows one again, over the ends of
    epochs too; only a batch in which it begins anew may show one twice. With ``shares="natural"`` every epoch shows
    every picture once.

    **Processes.** The batches are those of all processes together; each process is given its part of each batch, to
    within one picture as large as the others', and with as many of each class. So the pictures of an epoch do not
    depend on the number of processes. Where that does not divide a batch, parts differ by one picture: to average
    gradients exactly, weigh a part's mean loss by its size.

    **Resuming.** Everything is a function of (seed, epoch, batch): :meth:`state_dict` is these, and may be loaded with
    another number of processes.

    Parameters
    ----------
    labels : array_like, shape (n,)
        Class of each picture: numbers, in any numbering, or names.
    batch_size : int
        Largest number of pictures in a batch of all processes together.
    shares : str or float or mapping
        ``"equal"``; ``"sqrt"``, in proportion to the square root of the counts; ``"natural"``; ``"progressive"``, from
        natural in the first epoch to equal in the last; a number q, in proportion to the counts to the power of q; or
        the share of each class, in any unit. A class of share 0 is not drawn.
    groups : array_like, shape (n,), optional
        The draws of a class are divided among its groups (sites, patients) by the same rule, equally where ``shares``
        is a mapping. To balance groups whatever their classes, give them as ``labels``.
    min_per_class : int
        Least number of each class that is drawn in each batch of all processes together.
    epochs : int, optional
        Number of epochs, for ``"progressive"``; later ones are equal.
    epoch_size : int, optional
        Draws in an epoch; by default n.
    seed : int
        Seed of all that is drawn.
    rank, world_size : int, optional
        This process and the number of them; by default what ``torch.distributed`` says where it is initialized, else
        one process.

    Attributes
    ----------
    classes : ndarray of shape (k,)
        The classes, sorted.
    epoch : int
        The epoch that is drawn next, or being drawn. After its last batch it is the next one by itself.

    Raises
    ------
    DataError
        If labels, groups and options do not fit each other.

    References
    ----------
    Kang et al. (2020), Decoupling representation and classifier for long-tailed recognition, arXiv:1910.09217, eq. 1
    (powers) and 2 (progressive; there t / T, here t / (T - 1), so that the last epoch is equal).

    Examples
    --------
    >>> sampler = BalancedBatchSampler([0] * 90 + [1] * 10, batch_size=20)
    >>> len(sampler), sampler.draws(0).tolist()
    (5, [50, 50])
    >>> [sum(row < 90 for row in batch) for batch in sampler]
    [10, 10, 10, 10, 10]
    """

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        *,
        shares: Shares = "equal",
        groups: ArrayLike | None = None,
        min_per_class: int = 0,
        epochs: int | None = None,
        epoch_size: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        y = np.asarray(labels)
        if y.ndim != 1 or not len(y):
            raise DataError(f"labels have shape {y.shape}: give the class of each picture, of one or more")
        self.classes, codes = np.unique(y, return_inverse=True)
        cells = Cells(codes, groups)
        self.shares, self.rank, self.world_size = shares, rank, world_size
        self.batch_size = _whole("batch_size", batch_size, 1)
        self.epoch_size = len(y) if epoch_size is None else _whole("epoch_size", epoch_size, 1)
        self.min_per_class = _whole("min_per_class", min_per_class, 0)
        self.epochs = None if epochs is None else _whole("epochs", epochs, 1)
        self.seed = _whole("seed", seed, 0)
        self._n_batches = -(-self.epoch_size // self.batch_size)
        self._plan = Plan(
            self.classes, cells, shares, self._n_batches, self.epoch_size, self.min_per_class, self.epochs, self.seed
        )
        self._check()
        rule = self._plan.class_shares(0).tolist() if isinstance(shares, Mapping) else shares
        options = (rule, self.batch_size, self.epoch_size, self.min_per_class, self.epochs, self.seed)
        known = blake2b(repr((self.classes.tolist(), options)).encode(), digest_size=8)
        known.update(cells.cells.tobytes())
        self._digest = known.hexdigest()
        self.epoch = self._start = self._given = 0

    def __len__(self) -> int:
        """Return the number of batches of an epoch, which is the same for every process."""
        return self._n_batches

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the epoch's batches, or the rest of them after a state was loaded, as lists of this process's rows."""
        epoch, start = self.epoch, self._start
        self._start = self._given = 0
        for number, rows in enumerate(self.batches(epoch)[start:], start):
            self.epoch, self._given = (epoch, number + 1) if number + 1 < len(self) else (epoch + 1, 0)
            yield rows.tolist()

    def batches(self, epoch: int) -> list[Rows]:
        """Return this process's part of each batch of an epoch, whatever has been drawn before.

        Raises
        ------
        DataError
            If a batch has fewer pictures than there are processes.
        """
        rank, world_size = self._place()
        least = self.epoch_size // self._n_batches
        if least < world_size:
            raise DataError(f"batches of {least} cannot be divided among {world_size} processes: draw larger ones")
        # Pictures go to the processes in turn, over the ends of batches too, so that over an epoch all have as many.
        whole = self._plan.batches(epoch)
        starts = np.cumsum([0, *map(len, whole)]).tolist()
        return [rows[(rank - start) % world_size :: world_size] for rows, start in zip(whole, starts, strict=False)]

    def draws(self, epoch: int) -> Rows:
        """Return how often each class (k,) is drawn in an epoch, by all processes: what a second correction sees."""
        found = np.bincount(self._plan.cells.classes, self._plan.cell_draws(epoch), len(self.classes))
        return found.astype(np.int64)

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch, counted from 0; where a state of that epoch was loaded, stay there."""
        number = _whole("epoch", epoch, 0)
        if number != self.epoch:
            self.epoch, self._start, self._given = number, 0, 0

    def state_dict(self, *, epoch: int | None = None, batch: int | None = None) -> dict[str, Any]:
        """Return where this sampler stands.

        Parameters
        ----------
        epoch, batch : int, optional
            The epoch and how many of its batches were trained on; by default what was handed out. A ``DataLoader``
            with workers fetches ahead of the training: there, give both.
        """
        if (epoch is None) != (batch is None):
            raise DataError(f"epoch={epoch} and batch={batch}: give both or neither")
        at = self.epoch if epoch is None else _whole("epoch", epoch, 0)
        given = self._given if batch is None else _whole("batch", batch, 0)
        if given > len(self):
            raise DataError(f"batch={given}: an epoch has {len(self)}")
        at, given = (at + 1, 0) if given == len(self) else (at, given)
        return {"epoch": at, "batch": given, "digest": self._digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on from a state.

        Raises
        ------
        DataError
            If the state is of a sampler with other labels or options.
        """
        if state.get("digest") != self._digest:
            raise DataError("this state is of a sampler with other labels or options: make the sampler as it was then")
        self.epoch, self._start = int(state["epoch"]), int(state["batch"])
        self._given = self._start

    def _check(self) -> None:
        """Refuse options that do not fit."""
        if self.shares == "progressive" and self.epochs is None:
            raise DataError("progressive shares need to know the number of epochs: give epochs")
        drawn = int((self._plan.class_shares(0) > 0).sum())
        least = self.epoch_size // self._n_batches
        if self.min_per_class * drawn > least:
            raise DataError(
                f"min_per_class={self.min_per_class} of {drawn} classes does not fit into batches of {least}: "
                "give a smaller one or larger batches"
            )
        if (self.rank is None) != (self.world_size is None):
            raise DataError(f"rank={self.rank} and world_size={self.world_size}: give both or neither")
        if self.rank is not None and self.world_size is not None and not 0 <= self.rank < self.world_size:
            raise DataError(f"rank={self.rank} and world_size={self.world_size}: processes are numbered from 0")

    def _place(self) -> tuple[int, int]:
        """Return the number of this process, and how many there are."""
        if self.rank is not None and self.world_size is not None:
            return self.rank, self.world_size
        distributed = sys.modules.get("torch.distributed")  # where nobody has imported it, nobody has initialized it
        if distributed is None or not distributed.is_available() or not distributed.is_initialized():
            return 0, 1
        return distributed.get_rank(), distributed.get_world_size()


def _whole(name: str, value: Any, least: int) -> int:
    """Return a whole number that is large enough."""
    try:
        found = operator.index(value)
    except TypeError:
        raise DataError(f"{name}={value!r}: give a whole number of at least {least}") from None
    if found < least:
        raise DataError(f"{name}={value!r}: give a whole number of at least {least}")
    return found

"""Which rows are in which batch of an epoch, as a function of the epoch alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headstart.imbalance.sampler_cells import Cells, Rows
from headstart.imbalance.sampler_shares import Floats, Shares, given_shares, shares_of, whole_numbers, with_least

_COUNTS, _LAYOUT, _CYCLES = range(3)  # what a random generator is for


@dataclass(eq=False)
class Plan:
    """The batches of all epochs, of all processes together.

    Attributes are what :class:`headstart.imbalance.sampler.BalancedBatchSampler` was given, and the ``cells``.
    """

    classes: NDArray[np.generic]
    cells: Cells
    shares: Shares
    n_batches: int
    epoch_size: int
    min_per_class: int
    epochs: int | None
    seed: int
    _before: list[Rows] = field(default_factory=list, init=False)  # draws of each cell before each epoch

    def _progress(self, epoch: int) -> float:
        """Return how far progressive shares are in an epoch, from 0 to 1."""
        return 0.0 if self.epochs is None else min(1.0, epoch / (self.epochs - 1)) if self.epochs > 1 else 1.0

    def class_shares(self, epoch: int) -> Floats:
        """Return the share of each class in an epoch, (k,), summing to 1."""
        if isinstance(self.shares, Mapping):
            return given_shares(self.classes, self.shares)
        counts = np.bincount(self.cells.classes, self.cells.sizes)
        return shares_of(counts, self.shares, self._progress(epoch))

    def cell_draws(self, epoch: int) -> Rows:
        """Return how often each cell is drawn in an epoch, (m,)."""
        rng = np.random.default_rng([self.seed, _COUNTS, epoch])
        shares, order = self.class_shares(epoch), rng.permutation(len(self.classes))
        least = self.min_per_class * self.n_batches
        sure = np.where(shares > 0, least, 0)
        more = (with_least(shares * self.epoch_size, least) - sure).clip(0)
        draws = sure.copy()
        draws[order] += whole_numbers(more[order], self.epoch_size - int(sure.sum()), rng)
        if len(self.cells) == len(self.classes):
            return draws
        rule = "equal" if isinstance(self.shares, Mapping) else self.shares
        found = np.zeros(len(self.cells), dtype=np.int64)
        for code, total in enumerate(draws.tolist()):
            sizes = self.cells.sizes[self.cells.of_class(code)]
            order = rng.permutation(len(sizes))
            within = shares_of(sizes, rule, self._progress(epoch))
            found[self.cells.of_class(code)][order] = whole_numbers(within[order], total, rng)
        return found

    def _drawn_before(self, epoch: int) -> Rows:
        """Return how often each cell was drawn in all epochs before this one."""
        if not self._before:
            self._before.append(np.zeros(len(self.cells), dtype=np.int64))
        while len(self._before) <= epoch:
            self._before.append(self._before[-1] + self.cell_draws(len(self._before) - 1))
        return self._before[epoch]

    def batches(self, epoch: int) -> list[Rows]:
        """Return the batches of all processes together, each ordered by class, classes in an order of its own.

        The draws, class after class and within it cell after cell, are dealt to the batches like cards: so each batch
        has as many as any other, of each class and of each cell, to within one. A cell's stream then runs through the
        batches in the order of time.
        """
        rng = np.random.default_rng([self.seed, _LAYOUT, epoch])
        draws, before = self.cell_draws(epoch), self._drawn_before(epoch)
        time = rng.permutation(self.n_batches)
        dealt, times, rows, cells = 0, [], [], []
        for code in rng.permutation(len(self.classes)):
            part = self.cells.of_class(code)
            for cell in part.start + rng.permutation(part.stop - part.start):
                count = int(draws[cell])
                times.append(np.sort(time[(dealt + np.arange(count)) % self.n_batches]))
                rows.append(self.cells.stream(cell, int(before[cell]), count, (self.seed, _CYCLES)))
                cells.append(np.full(count, cell))
                dealt += count
        batch, row, cell_of = np.concatenate(times), np.concatenate(rows), np.concatenate(cells)
        runs = np.unique(batch * len(self.classes) + self.cells.classes[cell_of], return_inverse=True)[1]
        turn = rng.random(runs.max() + 1)[runs]
        order = np.lexsort((cell_of, turn, batch))
        ends = np.cumsum(np.bincount(batch, minlength=self.n_batches))
        return np.split(row[order], ends[:-1])

"""Batches of cached activations: which pictures, in which views, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from headstart.results import DataError
from headstart.results.team import team

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from headstart.features.cut import CutActivations


class Sampler(Protocol):
    """Draws the rows of each batch."""

    def __len__(self) -> int: ...

    def batches(self, epoch: int) -> Iterable[NDArray[np.int64]]:
        """Return the places of each batch's rows."""
        ...


class ViewBatches:
    """Batches of views of pictures, in an order that depends on seed and epoch alone.

    Every epoch each picture is shown once, in a view drawn from the plain one and a window of augmented ones. The
    window moves on by ``refresh`` views an epoch, so that the network never sees a small set of views often enough to
    learn it by heart, and each view that enters it is computed once for all epochs that show it.

    Parameters
    ----------
    store : CutActivations
        Computes and keeps the views.
    y : ndarray of int64, shape (n,)
        Classes of the store's pictures.
    rows : ndarray of int64
        What to learn from.
    batch_size : int
        Batches are as equal as can be and never larger; none is a last, short one.
    n_views : int
        Augmented views in the window; 0 shows the plain one only.
    refresh : float
        New views an epoch.
    seed : int
        Seed of order and choice of views.
    sampler : optional
        Has ``batches(epoch)``, which gives for each batch the places in ``rows`` that it shows, and a length: see
        ``headstart.imbalance.sampler``. By default each row is shown once.
    sample_weight : ndarray, shape (n,), optional
        How much each of the store's pictures counts in the loss; scaled to a mean of 1 over ``rows``.

    Raises
    ------
    DataError
        If the weights are not n finite numbers from 0 on, or all 0.
    """

    def __init__(
        self,
        store: CutActivations,
        y: NDArray[np.int64],
        rows: NDArray[np.int64],
        *,
        batch_size: int,
        n_views: int = 0,
        refresh: float = 0.0,
        seed: int = 0,
        sampler: Sampler | None = None,
        sample_weight: NDArray[np.floating] | None = None,
    ) -> None:
        self.store, self.y, self.rows, self.seed, self.sampler = store, y, rows, seed, sampler
        self.n_views, self.refresh = n_views, refresh
        self.weights = None if sample_weight is None else _scaled(sample_weight, len(y), rows)
        self._n_batches = -(-len(rows) // batch_size) if sampler is None else len(sampler)

    def __len__(self) -> int:
        return self._n_batches

    def views(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the views that ``epoch`` draws from."""
        first = 1 + int(epoch * self.refresh)
        return np.append(0, np.arange(first, first + self.n_views))

    def epoch(self, number: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield activations (b, ...), classes (b,) and weights (b,) if any; each process has its share of them."""
        import torch

        rng = np.random.default_rng([self.seed, number])
        if self.sampler is None:
            order = rng.permutation(self.rows)
            chunks = np.array_split(np.arange(len(order)), self._n_batches)
        else:
            drawn = list(self.sampler.batches(number))
            order = self.rows[np.concatenate(drawn)]
            chunks = np.split(np.arange(len(order)), np.cumsum([len(batch) for batch in drawn])[:-1])
        shown = rng.choice(self.views(number), size=len(order))
        for view in np.unique(shown):
            self.store.ensure(int(view), np.unique(order[shown == view]))

        def load(chunk: NDArray[np.int64]) -> tuple[Tensor, ...]:
            chunk = team().share(chunk)
            inputs = torch.from_numpy(self.store.gather(order[chunk], shown[chunk]))
            if inputs.ndim == 4 and self.store.cut is not None:
                inputs = inputs.to(memory_format=torch.channels_last)
            answers: list[NDArray[Any]] = [self.y] if self.weights is None else [self.y, self.weights]
            return inputs, *(torch.from_numpy(one[order[chunk]]) for one in answers)

        with ThreadPoolExecutor(1, thread_name_prefix="headstart-batches") as pool:
            waiting = pool.submit(load, chunks[0])
            for chunk in chunks[1:]:
                ready = waiting.result()
                waiting = pool.submit(load, chunk)
                yield ready
            yield waiting.result()


def _scaled(sample_weight: NDArray[np.floating], n: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights[rows].any():
        raise DataError(
            f"sample_weight {weights.shape} for {n} pictures: give each a finite number from 0 on, and one that is "
            "learned from more than 0"
        )
    return np.asarray(weights / weights[rows].mean(), dtype=np.float32)

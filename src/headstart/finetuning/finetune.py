"""Fine-tuning above a cut: linear probe first, then the stages above it, each at its own rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning.batches import Sampler, ViewBatches
from headstart.finetuning.freezing import freeze
from headstart.finetuning.groups import parameter_groups
from headstart.training.frozen import freeze_statistics
from headstart.training.loop import Penalty, Recipe, Trained, train
from headstart.training.schedules import one_cycle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from headstart.features.cut import CutActivations
    from headstart.sources import Source

_PREDICTED = 64  # pictures a batch, when nothing is learned


@dataclasses.dataclass(frozen=True)
class Views:
    """Which augmented views are shown; see ``ViewBatches``."""

    n_views: int = 4
    refresh: float = 0.25

    def total(self, epochs: int) -> int:
        """Return how many augmented views there are in all."""
        return self.n_views + int((epochs - 1) * self.refresh) if self.n_views else 0

    def expected(self, epochs: int) -> float:
        """Return how many augmented views of a picture are shown, and so computed, on average."""
        firsts = 1 + np.floor(np.arange(epochs) * self.refresh)[:, None]
        views = np.arange(1, 1 + self.total(epochs))
        offered = ((firsts <= views) & (views < firsts + self.n_views)).sum(axis=0)
        return float((1 - (1 - 1 / (self.n_views + 1)) ** offered).sum())


@dataclasses.dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned network.

    Attributes
    ----------
    network : torch.nn.Module
        The whole network with its new classifier, on the CPU, in evaluation mode.
    trained : Trained
        Losses by epoch.
    """

    network: nn.Module = dataclasses.field(repr=False)
    trained: Trained


def fine_tune(
    store: CutActivations,
    y: NDArray[np.int64],
    rows: NDArray[np.int64],
    head: tuple[NDArray[np.floating], NDArray[np.floating]],
    recipe: Recipe,
    *,
    views: Views | None = None,
    hold: bool = True,
    device: str = "cpu",
    seed: int = 0,
    checkpoint: Path | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    advance: Callable[[int], None] | None = None,
    loss: Callable[..., Tensor] | None = None,
    sampler: Sampler | None = None,
    sample_weight: NDArray[np.floating] | None = None,
    penalty: Penalty | None = None,
    change: Callable[[nn.Module, nn.Module], None] | None = None,
) -> FineTuned:
    """Fine-tune what runs above the store's cut, started from a linear probe (LP-FT).

    A head of random weights sends large gradients into features that were good, and distorts them (Kumar et al. 2022,
    arXiv 2202.10054); so the head begins as the logistic regression on the frozen features.

    Parameters
    ----------
    store : CutActivations
        Activations at the cut, or pictures, of n examples.
    y : ndarray of int64, shape (n,)
        Classes.
    rows : ndarray of int64
        The examples that are learned from.
    head : tuple of ndarray
        Weight (k, d) and bias (k,) of the linear probe, fitted on the same rows.
    recipe : Recipe
        Epochs, rates and the rest.
    views : Views, optional
        Augmented views; none by default.
    hold : bool
        Whether the statistics of batch normalization stay those of the source. A network of random weights has none.
    device, seed, checkpoint, validate, advance, loss
        See ``headstart.training.loop.train``; ``validate`` gets the part above the cut.
    sampler, sample_weight : optional
        See ``ViewBatches``; the sampler's places are those of ``rows``. Weights may be those of
        ``headstart.transfer.instance``, where the store holds pictures of another source of data too.
    penalty : Penalty, optional
        What keeps the network near its source, see ``headstart.transfer.parameter.penalties``.
    change : callable, optional
        Called with the network, its head in place, and with the part above the cut, before anything is frozen: it may
        put other layers there.

    Returns
    -------
    FineTuned
    """
    from headstart.finetuning.top import with_head

    network = with_head(store.source.network(), *head)
    top = _top(network, store)
    if change is not None:
        change(network, top)
    if store.cut is not None:
        freeze(network, until=store.cut)
    if hold:
        freeze_statistics(network)
    groups = parameter_groups(
        network,
        rate=recipe.rate,
        head_rate=recipe.head_rate,
        layer_decay=recipe.layer_decay,
        weight_decay=recipe.weight_decay,
    )
    shown = views or Views(0, 0.0)
    batches = ViewBatches(
        store,
        y,
        rows,
        batch_size=recipe.batch_size,
        n_views=shown.n_views,
        refresh=shown.refresh,
        seed=seed,
        sampler=sampler,
        sample_weight=sample_weight,
    )

    def multipliers(step: int, total: int) -> list[float]:
        return [one_cycle(step, total, warmup=recipe.warmup)] * len(groups)

    trained = train(
        top, batches, groups, recipe, multipliers=multipliers, validate=validate, device=device, seed=seed,
        checkpoint=checkpoint, advance=advance, loss=loss, penalty=penalty,
    )  # fmt: skip
    return FineTuned(network.cpu(), trained)


def predict(
    network: nn.Module, store: CutActivations, rows: NDArray[np.int64], *, device: str = "cpu"
) -> NDArray[np.float64]:
    """Return the probabilities (len(rows), k) of a network fine-tuned above the store's cut, on plain views."""
    import torch
    from scipy.special import softmax

    store.ensure(0, rows)
    top = _top(network, store).to(device).eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), _PREDICTED):
            chunk = rows[start : start + _PREDICTED]
            inputs: Any = torch.from_numpy(store.gather(chunk, np.zeros(len(chunk), np.int64))).to(device)
            if inputs.ndim == 4 and store.cut is not None:
                inputs = inputs.to(memory_format=torch.channels_last)
            found.append(top(inputs).float().cpu().numpy())
    return np.asarray(softmax(np.concatenate(found).astype(np.float64), axis=1))


def as_source(
    network: nn.Module, source: Source, name: str, n_classes: int, *, groups: tuple[tuple[str, int], ...] = ()
) -> Source:
    """Return a fine-tuned network as a source: what a run writes down, and what the next one may start from.

    ``groups`` are its layers that normalize by groups where those of ``source`` do not; see ``Source``.
    """
    from headstart.sources import from_module

    card = dataclasses.replace(
        source.card, n_classes=n_classes, accuracy=None, trained_on=f"{name} (fine-tuned from {source.name})"
    )
    made = from_module(network, source.preprocessing, name=f"{source.name}, fine-tuned", card=card)
    return dataclasses.replace(made, groups=(*source.groups, *groups))


def _top(network: nn.Module, store: CutActivations) -> nn.Module:
    import torch

    from headstart.finetuning.top import Top

    return Top(network, store.cut, store.source.preprocessing).to(memory_format=torch.channels_last)

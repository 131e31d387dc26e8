"""The control of every source: the same network, knowing nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from headstart.sources.source import Source


def shuffled(source: Source, *, seed: int = 0) -> Source:
    """Return the source with each of its weight tensors in random order: sizes stay, what was learned is gone.

    Biases, scales and statistics, which have one dimension, stay where they are, so that activations keep about their
    size. Random weights in random order are random weights: of such a source this is another draw.

    Parameters
    ----------
    source : Source
    seed : int
        Seed of the order.
    """

    def build() -> nn.Module:
        import torch

        network, generator = source.network(), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in network.parameters():
                if tensor.ndim > 1:
                    order = torch.randperm(tensor.numel(), generator=generator)
                    tensor.copy_(tensor.flatten()[order].view_as(tensor))
        return network

    card = dataclasses.replace(source.card, trained_on="nothing", accuracy=None)
    return dataclasses.replace(
        source, name=f"{source.name}, shuffled", card=card, weights=None, statistics=None, build=build
    )

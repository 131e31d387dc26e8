"""The part of a network above a cut, which is all that runs when training starts from cached activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.results import SourceError
from headstart.sources.stages import HEADS, find_classifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from headstart.sources import Preprocessing, Source

_TOLERANCE = 1e-3  # of the scale of the logits; a wrong split is off by the scale itself


class Top(nn.Module):
    """A network entered at a stage, or at its input.

    Parameters
    ----------
    network : torch.nn.Module
        Runs its named children in the order in which they were registered, as timm's networks do up to their head.
    cut : str or None
        The stage whose input this takes, (n, ...); ``None`` takes pictures, uint8 (n, height, width, 3).
    preprocessing : Preprocessing
        Mean and standard deviation, which pictures are normalized with.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, cut: str | None, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network: Any = network
        self.cut = cut
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k)."""
        if self.cut is None:
            pictures = x.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
            logits: Tensor = self.network((pictures - self.mean) / self.std)
            return logits
        x = x.to(self.mean.dtype)
        for part in _after(self.network, self.cut):
            x = part(x)
        return self.network.forward_head(x) if hasattr(self.network, "forward_head") else x


def _after(network: nn.Module, cut: str) -> Iterator[nn.Module]:
    """Yield the parts that run from ``cut`` on, one after another, up to timm's head."""
    headed = hasattr(network, "forward_head")
    begun = False

    def walk(module: nn.Module, prefix: str) -> Iterator[nn.Module]:
        nonlocal begun
        for name, child in module.named_children():
            if headed and name in HEADS:
                return
            path = prefix + name
            begun = begun or path == cut
            if begun:
                yield child
            elif cut.startswith(f"{path}."):
                yield from walk(child, f"{path}.")

    return walk(network, "")


def splits(source: Source) -> tuple[str, ...]:
    """Return the stages at which ``source`` can be cut: what runs above gives the network's own output.

    Tried with one picture of noise a stage, whose logits must be those of the whole network.
    """
    from headstart.features.taps import TappedNetwork

    network = source.network()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, *source.preprocessing.size, 3), dtype=torch.uint8, generator=generator)
    found = []
    with torch.inference_mode():
        whole = Top(network, None, source.preprocessing).eval()(pictures)
        for cut in TappedNetwork(source).taps[:-1]:
            (entering,) = TappedNetwork(source, cut=cut)(pictures)
            try:
                above = Top(network, cut, source.preprocessing).eval()(entering)
            except (RuntimeError, TypeError, ValueError, AttributeError):
                continue
            if above.shape == whole.shape and (above - whole).abs().max() <= _TOLERANCE * whole.abs().max():
                found.append(cut)
    return tuple(found)


def with_head(network: Any, weight: NDArray[np.floating], bias: NDArray[np.floating]) -> nn.Module:
    """Give ``network``, in place, a linear classifier with this weight (k, d) and bias (k,); return the network.

    Raises
    ------
    SourceError
        If its classifier is not one linear layer on features of that length.
    """
    if hasattr(network, "reset_classifier"):
        network.reset_classifier(len(bias))
    else:
        old = classifier_of(network)
        name = next(name for name, module in network.named_modules() if module is old)
        network.set_submodule(name, nn.Linear(old.in_features, len(bias)))
    classifier = classifier_of(network)
    if classifier.in_features != weight.shape[1]:
        raise SourceError(
            f"the classifier of this {type(network).__name__} takes {classifier.in_features} features, not "
            f"{weight.shape[1]}: keep it frozen (strategy='frozen')"
        )
    with torch.no_grad():
        classifier.weight.copy_(torch.as_tensor(weight, dtype=torch.float32))
        classifier.bias.copy_(torch.as_tensor(bias, dtype=torch.float32))
    assert isinstance(network, nn.Module)
    return network


def classifier_of(network: Any) -> nn.Linear:
    """Return the linear layer that is the classifier of ``network``.

    Raises
    ------
    SourceError
        If its classifier is something else.
    """
    found = find_classifier(network)
    if not isinstance(found, nn.Linear):
        raise SourceError(
            f"the classifier of this {type(network).__name__} is not one linear layer: "
            "keep it frozen (strategy='frozen')"
        )
    return found

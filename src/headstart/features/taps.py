"""Taps: what enters each stage of a network, pooled to one vector a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.features.graph import LAST
from headstart.results import SourceError
from headstart.sources import Source, find_classifier, find_stages

if TYPE_CHECKING:
    from torch import Tensor


def pool(activation: Tensor, *, prefix_tokens: int = 0, channels_last: bool = False) -> Tensor:
    """Average an activation over positions, or over patch tokens, to (n, d).

    Parameters
    ----------
    activation : Tensor of shape (n, d, h, w), (n, h, w, d), (n, tokens, d) or (n, d)
        What enters a stage.
    prefix_tokens : int
        Class and register tokens at the front, which are left out of the average.
    channels_last : bool
        Whether a 4-d activation is (n, h, w, d), as in a Swin transformer.
    """
    if activation.ndim == 4:
        return activation.mean((1, 2) if channels_last else (2, 3))
    if activation.ndim == 3:
        return activation[:, prefix_tokens:].mean(1)
    return activation.flatten(1)


class TappedNetwork(nn.Module):
    """A source's network that takes pictures as bytes and returns the pooled vector of every tap.

    Normalization is part of it, so that no caller can feed it with the wrong scale.

    Parameters
    ----------
    source : Source
        Where network, mean and std come from.
    cut : str, optional
        The name of a stage: then the one output is the whole activation that enters it, (n, ...), not pooled.

    Attributes
    ----------
    taps : tuple of str
        The names of the stages whose inputs are tapped, in the order in which they run, then ``"last"``: what feeds
        the source's classifier.
    dimensions : tuple of int
        The length of each tap's vector.
    outputs : tuple of str
        The names of what ``forward`` returns: the taps, or the cut.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, source: Source, *, cut: str | None = None) -> None:
        super().__init__()
        self._cut = cut
        self.network: Any = source.network()
        self.register_buffer("mean", torch.tensor(source.preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(source.preprocessing.std).view(1, 3, 1, 1), persistent=False)
        self._prefix_tokens = int(getattr(self.network, "num_prefix_tokens", 0))
        self._channels_last: dict[str, bool] = {}
        self.taps: tuple[str, ...] = ()
        self.dimensions: tuple[int, ...] = ()
        self._find_taps(source)
        if cut is not None and cut not in self.taps[:-1]:
            raise SourceError(f"{source.name!r} cannot be cut at {cut!r}: {', '.join(self.taps[:-1])}")
        self.outputs: tuple[str, ...] = self.taps if cut is None else (cut,)
        self.eval()

    def _find_taps(self, source: Source) -> None:
        """Run one grey picture and keep, in order of running, the stages whose input is an activation."""
        shapes: dict[str, torch.Size] = {}
        stages = find_stages(self.network)
        picture = torch.full((1, 3, *source.preprocessing.size), 0.1)
        with torch.inference_mode(), self._hooks(stages[1:], lambda name, x: shapes.setdefault(name, x.shape)):
            try:
                last = self._head(picture)
            except RuntimeError as error:
                raise SourceError(
                    f"{source.name!r} cannot run a picture of {source.preprocessing.size}: {error}"
                ) from None
        for name, shape in shapes.items():
            # A (1, h, w, d) input shows itself by two equal sides at the front and another length at the end.
            self._channels_last[name] = len(shape) == 4 and shape[1] == shape[2] != shape[3]
        self.taps = (*(name for name, shape in shapes.items() if len(shape) > 2), LAST)
        with torch.inference_mode():
            pooled = self._tapped(picture)
        assert pooled[-1].shape == last.shape
        self.dimensions = tuple(int(vector.shape[1]) for vector in pooled)

    @contextlib.contextmanager
    def _hooks(self, names: tuple[str, ...], keep: Any) -> Iterator[None]:
        def hook(name: str) -> Any:
            def look(module: nn.Module, arguments: tuple[Any, ...]) -> None:
                if arguments and isinstance(arguments[0], torch.Tensor):
                    keep(name, arguments[0])

            return look

        handles = [self.network.get_submodule(name).register_forward_pre_hook(hook(name)) for name in names]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _head(self, x: Tensor) -> Tensor:
        """Run the network on normalized pictures and return what feeds its classifier."""
        if hasattr(self.network, "forward_head"):
            features = self.network.forward_features(x)
            result: Tensor = self.network.forward_head(features, pre_logits=True)
            return result.flatten(1)
        classifier = find_classifier(self.network)
        if classifier is None:
            output: Tensor = self.network(x)
            return pool(output)
        caught: list[Tensor] = []
        handle = classifier.register_forward_pre_hook(lambda module, arguments: caught.append(arguments[0]))
        try:
            self.network(x)
        finally:
            handle.remove()
        return caught[-1].flatten(1)

    def _tapped(self, x: Tensor) -> tuple[Tensor, ...]:
        found: dict[str, Tensor] = {}

        def keep(name: str, activation: Tensor) -> None:
            if name not in found:
                found[name] = pool(
                    activation, prefix_tokens=self._prefix_tokens, channels_last=self._channels_last[name]
                )

        with self._hooks(self.taps[:-1], keep):
            last = self._head(x)
        return (*(found[name] for name in self.taps[:-1]), last)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return the pooled vectors, float32 (n, d), of every tap.

        Parameters
        ----------
        pictures : Tensor of uint8, shape (n, height, width, 3)
            Red, green, blue, already of the input size.
        """
        x = (pictures.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.std
        return self._tapped(x) if self._cut is None else (self._before(x, self._cut),)

    def _before(self, x: Tensor, cut: str) -> Tensor:
        found: list[Tensor] = []
        with self._hooks((cut,), lambda name, activation: found.append(activation)):
            self._head(x)
        return found[0]

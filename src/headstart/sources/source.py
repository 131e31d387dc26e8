"""A source: a network with named stages, its preprocessing, and a card."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.results import SourceError
from headstart.sources.card import Card, Preprocessing
from headstart.sources.weights import file_digest, load_into, read_state_dict

if TYPE_CHECKING:
    from torch import nn


@dataclasses.dataclass(frozen=True)
class Source:
    """A pretrained network that knowledge can be carried over from. ``headstart.sources.get`` makes one.

    Attributes
    ----------
    name : str
        What ``get`` was asked for.
    card : Card
        What it was trained on, its licence and its size.
    preprocessing : Preprocessing
        How a picture becomes its input.
    weights : Path or None
        The file of its weights; ``None`` for random weights or a network that was handed over.
    seed : int
        Seed of random weights; unused where there is a file.
    statistics : Path or None
        A file of running statistics that take the place of those among the weights
        (``headstart.normalization.recalibrate_source``).
    groups : tuple of (str, int)
        Batch normalizations that are group normalizations here, and of how many groups.
    """

    name: str
    card: Card
    preprocessing: Preprocessing
    weights: Path | None = None
    seed: int = 0
    build: Callable[[], nn.Module] | None = dataclasses.field(default=None, repr=False, compare=False)
    statistics: Path | None = None
    groups: tuple[tuple[str, int], ...] = ()

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over architecture and weights: same fingerprint, same function of the input tensor."""
        if self.weights is not None:
            content = file_digest(self.weights)
            if self.statistics is not None:
                content += file_digest(self.statistics)
        else:
            digest = hashlib.sha256()
            for name, tensor in self.network().state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
            content = digest.hexdigest()
        return hashlib.sha256(f"{self.card.architecture}:{self.card.n_classes}:{content}".encode()).hexdigest()

    def network(self) -> nn.Module:
        """Return a new copy of the network with its weights, on the CPU, in evaluation mode.

        Raises
        ------
        SourceError
            If the weights do not fit the architecture; the first three tensors that differ are named.
        """
        if self.build is not None:
            network = self.build()
        else:
            network = create(self.card.architecture, n_classes=self.card.n_classes, seed=self.seed)
            if self.groups:
                from headstart.sources.norms import regroup

                regroup(network, self.groups)
            if self.weights is not None:
                load_into(network, read_state_dict(self.weights), origin=repr(str(self.weights)))
        if self.statistics is not None:
            from headstart.sources.norms import load_statistics

            load_statistics(network, self.statistics)
        return network.eval()

    @property
    def as_trained(self) -> Source:
        """The same with the running statistics that stand among its weights."""
        return self if self.statistics is None else dataclasses.replace(self, statistics=None)

    @property
    def on_disk(self) -> bool:
        """Whether the weights are here, so that nothing has to be fetched."""
        return self.weights is None or self.weights.is_file()


def create(architecture: str, *, n_classes: int = 1000, seed: int = 0) -> nn.Module:
    """Return timm's network of that name with random weights drawn from ``seed``.

    Raises
    ------
    SourceError
        If timm knows no such network; near names are listed.
    """
    import timm
    import torch

    if architecture.partition(".")[0] not in set(timm.list_models()):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        hint = f": did you mean {', '.join(near)}?" if near else ": see timm.list_models()"
        raise SourceError(f"timm knows no network {architecture!r}{hint}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(architecture, pretrained=False, num_classes=n_classes)
    assert isinstance(network, torch.nn.Module)
    return network.eval()

"""What a source's normalization layers hold where that is not what its architecture and weights say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from headstart.results import SourceError

if TYPE_CHECKING:
    from torch import Tensor


class NormAct(nn.Module):
    """A normalization with the dropout and the activation that stood fused behind the one it replaces."""

    def __init__(self, norm: nn.Module, drop: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.norm, self.drop, self.act = norm, drop, act

    def forward(self, x: Tensor) -> Tensor:
        """Normalize, drop out and activate."""
        y: Tensor = self.act(self.drop(self.norm(x)))
        return y


def regroup(network: nn.Module, groups: Sequence[tuple[str, int]]) -> nn.Module:
    """Put a group normalization, of weights 1 and 0, in the place of each of these batch normalizations.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place, and returned.
    groups : sequence of (str, int)
        Name of the layer, and number of groups.
    """
    for name, number in groups:
        old: Any = network.get_submodule(name)
        new: nn.Module = nn.GroupNorm(number, old.num_features, old.eps)
        act = getattr(old, "act", None)
        if isinstance(act, nn.Module):
            new = NormAct(new, getattr(old, "drop", None) or nn.Identity(), act)
        network.set_submodule(name, new)
    return network


def grouped(network: nn.Module, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return what ``regroup`` takes to give another copy of the network the layers of those names."""
    layers: list[Any] = [network.get_submodule(name) for name in names]
    return tuple((name, int(getattr(one, "norm", one).num_groups)) for name, one in zip(names, layers, strict=True))


def load_statistics(network: nn.Module, path: Path) -> None:
    """Put the running means and variances of a safetensors file into the layers of those names.

    Raises
    ------
    SourceError
        If they do not fit.
    """
    from safetensors.torch import load_file

    held = network.state_dict()
    tensors = load_file(path)
    strange = [name for name, tensor in tensors.items() if name not in held or held[name].shape != tensor.shape]
    if strange:
        raise SourceError(f"{str(path)!r} holds {strange[0]}, which is not of this network: recalibrate it again")
    for name, tensor in tensors.items():
        held[name].copy_(tensor)

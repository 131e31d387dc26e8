"""What a layer of a network is as a normalization, whichever library it comes from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from headstart.features.moments import has_statistics
from headstart.normalization.kinds import Affine
from headstart.normalization.sync import SyncBatchNorm

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Form:
    """A layer read as one of the kinds.

    Attributes
    ----------
    kind : str
        Of :data:`headstart.normalization.kinds.KINDS`.
    channels : int
    dimensions : int or None
        Of the positions; ``None`` where the layer takes any number.
    groups : int
        Of ``group`` and ``layer``; 0 of the others.
    positionwise : bool
        Whether a ``layer`` takes mean and variance at each position (torch.nn.LayerNorm), not over all of them.
    channels_last : bool
        Whether inputs are (n, ..., c).
    eps : float
    module : torch.nn.Module
        The layer itself.
    """

    kind: str
    channels: int
    dimensions: int | None
    groups: int
    positionwise: bool
    channels_last: bool
    eps: float
    module: Any

    @property
    def weight(self) -> Tensor | None:
        """Weight of each channel, or ``None``."""
        return getattr(self.module, "weight", None)

    @property
    def bias(self) -> Tensor | None:
        """Bias of each channel, or ``None``."""
        return getattr(self.module, "bias", None)

    @property
    def tail(self) -> tuple[nn.Module, nn.Module] | None:
        """Dropout and activation that are fused behind the normalization (timm), or ``None``."""
        act, drop = getattr(self.module, "act", None), getattr(self.module, "drop", None)
        return (drop or nn.Identity(), act) if isinstance(act, nn.Module) else None

    @property
    def statistics(self) -> bool:
        """Whether it carries running statistics."""
        return getattr(self.module, "running_mean", None) is not None

    def output(self, x: Tensor) -> Tensor:
        """Return what the layer makes of ``x`` in evaluation, before any activation that is fused to it."""
        layer, weight, bias = self.module, self.weight, self.bias
        if self.kind == "none":
            return layer.forward(x)  # type: ignore[no-any-return]
        if self.kind in ("batch", "sync"):
            mean, variance = layer.running_mean, layer.running_var
            return F.batch_norm(x, mean, variance, weight, bias, mean is None, 0.0, self.eps)
        if self.kind == "instance":
            mean, variance = layer.running_mean, layer.running_var
            return F.instance_norm(x, mean, variance, weight, bias, mean is None, 0.0, self.eps)
        if self.positionwise:
            last = x if self.channels_last else x.movedim(1, -1)
            y = F.layer_norm(last, (self.channels,), weight, bias, self.eps)
            return y if self.channels_last else y.movedim(-1, 1)
        return F.group_norm(x, self.groups, weight, bias, self.eps)


def form_of(module: nn.Module) -> Form | None:
    """Return ``module`` read as a normalization; ``None`` if it is none of the kinds.

    Root mean square normalization, weight standardization and a layer normalization over several axes are none.

    >>> form_of(nn.GroupNorm(1, 8)).kind, form_of(nn.LayerNorm(8)).positionwise, form_of(nn.Linear(8, 8))
    ('layer', True, None)
    """
    layer: Any = module
    eps = float(getattr(module, "eps", 0.0))
    if isinstance(module, (SyncBatchNorm, nn.SyncBatchNorm)):
        return Form("sync", layer.num_features, None, 0, False, False, eps, module)
    if isinstance(module, _BatchNorm):
        return Form("batch", layer.num_features, _dimensions(module), 0, False, False, eps, module)
    if isinstance(module, _InstanceNorm):
        return Form("instance", layer.num_features, _dimensions(module), 0, False, False, eps, module)
    if isinstance(module, nn.GroupNorm):
        kind = "layer" if module.num_groups == 1 else "group"
        return Form(kind, module.num_channels, None, module.num_groups, False, False, eps, module)
    if isinstance(module, nn.LayerNorm):
        if len(module.normalized_shape) != 1:
            return None
        maps = "2d" in type(module).__name__.lower()
        dimensions = 2 if maps else None
        return Form("layer", module.normalized_shape[0], dimensions, 1, True, not maps, eps, module)
    if isinstance(module, Affine):
        return Form("none", module.num_features, None, 0, False, False, eps, module)
    if has_statistics(module) and "Frozen" in type(module).__name__:
        return Form("batch", len(layer.running_mean), 2, 0, False, False, eps, module)
    return None


def forms(model: nn.Module) -> dict[str, Form]:
    """Return every normalization of a network by name, in the order of registration."""
    found = {name: form_of(module) for name, module in model.named_modules()}
    return {name: form for name, form in found.items() if form is not None}


def _dimensions(module: nn.Module) -> int | None:
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn") and kind.__name__[-2:] in ("1d", "2d", "3d"):
            return int(kind.__name__[-2])
    return None


class ChannelsLast(nn.Module):
    """A channels-first normalization for an input (n, ..., c).

    Parameters
    ----------
    norm : torch.nn.Module
        Takes (n, c, ...).
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Normalize an input (n, ..., c)."""
        y: Tensor = self.norm(x.movedim(-1, 1).contiguous())
        return y.movedim(1, -1)


def first(x: Tensor, form: Form) -> Tensor:
    """Return a view of an input or output of a layer as (n, c, positions)."""
    y = x.movedim(-1, 1) if form.channels_last else x
    return y.flatten(2) if y.ndim > 2 else y.unsqueeze(2)

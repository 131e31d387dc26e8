"""The five kinds of normalization, and none, by name, for inputs of one, two and three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.normalization.sync import SyncBatchNorm
from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("batch", "layer", "instance", "group", "sync", "none")
_BATCH = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_MOST_GROUPS, _FEWEST_CHANNELS = 32, 4


class Affine(nn.Module):
    """A weight and a bias for each channel, and no normalization.

    Parameters
    ----------
    num_features : int
        Channels c of an input (n, c) or (n, c, ...).
    """

    def __init__(self, num_features: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_features = num_features
        self.weight = nn.Parameter(torch.ones(num_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(num_features, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift an input (n, c) or (n, c, ...)."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return str(self.num_features)


def make_norm(
    kind: str,
    channels: int,
    dimensions: int = 2,
    *,
    groups: int | None = None,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
    affine: bool = True,
    device: Any = None,
    dtype: Any = None,
) -> nn.Module:
    """Return a normalization for channels-first inputs: (n, c, l), (n, c, h, w) or (n, c, d, h, w).

    All of them are ``(x - mean) / sqrt(variance + eps) * weight + bias`` with the biased variance, and differ in what
    mean and variance are taken over:

    ============ ============================================== ==============================
    kind         mean and variance over                         from
    ============ ============================================== ==============================
    ``batch``    examples and positions, for each channel       torch.nn.BatchNorm1d, 2d, 3d
    ``sync``     the same, over the batches of all processes    :class:`SyncBatchNorm`
    ``layer``    channels and positions, for each example       torch.nn.GroupNorm, one group
    ``instance`` positions, for each example and channel        torch.nn.InstanceNorm1d, 2d, 3d
    ``group``    positions and the channels of a group, for     torch.nn.GroupNorm
                 each example and group
    ``none``     nothing: weight and bias alone                 :class:`Affine`
    ============ ============================================== ==============================

    ``layer`` is that of Wu and He's figure 2. Transformers and ConvNeXt take mean and variance over the channels at
    each position instead (torch.nn.LayerNorm, timm's LayerNorm2d); on an input without positions, (n, c), the two are
    the same. In one dimension ``batch``, ``sync``, ``layer``, ``group`` and ``none`` take (n, c) as well.

    Parameters
    ----------
    kind : {"batch", "layer", "instance", "group", "sync", "none"}
    channels : int
    dimensions : {1, 2, 3}
        Of the positions.
    groups : int, optional
        Of ``group`` alone; a divisor of ``channels``, by default :func:`default_groups`.
    eps : float
        Added to the variance.
    momentum : float or None
        Of the running statistics of ``batch`` and ``sync``.
    affine : bool
        Whether there is a weight and a bias for each channel; ``none`` without them is the identity.

    Raises
    ------
    DataError
        If there is no such kind or dimension, or ``groups`` does not divide ``channels``.

    References
    ----------
    Ioffe and Szegedy (2015), arXiv:1502.03167; Ba, Kiros and Hinton (2016), arXiv:1607.06450; Ulyanov, Vedaldi and
    Lempitsky (2016), arXiv:1607.08022; Wu and He (2018), Group normalization, arXiv:1803.08494, eq. 1 to 7.

    Examples
    --------
    >>> make_norm("group", 24).num_groups
    6
    >>> make_norm("layer", 24, 3)(torch.ones(2, 24, 4, 4, 4)).shape
    torch.Size([2, 24, 4, 4, 4])
    """
    if kind not in KINDS:
        raise DataError(f"no normalization {kind!r}: {', '.join(KINDS)}")
    if dimensions not in _BATCH:
        raise DataError(f"no normalization of {dimensions} dimensions: 1, 2 or 3")
    if groups is not None and (kind != "group" or groups < 1 or channels % groups):
        raise DataError(
            f"groups={groups} of {channels} channels for {kind!r}: give 'group' a divisor of the channels, or leave "
            f"groups out for {default_groups(channels)}"
        )
    where: dict[str, Any] = {"device": device, "dtype": dtype}
    if kind == "batch":
        return _BATCH[dimensions](channels, eps, momentum, affine, **where)
    if kind == "sync":
        return SyncBatchNorm(channels, eps, momentum, affine, **where)
    if kind == "instance":
        return _INSTANCE[dimensions](channels, eps, affine=affine, **where)
    if kind == "none":
        return Affine(channels, **where) if affine else nn.Identity()
    number = 1 if kind == "layer" else groups or default_groups(channels)
    return nn.GroupNorm(number, channels, eps, affine, **where)


def default_groups(channels: int, most: int = _MOST_GROUPS) -> int:
    """Return the largest divisor of ``channels`` that is at most ``most`` and leaves a group four channels.

    32 groups are Wu and He's choice; fewer channels in a group make it an instance normalization, which has nothing
    to estimate from on 1x1 maps.

    >>> [default_groups(channels) for channels in (1280, 96, 40, 24, 16, 7, 3)]
    [32, 24, 10, 6, 4, 1, 1]
    """
    limit = max(1, min(most, channels // _FEWEST_CHANNELS))
    return max(groups for groups in range(1, limit + 1) if channels % groups == 0)

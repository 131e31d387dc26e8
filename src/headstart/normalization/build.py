"""The layer that takes the place of another, and what can be folded into it without data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.normalization.forms import ChannelsLast, Form, form_of
from headstart.normalization.kinds import make_norm
from headstart.normalization.sync import synchronize
from headstart.results import DataError
from headstart.sources.norms import NormAct

if TYPE_CHECKING:
    from torch import Tensor

BATCH = ("batch", "sync")
_EPS = 1e-5  # where the old layer normalized nothing


@dataclasses.dataclass(frozen=True)
class Part:
    """A layer and what takes its place.

    Attributes
    ----------
    old : Form
        The layer as it was.
    core : Form
        The new normalization.
    outer : torch.nn.Module
        The whole that takes the place: the new normalization with what turns its axes or follows it.
    exact : bool
        Whether it computes in evaluation what the old one did once :func:`fold` has run.
    """

    old: Form
    core: Form
    outer: nn.Module
    exact: bool


def build(name: str, old: Form, to: str, dimensions: int | None, groups: int, *, affine: bool) -> Part:
    """Return what takes the place of a layer; its weight and bias are 1 and 0 unless it shares the old one's.

    Raises
    ------
    DataError
        If the kind is made for a number of dimensions that is not known.
    """
    exact = old.statistics and old.kind in BATCH and to in (*BATCH, "none")
    if to == "sync" and old.kind in BATCH:
        new = synchronize(old.module)  # shares weights and statistics
        if new is not old.module:
            return Part(old, _form(new), new, True)
    if dimensions is None and to in ("batch", "instance"):
        raise DataError(f"{name!r} takes inputs of any number of dimensions: give a sample to tell how many")
    held = old.weight if old.weight is not None else getattr(old.module, "running_mean", None)
    where: dict[str, Any] = {} if held is None else {"device": held.device, "dtype": held.dtype}
    size = 2 if dimensions is None else max(1, dimensions)
    eps = old.eps or _EPS
    core: Any
    outer: nn.Module
    if to == "batch" and old.tail and size == 2:
        from timm.layers.norm_act import BatchNormAct2d

        core = BatchNormAct2d(old.channels, eps=eps, affine=affine, apply_act=False, **where)
        core.drop, core.act = old.tail
        outer = core
    else:
        options: dict[str, Any] = {"groups": groups} if to == "group" else {}
        core = make_norm(to, old.channels, size, eps=eps, affine=affine, **options, **where)
        outer = ChannelsLast(core) if old.channels_last else core
        outer = NormAct(outer, *old.tail) if old.tail else outer
    if old.weight is not None and not old.weight.requires_grad:
        core.requires_grad_(False)
    return Part(old, _form(core), outer, exact)


def fold(part: Part) -> bool:
    """Set weight, bias and statistics from the old layer's own; return whether that was possible without data."""
    old, new = part.old, part.core
    if new.module is old.module or (part.exact and new.kind == "sync"):
        return True
    if not old.statistics or old.kind not in BATCH:
        return False
    mean, variance = old.module.running_mean.double(), old.module.running_var.double()
    deviation = (variance + old.eps).sqrt()
    weight = torch.ones_like(mean) if old.weight is None else old.weight.detach().double()
    bias = torch.zeros_like(mean) if old.bias is None else old.bias.detach().double()
    if new.kind in BATCH:
        new.module.running_mean.copy_(mean)
        new.module.running_var.copy_(variance)
        _set(new, weight, bias)
        return True
    if new.kind == "none":
        centre, spread = torch.zeros_like(mean), torch.ones_like(mean)
    else:
        # What a group's channels say together, each of which has its own mean and variance.
        groups = new.groups or new.channels
        by_group = mean.view(groups, -1)
        centre = by_group.mean(1, keepdim=True)
        total = (variance.view(groups, -1) + by_group**2).mean(1, keepdim=True) - centre**2
        centre, spread = (tensor.expand_as(by_group).flatten() for tensor in (centre, (total + new.eps).sqrt()))
    _set(new, weight * spread / deviation, bias + weight * (centre - mean) / deviation)
    return True


def carry(part: Part) -> None:
    """Set weight and bias to the old layer's, and running statistics where both have them."""
    old, new = part.old, part.core
    if old.weight is not None and new.weight is not None and new.weight is not old.weight:
        bias = torch.zeros_like(old.weight) if old.bias is None else old.bias.detach()
        _set(new, old.weight.detach(), bias)
    if old.statistics and new.statistics and old.kind in BATCH and new.kind in BATCH:
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            if getattr(old.module, name, None) is not None:
                getattr(new.module, name).copy_(getattr(old.module, name))


def _set(form: Form, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        form.module.weight.copy_(weight)
        form.module.bias.copy_(bias)


def _form(module: nn.Module) -> Form:
    form = form_of(module)
    assert form is not None
    return form

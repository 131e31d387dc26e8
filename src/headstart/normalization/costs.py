"""What each normalization takes in a step of training: time and memory, forward and backward."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from headstart.features.moments import evaluating, watched
from headstart.normalization.facts import Cost

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headstart.normalization.forms import Form

_TRIES = 3


def measure_costs(
    model: nn.Module, layers: Mapping[str, Form], batch_size: int, sample: Tensor | None
) -> dict[str, Cost]:
    """Return what a step takes in each layer, by name; of layers that do not run, or torch refuses to, nothing.

    Each is run by itself, on noise of the shape that it meets in the network, in the mode that it trains in: what
    stands before and after it does not blur its time. Nothing of the model changes.

    Parameters
    ----------
    model : torch.nn.Module
    layers : mapping of str to Form
    batch_size : int
    sample : Tensor of shape (n, ...) or None
        Inputs as the network takes them; by default of the input size that timm's networks carry.
    """
    size = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    if sample is None and not size.get("input_size"):
        return {}
    held = next(iter(model.parameters()), torch.zeros(()))
    x = sample[:2] if sample is not None else torch.zeros((2, *size["input_size"]), dtype=held.dtype)
    met: dict[str, Tensor] = {}

    def seen(name: str, module: Any, x: Tensor) -> None:
        met.setdefault(name, x[:1].detach().clone())

    with evaluating(model), watched({name: form.module for name, form in layers.items()}, seen):
        try:
            model(x.to(held.device))
        except (RuntimeError, ValueError):
            return {}
    found = {}
    for name, one in met.items():
        layer = copy.deepcopy(layers[name].module)
        layer.train(layers[name].module.training)
        shape = (batch_size * len(one), *one.shape[1:])
        try:
            found[name] = layer_cost(layer, torch.randn(shape, dtype=one.dtype, device=one.device))
        except (RuntimeError, ValueError):
            continue
    return found


def layer_cost(layer: nn.Module, x: Tensor) -> Cost:
    """Return what one step takes in ``layer`` for an input ``x``; its statistics, if it has any, move."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = x.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = layer(x)
    size = y.untyped_storage().nbytes()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*layer.parameters(), *layer.buffers())}
    held = sum(count for place, count in kept.items() if place not in own)
    seen = y.untyped_storage().data_ptr()
    output = 0 if seen in kept or seen == x.untyped_storage().data_ptr() else size
    del y
    times = [_timed(layer, x) for _ in range(_TRIES + 1)][1:]
    forward, backward = (min(one[place] for one in times) for place in (0, 1))
    return Cost(forward, backward, held, held + output + size + x.untyped_storage().nbytes())


def _timed(layer: nn.Module, x: Tensor) -> tuple[float, float]:
    x.grad = None
    started = _now(x)
    y = layer(x)
    between = _now(x)
    y.backward(torch.ones_like(y))
    return between - started, _now(x) - between


def _now(x: Tensor) -> float:
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()

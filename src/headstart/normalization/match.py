"""Weights of new normalizations by least squares of what the old ones gave on a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from headstart.features.moments import watched
from headstart.normalization.build import BATCH, Part
from headstart.normalization.forms import Form, first
from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

_ROWS = 4096  # pairs of old and new value a channel that a line is fitted to


class Targets:
    """What each normalization of a network gives on a sample, at some positions.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation.
    layers : mapping of str to Form
    sample : Tensor of shape (n, ...)

    Attributes
    ----------
    values : dict of str to Tensor of shape (n, c, p)
        By the name of the layer, before any activation that is fused to it.
    dimensions, positions : dict of str to int
        Of each layer's input: along how many axes it has positions, and how many of them.
    outputs : Tensor
        Of the network.
    """

    def __init__(self, model: nn.Module, layers: Mapping[str, Form], sample: Tensor) -> None:
        self.sample = sample
        self.values: dict[str, Tensor] = {}
        self.dimensions: dict[str, int] = {}
        self.positions: dict[str, int] = {}

        def seen(name: str, module: Any, x: Tensor) -> None:
            if name not in self.values:
                self.dimensions[name] = x.ndim - 2
                whole = first(layers[name].output(x), layers[name])
                self.positions[name] = whole.shape[2]
                self.values[name] = picked(whole)

        with watched({name: form.module for name, form in layers.items()}, seen):
            self.outputs = _tensor(model(sample))


def picked(x: Tensor) -> Tensor:
    """Return (n, c, positions) at so many positions, the same for every layer of that size, that enough rows stay."""
    count = max(1, _ROWS // len(x))
    if x.shape[2] <= count:
        return x
    places = torch.randperm(x.shape[2], generator=torch.Generator().manual_seed(x.shape[2]))[:count]
    return x[:, :, places.to(x.device)]


def match(model: nn.Module, parts: Mapping[str, Part], targets: Targets) -> tuple[dict[str, float], Tensor]:
    """Set weight, bias and statistics of the new layers as they run, and return their errors and the outputs.

    The line is fitted to what the layer normalizes in this very run, in which the layers before it are already set.

    Parameters
    ----------
    model : torch.nn.Module
        With the new layers, in evaluation.
    parts : mapping of str to Part
        To be matched; others stay as they are.
    targets : Targets
        Of the network as it was.

    Returns
    -------
    errors : dict of str to float
        Share of the variance of the old output that the new one leaves unexplained.
    outputs : Tensor
        Of the network.
    """
    errors: dict[str, float] = {}

    def seen(name: str, module: Any, x: Tensor) -> None:
        if name not in errors and name in targets.values:
            errors[name] = _fit(parts[name].core, x, targets.values[name])

    with watched({name: part.core.module for name, part in parts.items()}, seen):
        outputs = _tensor(model(targets.sample))
    return errors, outputs


def _fit(form: Form, x: Tensor, wanted: Tensor) -> float:
    layer = form.module
    if form.kind in BATCH:
        count = x.numel() // x.shape[1]
        variance, mean = torch.var_mean(x, (0, *range(2, x.ndim)), correction=1 if count > 1 else 0)
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)
    folded = layer.weight.detach().double().clone()
    layer.weight.fill_(1)
    layer.bias.zero_()
    given, y = (picked(first(t, form)).double() if t is not wanted else t.double() for t in (form.output(x), wanted))
    mean, target_mean = given.mean((0, 2)), y.mean((0, 2))
    given, y = given - mean.view(1, -1, 1), y - target_mean.view(1, -1, 1)
    square, product = (given * given).sum((0, 2)), (given * y).sum((0, 2))
    known = square > 1e-12 * given[:, 0].numel() * (1e-12 + mean**2)
    slope = torch.where(known, product / square.clamp(min=1e-300), folded)
    layer.weight.copy_(slope)
    layer.bias.copy_(target_mean - slope * mean)
    left, total = (y - slope.view(1, -1, 1) * given).square().sum(), y.square().sum()
    return float(left / total) if total > 0 else 0.0


def changed(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return the change in standard deviations over the examples, and the share that keeps its largest output."""
    old, new = before.double().flatten(1), after.double().flatten(1)
    spread = (old - old.mean(0, keepdim=True)) if len(old) > 1 else old - old.mean()
    scale = float(spread.square().mean().sqrt())
    moved = float((new - old).square().mean().sqrt())
    change = moved / scale if scale > 0 else (0.0 if moved == 0 else float("inf"))
    agreement = float((old.argmax(1) == new.argmax(1)).double().mean()) if old.shape[1] > 1 else float("nan")
    return change, agreement


def _tensor(outputs: Any) -> Tensor:
    found = outputs[0] if isinstance(outputs, (tuple, list)) and outputs else outputs
    if not isinstance(found, torch.Tensor):
        raise DataError(f"the network returns a {type(outputs).__name__}: its change can be measured on tensors only")
    return found

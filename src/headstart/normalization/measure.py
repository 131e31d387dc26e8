"""What an audit measures: positions, statistics of a sample, and what changes between training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from headstart.features.moments import Moments, batch_moments, evaluating, watched
from headstart.features.overlap import Statistics
from headstart.results import DataError
from headstart.training.frozen import statistics_frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headstart.normalization.forms import Form

_BATCH = 32


def positions(model: nn.Module, layers: Mapping[str, Form], sample: Tensor | None) -> dict[str, int]:
    """Return how many positions the input of each layer has; empty where no input is known to tell.

    Without a sample the input size that timm's networks carry is taken. Where torch refuses to normalize a single
    value, what was seen up to there is returned.

    Raises
    ------
    DataError
        If the sample does not run for another reason.
    """
    size = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    if sample is None and not size.get("input_size"):
        return {}
    held = next(iter(model.parameters()), torch.zeros(()))
    x = sample[:2] if sample is not None else torch.zeros((2, *size["input_size"]), dtype=held.dtype)
    found: dict[str, int] = {}

    def seen(name: str, module: Any, x: Tensor) -> None:
        found.setdefault(name, x.numel() // (len(x) * layers[name].channels))

    with evaluating(model), watched({name: form.module for name, form in layers.items()}, seen):
        try:
            model(x.to(held.device))
        except (RuntimeError, ValueError) as error:
            stuck = "Expected more than 1" in str(error) and refused(layers, found)
            if sample is None or stuck:
                return found if stuck else {}
            raise DataError(f"the sample of shape {tuple(sample.shape)} does not run: {error}") from None
    return found


def refused(layers: Mapping[str, Form], found: Mapping[str, int]) -> bool:
    """Return whether one of the layers normalizes a single value, which torch refuses in evaluation as well."""
    return any(
        found.get(name) == 1 and (form.kind == "instance" or form.groups == form.channels)
        for name, form in layers.items()
        if not form.positionwise and not form.statistics
    )


def compare(model: nn.Module, layers: Mapping[str, Form], sample: Tensor) -> tuple[dict[str, Statistics], Tensor]:
    """Return what each layer with running statistics sees of a sample in evaluation, and the network's outputs."""
    found: dict[str, Moments] = {}
    with_statistics = {
        name: form.module for name, form in layers.items() if form.statistics and form.kind != "instance"
    }
    outputs = []

    def seen(name: str, module: Any, x: Tensor) -> None:
        found.setdefault(name, Moments()).add(x)

    with evaluating(model), watched(with_statistics, seen):
        for x in _batches(sample, _BATCH):
            outputs.append(_first(model(x)))
    return {
        name: Statistics.of(name, with_statistics[name], moments.mean, moments.squares / moments.count)
        for name, moments in found.items()
    }, torch.cat(outputs)


def gap(model: nn.Module, layers: Mapping[str, Form], sample: Tensor, batch_size: int, evaluated: Tensor) -> float:
    """Return how far outputs in training are from those in evaluation, in standard deviations of the latter.

    Only statistics make the difference: a layer that is not frozen normalizes by each batch, dropout stays off.
    Nothing of the model changes.
    """
    moving = {
        name: form.module
        for name, form in layers.items()
        if form.kind in ("batch", "sync") and form.statistics and not statistics_frozen(form.module)
    }
    moving = {name: module for name, module in moving.items() if "Frozen" not in type(module).__name__}
    if not moving:
        return 0.0
    kept = {name: (module.running_mean.clone(), module.running_var.clone()) for name, module in moving.items()}

    def seen(name: str, module: Any, x: Tensor) -> None:
        variance, mean = batch_moments(x)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)

    try:
        with evaluating(model), watched(moving, seen):
            trained = torch.cat([_first(model(x)) for x in _batches(sample, batch_size)])
    finally:
        with torch.no_grad():
            for name, (mean, variance) in kept.items():
                moving[name].running_mean.copy_(mean)
                moving[name].running_var.copy_(variance)
    old, new = evaluated.double().flatten(1), trained.double().flatten(1)
    scale = (old - old.mean(0)).square().mean().sqrt() if len(old) > 1 else (old - old.mean()).square().mean().sqrt()
    moved = (new - old).square().mean().sqrt()
    return float(moved / scale) if scale > 0 else (0.0 if moved == 0 else float("inf"))


def _batches(sample: Tensor, size: int) -> list[Tensor]:
    return [sample[start : start + size] for start in range(0, len(sample), size)]


def _first(outputs: Any) -> Tensor:
    found = outputs[0] if isinstance(outputs, (tuple, list)) and outputs else outputs
    if not isinstance(found, torch.Tensor):
        raise DataError(f"the network returns a {type(outputs).__name__}: an audit needs tensors")
    return found

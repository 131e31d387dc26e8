"""Task-specific encoders: a small network for each task, on pictures or on what a frozen source makes of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.taskonomy.measured.decoder import SIDE
from headstart.taskonomy.measured.tasks import MAP, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

CHANNELS = 32  # of every representation: (32, 8, 8)
_PATCH, _WIDTHS = 4, (32, 64)  # in front of it; convolutions of stride 2 at full size would cost twice as much
_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How an encoder is trained: AdamW under a one-cycle schedule.

    Attributes
    ----------
    steps, batch_size : int
        The cost does not depend on the number of pictures: it is steps x batch_size x the network's.
    rate, weight_decay : float
    """

    steps: int = 200
    batch_size: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.05


def build(shape: tuple[int, ...], task: Task, seed: int) -> nn.Module:
    """Return an untrained encoder with the task's head.

    From pictures, 4x4 patches and a 3x3 convolution of stride 2 lead to 64 channels; what a frozen source gives is
    brought to 64 by one 1x1 convolution. Two 3x3 convolutions follow, then the representation, 32 channels on 8x8
    positions. Batch normalization: normalizing each picture by itself would lose how light it is, which several tasks
    ask for. The head is the linear decoder that transfers use.

    Parameters
    ----------
    shape : tuple of int
        Of one input: (s, s, 3) for a picture, (c, 8, 8) for a frozen source's activation.
    task : Task
    seed : int
        Of the weights.
    """
    import torch
    from torch import nn

    def block(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(before, after, size, stride, padding=(size - stride + 1) // 2, bias=False)
        return [layer, nn.BatchNorm2d(after), nn.ReLU()]

    width = _WIDTHS[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if shape[-1] == 3:
            stem = [*block(3, _WIDTHS[0], _PATCH, _PATCH), *block(*_WIDTHS, 3, 2), nn.AdaptiveAvgPool2d(SIDE)]
        else:
            stem = block(shape[0], width, 1)
        encoder = nn.Sequential(*stem, *block(width, width, 3), *block(width, CHANNELS, 3))
        head: nn.Module
        if task.kind in ("map", "mask"):
            factor = MAP // SIDE
            head = nn.Sequential(nn.Conv2d(CHANNELS, task.n_outputs * factor**2, 1), nn.PixelShuffle(factor))
        else:
            head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * CHANNELS, task.n_outputs))
        return nn.Sequential(encoder, head)


def train(
    inputs: NDArray[Any], task: Task, rows: NDArray[np.int64], *, recipe: Recipe, seed: int, device: str = "cpu"
) -> nn.Module:
    """Train encoder and head on the pictures at ``rows`` and return them, on the CPU.

    Cross-entropy for classes; squared error else, for numbers and maps in units of their standard deviation over the
    rows, so that one rate fits all tasks. The outputs are brought back to the task's own units.

    Parameters
    ----------
    inputs : ndarray
        Of all pictures: uint8 (n, s, s, 3), or activations (n, c, 8, 8).
    task : Task
    rows : ndarray of int64
    recipe : Recipe
    seed : int
        Of weights and batches.
    device : str
    """
    import torch
    from torch.nn import functional as F

    from headstart.training.memory import kept_memory

    network = build(inputs.shape[1:], task, seed).to(device).train()
    shift, scale = _units(task, rows)
    optimizer = torch.optim.AdamW(_parameters(network, recipe.weight_decay), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    rng = np.random.default_rng(seed)
    order: NDArray[np.int64] = rows[:0]
    with kept_memory():
        for _ in range(recipe.steps):
            while len(order) < min(recipe.batch_size, len(rows)):
                order = np.concatenate([order, rng.permutation(rows)])
            batch, order = order[: recipe.batch_size], order[recipe.batch_size :]
            said = network(as_tensor(inputs[batch]).to(device))
            if task.kind == "classes":
                loss = F.cross_entropy(said, torch.from_numpy(task.values[batch]).to(device))
            else:
                wanted = (task.values[batch].astype(np.float32) - shift) / scale
                loss = F.mse_loss(said.reshape(wanted.shape), torch.from_numpy(wanted).to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network = network.cpu().eval()
    if task.kind != "classes":
        _rescale(network, shift, scale, task)
    return network


def encode(network: nn.Module, inputs: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float32]:
    """Return the representations of pictures, (n, 32, 8, 8)."""
    return _run(network[0], inputs, device)  # type: ignore[index]


def predict(network: nn.Module, task: Task, inputs: NDArray[Any], *, device: str = "cpu") -> NDArray[Any]:
    """Return the whole network's predictions, as ``decode`` does."""
    from scipy.special import softmax

    found = _run(network, inputs, device)
    if task.kind == "classes":
        return np.asarray(softmax(found.astype(np.float64), axis=1))
    return found[:, 0].astype(np.float64) if task.kind == "number" else found


def as_tensor(inputs: NDArray[Any]) -> Tensor:
    """Return uint8 pictures as -1 to 1, channels first, and activations as they are, in float32."""
    import torch

    if inputs.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))).float() / 127.5 - 1
    return torch.from_numpy(inputs.astype(np.float32))


def _run(network: nn.Module, inputs: NDArray[Any], device: str) -> NDArray[np.float32]:
    import torch

    network.to(device).eval()
    with torch.inference_mode():
        parts = [
            network(as_tensor(inputs[start : start + _CHUNK]).to(device)).cpu().numpy()
            for start in range(0, len(inputs), _CHUNK)
        ]
    network.cpu()
    return np.concatenate(parts)


def _parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Norms and biases do not decay."""
    weights = [one for one in network.parameters() if one.ndim > 1]
    others = [one for one in network.parameters() if one.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _units(task: Task, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of the values, of each channel."""
    if task.kind == "classes":
        return np.zeros(1, np.float32), np.ones(1, np.float32)
    values = task.values[rows].astype(np.float64)
    axes = (0,) if values.ndim == 1 else (0, 2, 3)
    spread = values.std(axis=axes, keepdims=values.ndim > 1)
    shift = values.mean(axis=axes, keepdims=values.ndim > 1)
    scale = np.where(spread > 1e-6, spread, 1.0)
    shape = (1,) if values.ndim == 1 else shift.shape
    return shift.reshape(shape).astype(np.float32), scale.reshape(shape).astype(np.float32)


def _rescale(network: nn.Module, shift: NDArray[np.float32], scale: NDArray[np.float32], task: Task) -> None:
    """Fold the units into the head, which is linear."""
    import torch

    layer: Any = network[1][0] if task.kind in ("map", "mask") else network[1][2]  # type: ignore[index]
    repeats = layer.weight.shape[0] // scale.size
    factor = torch.from_numpy(np.repeat(scale.ravel(), repeats))
    offset = torch.from_numpy(np.repeat(shift.ravel(), repeats))
    with torch.no_grad():
        layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.mul_(factor).add_(offset)

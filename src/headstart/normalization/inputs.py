"""Is the preprocessing that a source comes with the one that its weights were learned with?

The first batch normalization stands behind one convolution, so its running mean and variance say on which scale the
pictures of the source came in. They are compared with what these pictures give on the stated scale and on the usual
others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.normalization.facts import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from headstart.sources import Preprocessing

_ENOUGH = 32  # pictures
# Offset and factor of values 0 to 1.
_SCALES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "values 0 to 255": ((0.0,) * 3, (1 / 255,) * 3),
    "values 0 to 255 less the mean": ((0.485, 0.456, 0.406), (1 / 255,) * 3),
    "values 0 to 1": ((0.0,) * 3, (1.0,) * 3),
    "values -1 to 1": ((0.5,) * 3, (0.5,) * 3),
    "ImageNet's mean and standard deviation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
_GREY = "grey pictures"
# Overlap that another way must have more. Lite0 and MobileNetV2 on photos, emojis, blood cells and solar cells: at most
# 0.04. A wrong scale takes 0.49 to 0.87 away where it is 0 to 255, 0.13 to 0.36 where it is 0 to 1, and 0.04 (emojis)
# to 0.17 (solar cells) where -1 to 1 stands in for ImageNet's own: the least of these is not found.
_DOUBTFUL, _WRONG = 0.08, 0.2


class _Stop(Exception):
    """The first normalization was reached."""


def scale_overlaps(network: nn.Module, pictures: NDArray[np.uint8], preprocessing: Preprocessing) -> dict[str, float]:
    """Return how much of the first normalization's running statistics these pictures give on each scale, 0 to 1.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (n, 3, height, width); nothing of it changes.
    pictures : ndarray of uint8, shape (n, height, width, 3)
        Of the input size.
    preprocessing : Preprocessing
        The stated scale is the entry ``""``.

    Returns
    -------
    dict of str to float
        Mean :func:`headstart.features.overlap.overlap` over the channels; empty where the network has no batch
        normalization with statistics that were learned.
    """
    import torch

    from headstart.features.moments import Moments, evaluating, has_statistics, watched
    from headstart.features.overlap import Statistics

    layers = {name: module for name, module in network.named_modules() if has_statistics(module)}
    found: list[Statistics] = []

    def seen(name: str, module: Any, x: Tensor) -> None:
        moments = Moments()
        moments.add(x)
        found.append(Statistics.of(name, module, moments.mean, moments.squares / moments.count))
        raise _Stop

    held = next(network.parameters(), torch.zeros(()))
    values = torch.from_numpy(pictures[:_ENOUGH]).permute(0, 3, 1, 2).to(held.device, held.dtype) / 255
    stated = (preprocessing.mean, preprocessing.std)
    others = {name: (values, *scale) for name, scale in _SCALES.items() if not _same(scale, stated)}
    grey = values.mean(1, keepdim=True).expand_as(values)
    ways = {"": (values, *stated), _GREY: (grey, *stated), **others}
    overlaps: dict[str, float] = {}
    for name, (x, mean, std) in ways.items():
        offset, factor = (torch.tensor(one).view(1, 3, 1, 1).to(values) for one in (mean, std))
        with evaluating(network), watched(layers, seen):
            try:
                network((x - offset) / factor)
            except _Stop:
                overlaps[name] = float(found[-1].overlap().mean())
    if not found or (not found[0].source_mean.any() and (found[0].source_variance == 1).all()):
        return {}
    return overlaps


def examine_preprocessing(
    network: nn.Module, pictures: NDArray[np.uint8], preprocessing: Preprocessing
) -> Iterator[Finding]:
    """Yield a finding if the pictures come in on another scale than the network's first statistics were learned on."""
    overlaps = scale_overlaps(network, pictures, preprocessing)
    if not overlaps:
        return
    stated = overlaps.pop("")
    name = max(overlaps, key=overlaps.__getitem__)
    if overlaps[name] > stated + _DOUBTFUL:
        scale = f"mean {_told(preprocessing.mean)}, standard deviation {_told(preprocessing.std)}"
        yield Finding(
            "input",
            "error" if overlaps[name] > stated + _WRONG else "warning",
            f"these pictures as the source's preprocessing says ({scale}) overlap by {stated:.2f} with what its first "
            f"layer learned from; with {name} it would be {overlaps[name]:.2f}",
            f"feed {name}, if the source was trained so: set its preprocessing",
        )


def _same(one: tuple[tuple[float, ...], ...], other: tuple[tuple[float, ...], ...]) -> bool:
    return bool(np.allclose(np.array(one), np.array(other), rtol=0.05, atol=0.01))


def _told(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in sorted(set(values)))

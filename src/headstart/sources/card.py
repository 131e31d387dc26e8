"""What is known of a source before anything is measured: its card and its preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Fit = Literal["crop", "squash", "pad"]
FITS: tuple[Fit, ...] = ("crop", "squash", "pad")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the input of a network.

    Attributes
    ----------
    size : tuple of int
        Height and width of the input, in pixels.
    mean, std : tuple of float
        A channel of value v in 0..1 (red, green, blue) enters as ``(v - mean) / std``.
    interpolation : {"bicubic", "bilinear", "nearest", "lanczos"}
        The filter that resizes, antialiased.
    crop_pct : float
        With ``fit="crop"`` the shorter side becomes ``size / crop_pct`` before the centre is cut out.
    fit : {"crop", "squash", "pad"}
        How a picture of another shape is fitted into the input: ``crop`` cuts out the centre (what timm's evaluation
        transform does), ``squash`` resizes both sides, ``pad`` resizes the longer side and fills up with ``mean``.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    crop_pct: float = 0.875
    fit: Fit = "crop"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that JSON can hold."""
        return {**dataclasses.asdict(self), "size": list(self.size), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Return what ``to_dict`` was called on."""
        lists = {key: tuple(values[key]) for key in ("size", "mean", "std")}
        return cls(**{**values, **lists})


@dataclasses.dataclass(frozen=True)
class Card:
    """What a person should know of a source before using it.

    Attributes
    ----------
    architecture : str
        timm's name of the network.
    trained_on : str
        The data that the weights were learned from; ``"nothing"`` for random weights.
    licence : str
        Licence of the weights, ``"unknown"`` where nobody said.
    n_classes : int
        Number of classes of the source task, 0 where it had none.
    n_parameters : int or None
        Number of weights, where known without building the network.
    accuracy : float or None
        Published top-1 accuracy on the source task, in 0..1.
    gmacs : float or None
        Billions of multiplications and additions that a picture costs.
    reference : str
        Where the weights or the figure come from.
    """

    architecture: str
    trained_on: str
    licence: str = "unknown"
    n_classes: int = 1000
    n_parameters: int | None = None
    accuracy: float | None = None
    gmacs: float | None = None
    reference: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that JSON can hold."""
        return dataclasses.asdict(self)

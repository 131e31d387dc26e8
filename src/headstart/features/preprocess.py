"""From a picture of any size to the bytes that enter a network, as timm's evaluation transform does it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from headstart.sources import Preprocessing


def shorter_side(preprocessing: Preprocessing) -> int:
    """Return how many pixels the shorter side of a picture must have at least, so that no detail is lost."""
    height, width = preprocessing.size
    share = preprocessing.crop_pct if preprocessing.fit == "crop" else 1.0
    return math.floor(max(height, width) / share)


def prepare(picture: Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Fit ``picture`` into the input of a network.

    Parameters
    ----------
    picture : PIL.Image.Image
        RGB, upright, of any size.
    preprocessing : Preprocessing
        ``fit="crop"`` equals timm's evaluation transform (``crop_mode="center"``) before normalization, to the byte.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    from PIL import Image

    resampling = Image.Resampling[preprocessing.interpolation.upper()]
    height, width = preprocessing.size
    if preprocessing.fit == "squash":
        return np.asarray(picture.resize((width, height), resampling))
    if preprocessing.fit == "pad":
        scale = min(width / picture.width, height / picture.height)
        inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        colour = np.round(np.array(preprocessing.mean) * 255).astype(np.uint8)
        canvas = np.broadcast_to(colour, (height, width, 3)).copy()
        top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
        canvas[top : top + inner[1], left : left + inner[0]] = np.asarray(picture.resize(inner, resampling))
        return canvas
    # torchvision's Resize(int) and CenterCrop: the longer side is truncated, the offset rounded half to even.
    target = shorter_side(preprocessing)
    short, long = sorted(picture.size)
    longer = int(target * long / short)
    resized = (target, longer) if picture.width <= picture.height else (longer, target)
    if picture.size != resized:
        picture = picture.resize(resized, resampling)
    left, top = round((resized[0] - width) / 2.0), round((resized[1] - height) / 2.0)
    return np.asarray(picture.crop((left, top, left + width, top + height)))

"""Views of a picture: the plain one that is judged, and augmented ones that can be drawn again, to the byte."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.preprocess import prepare, shorter_side

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from headstart.sources import Preprocessing

AUGMENTATION = 1  # another number for another way of drawing: it is part of a view's name
_AREA = (0.5, 1.0)  # share of the picture that a crop shows
_RATIO = (3 / 4, 4 / 3)  # width over height of a crop, relative to the input's
_JITTER = 0.2  # brightness, contrast and saturation are multiplied by 1 - 0.2 to 1 + 0.2
_TRIES = 10


@dataclass(frozen=True)
class View:
    """One way of looking at every picture.

    Attributes
    ----------
    number : int
        0 is the plain view, which is what a finished model sees; others are augmented.
    seed : int
        Seed of augmented views.
    crops : bool
        Whether an augmented view shows a part of the picture, or all that the plain view shows. A defect in a corner
        is not in every part of the picture that is labelled for it.
    """

    number: int = 0
    seed: int = 0
    crops: bool = True

    @property
    def name(self) -> str:
        """What the view is called in the cache."""
        if not self.number:
            return "plain"
        return f"{'augmented' if self.crops else 'uncropped'}-{AUGMENTATION}-{self.seed}-{self.number}"

    def key(self, digest: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the digest (32,) of this view of the picture with that digest."""
        return np.frombuffer(hashlib.sha256(digest.tobytes() + self.name.encode()).digest(), np.uint8)

    def at_least(self, preprocessing: Preprocessing) -> int:
        """Return how many pixels the shorter side must be decoded to, so that no detail is lost."""
        needed = shorter_side(preprocessing)
        return math.ceil(needed / math.sqrt(_AREA[0])) if self.number and self.crops else needed

    def draw(self, picture: Image, preprocessing: Preprocessing, digest: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this view of ``picture`` as the bytes that enter a network, (height, width, 3).

        What is drawn depends on the view and on the picture's digest alone, not on its place in a data set.
        """
        if not self.number:
            return prepare(picture, preprocessing)
        content = int.from_bytes(digest[:16].tobytes(), "little")
        return augment(picture, preprocessing, np.random.default_rng([self.seed, self.number, content]), self.crops)


def augment(
    picture: Image, preprocessing: Preprocessing, rng: np.random.Generator, crops: bool = True
) -> NDArray[np.uint8]:
    """Return a random crop of ``picture``, or all that the plain view shows, perhaps mirrored, its colours shifted.

    A crop of half to all of the area, of about the input's shape, is resized to the input (Szegedy et al. 2015,
    arXiv 1409.4842, section 6), mirrored half of the time; brightness, contrast and saturation change by up to a fifth.
    """
    from PIL import Image as pil

    if crops:
        height, width = preprocessing.size
        box = _crop(picture.width, picture.height, width / height, rng)
        view = picture.resize((width, height), pil.Resampling[preprocessing.interpolation.upper()], box=box)
    else:
        view = pil.fromarray(prepare(picture, preprocessing))
    if rng.random() < 0.5:
        view = view.transpose(pil.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(recoloured(view, rng))


def recoloured(view: Image, rng: np.random.Generator) -> Image:
    """Return ``view`` with brightness, contrast and saturation changed by up to a fifth, in any order."""
    from PIL import ImageEnhance

    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for place in rng.permutation(len(enhancers)):
        view = enhancers[place](view).enhance(rng.uniform(1 - _JITTER, 1 + _JITTER))
    return view


def _crop(width: int, height: int, shape: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return left, top, right and lower edge of a random crop; the largest one in the middle if none is found."""
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*_AREA)
        ratio = shape * math.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        across, down = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if across <= width and down <= height:
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, top, left + across, top + down
    across, down = min(width, height * shape), min(height, width / shape)
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down

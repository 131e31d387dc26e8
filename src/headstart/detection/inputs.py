"""How large a picture enters the detector: chosen from the boxes; there and back for pictures and boxes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.detection.boxes import Boxes
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

Floats = NDArray[np.float64]

USUAL, LARGEST, LEAST_INPUT = 320, 640, 128  # pixels of the shorter side
NEEDED = 16  # pixels of a small box's side: two positions of the finest level
_SMALL = 5  # percentile of a class's boxes that counts as small
_LONG = 2  # times the shorter side, which the longer side may have
_STEP = 32  # the coarsest level's stride


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputSize(Answer):
    """The size at which pictures enter the detector, and how large the boxes of each class are there.

    Attributes
    ----------
    shorter, longer : int
        The shorter side becomes ``shorter`` pixels, unless the longer one would exceed ``longer``.
    small, typical : mapping of str to float
        For each class the side (root of the area) of its small boxes (5th percentile) and of its median one, in
        pixels of the detector's input.
    """

    shorter: int
    longer: int
    small: dict[str, float]
    typical: dict[str, float]

    question = "How large must the pictures be?"

    def headline(self) -> str:
        """One sentence: the size, and what it was chosen for."""
        if not self.small:
            return f"Shorter side {self.shorter} pixels."
        name = min(self.small, key=self.small.__getitem__)
        return f"Shorter side {self.shorter} pixels: small boxes of {name} are then {self.small[name]:.0f} pixels wide."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: side of its small and of its median boxes, in pixels."""
        import pandas as pd

        return pd.DataFrame({"small": self.small, "median": self.typical}).rename_axis("class")

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of a picture at the detector's input.

        >>> InputSize(shorter=320, longer=640, small={}, typical={}).fitted(640, 480)
        (427, 320)
        """
        return scaled(width, height, self.shorter, self.longer)


def scaled(width: int, height: int, shorter: float, longer: float) -> tuple[int, int]:
    """Return the sides of a picture whose shorter one becomes ``shorter``, the longer one at most ``longer``."""
    scale = min(shorter / min(width, height), longer / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def choose_input(boxes: Sequence[Boxes], sizes: NDArray[np.int64], classes: Sequence[str]) -> InputSize:
    """Return the input size for pictures with these boxes.

    The finest features have a stride of 8 pixels. Small boxes (5th percentile of the class that has the smallest)
    should be 16 pixels wide, two positions. So the shorter side is 320, more where they need it, up to 640; where
    pictures are smaller than 320 it is theirs, more where boxes need it.

    Parameters
    ----------
    boxes : sequence of Boxes
        Of n training pictures.
    sizes : ndarray of int64, shape (n, 2)
        Width and height of each.
    classes : sequence of str

    Raises
    ------
    DataError
        If there is no box to learn from.

    Examples
    --------
    >>> one = Boxes(np.array([[0.0, 0.0, 24.0, 24.0]]), np.array([0]))
    >>> choose_input([one], np.array([[1280, 960]]), ["cell"]).shorter
    640
    """
    shorter = sizes.min(axis=1)
    counted = [np.ones(len(one), bool) if one.ignore is None else ~one.ignore for one in boxes]
    rows = np.repeat(np.arange(len(boxes)), [int(kept.sum()) for kept in counted])
    if not len(rows):
        raise DataError("no training picture has a box: there is nothing to learn from")
    edges = np.concatenate([one.xyxy[kept] for one, kept in zip(boxes, counted, strict=True)])
    labels = np.concatenate([one.labels[kept] for one, kept in zip(boxes, counted, strict=True)])
    sides = np.sqrt((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])) / shorter[rows]  # share of the picture
    small = {classes[k]: float(np.percentile(sides[labels == k], _SMALL)) for k in np.unique(labels)}
    typical = {classes[k]: float(np.median(sides[labels == k])) for k in np.unique(labels)}
    needed = NEEDED / min(small.values())
    usual = max(LEAST_INPUT, min(USUAL, float(np.median(shorter))))
    chosen = _STEP * math.ceil(min(max(usual, needed), LARGEST) / _STEP)
    return InputSize(
        shorter=chosen,
        longer=_LONG * chosen,
        small={name: side * chosen for name, side in small.items()},
        typical={name: side * chosen for name, side in typical.items()},
        warnings=()
        if needed <= chosen
        else (f"small boxes are {min(small.values()) * chosen:.0f} pixels wide, fewer than {NEEDED}: expect misses",),
    )


def resized(picture: Image, size: tuple[int, int]) -> Image:
    """Return ``picture`` resized to (width, height), antialiased."""
    from PIL import Image as pil

    return picture if picture.size == size else picture.resize(size, pil.Resampling.BILINEAR)


def moved(xyxy: Floats, before: tuple[int, int], after: tuple[int, int]) -> Floats:
    """Return boxes (k, 4) of a picture that goes from one size to another, both (width, height).

    >>> moved(np.array([[10.0, 10.0, 30.0, 20.0]]), (100, 50), (200, 25)).tolist()
    [[20.0, 5.0, 60.0, 10.0]]
    """
    factor = np.array(after, dtype=np.float64) / np.array(before, dtype=np.float64)
    return np.asarray(xyxy * np.tile(factor, 2))


def canvas_of(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Return height and width of a picture, (h, w, 3), rounded up to a multiple of 32."""
    return _STEP * -(-picture.shape[0] // _STEP), _STEP * -(-picture.shape[1] // _STEP)


def batched(pictures: Sequence[NDArray[np.uint8]], mean: Sequence[float]) -> NDArray[np.uint8]:
    """Return pictures (h, w, 3) in one array (b, H, W, 3), filled up with the source's mean colour.

    H and W are the largest sides, rounded up to a multiple of 32, so that every level halves the one before it.
    """
    height, width = np.max([canvas_of(one) for one in pictures], axis=0)
    colour = np.round(np.array(mean) * 255).astype(np.uint8)
    canvas = np.broadcast_to(colour, (len(pictures), height, width, 3)).copy()
    for place, one in zip(canvas, pictures, strict=True):
        place[: one.shape[0], : one.shape[1]] = one
    return canvas


def as_targets(boxes: Sequence[tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]]) -> NDArray[np.float32]:
    """Return boxes, labels and whether to ignore them, of b pictures, as one array (b, m, 6).

    A row is left, top, right, bottom, label, and 1 where it is ignored; a label of -1 fills up.
    """
    most = max((len(labels) for _, labels, _ in boxes), default=0)
    found = np.zeros((len(boxes), most, 6), dtype=np.float32)
    found[:, :, 4] = -1
    for row, (xyxy, labels, ignored) in zip(found, boxes, strict=True):
        row[: len(labels)] = np.column_stack([xyxy, labels, ignored])
    return found


def split_target(row: Any) -> tuple[dict[str, Any], Any]:
    """Return a picture's row of ``as_targets``, a tensor (m, 6), as torchvision takes it, and the ignored boxes."""
    kept, ignored = row[(row[:, 4] >= 0) & (row[:, 5] == 0)], row[(row[:, 4] >= 0) & (row[:, 5] == 1)]
    return {"boxes": kept[:, :4], "labels": kept[:, 4].long()}, ignored[:, :4]

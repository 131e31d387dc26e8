"""Boxes of one picture, and pictures with boxes: what the rest of the room works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet


@dataclass(frozen=True, eq=False)
class Boxes:
    """The k objects of one picture, annotated or found.

    Attributes
    ----------
    xyxy : ndarray of float64, shape (k, 4)
        Left, top, right and bottom, in pixels of the upright picture; left < right, top < bottom.
    labels : ndarray of int64, shape (k,)
        Index into the target's ``classes``.
    scores : ndarray of float64, shape (k,), or None
        From 0 to 1, where they were found; None where they were annotated.
    ignore : ndarray of bool, shape (k,), or None
        Annotated as a crowd (COCO) or as difficult (Pascal VOC): neither to be found nor counted as a mistake.
    """

    xyxy: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    ignore: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.xyxy)


@dataclass(frozen=True, eq=False, repr=False)
class DetectionTarget:
    """Pictures whose objects are marked by boxes, checked and split.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
        Relative path of each picture, with ``/``; everything that is returned by row is in this order.
    pictures : PictureSet
    sizes : ndarray of int64, shape (n, 2)
        Width and height of each upright picture.
    boxes : tuple of Boxes, length n
        Without ``scores``; a picture may have none.
    classes : tuple of str
        In natural order.
    split : ndarray of str, shape (n,)
        "train", "val", "test", or "" where the picture is left out.
    left_out : mapping of str to str
        id -> reason, for pictures; and ``"ID, box 3"`` -> reason, for boxes.
    notes : tuple of str
        What was done while loading that a person should know, one sentence each.
    own_split : bool
        Whether the split came with the data.
    name : str
    fingerprint : str
        SHA-256 over ids, boxes, labels, split and contents.
    """

    ids: NDArray[np.str_]
    pictures: PictureSet
    sizes: NDArray[np.int64]
    boxes: tuple[Boxes, ...]
    classes: tuple[str, ...]
    split: NDArray[np.str_]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    own_split: bool
    name: str
    fingerprint: str
    modality: str = "pictures"
    task: str = "detection"

    def rows(self, *parts: str) -> NDArray[np.int64]:
        """Return the indices of the pictures in any of ``parts``, ascending."""
        return np.flatnonzero(np.isin(self.split, parts))

    def __len__(self) -> int:
        return len(self.ids)

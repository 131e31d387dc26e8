"""Batches of pictures with their boxes: mirrored, at several sizes, in other colours, the boxes with them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from headstart.detection.inputs import as_targets, batched, moved, resized, scaled
from headstart.features.views import recoloured
from headstart.results.team import team

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    from headstart.detection.boxes import DetectionTarget
    from headstart.detection.inputs import InputSize

    Floats = NDArray[np.float64]

SCALES = (0.75, 0.875, 1.0, 1.125, 1.25)  # of the input size; one for all pictures of a batch, so that none is padding
_AHEAD = 2  # batches that are decoded while one is learned from


class BoxBatches:
    """Batches for ``headstart.training.loop.train``; each epoch's depend on seed and epoch alone.

    Parameters
    ----------
    target : DetectionTarget
    rows : ndarray of int64
        Pictures to learn from.
    size : InputSize
    mean : sequence of float
        Of the source's preprocessing: what fills up.
    batch_size : int
    n_pictures : int, optional
        Pictures of an epoch, where it is not all of them: where there are very many, an epoch is a part. The parts of
        epochs that follow each other do not overlap until all were shown.
    augment : bool
        Whether pictures are varied; plain pictures, in a random order, otherwise.
    seed : int
    """

    def __init__(
        self,
        target: DetectionTarget,
        rows: NDArray[np.int64],
        size: InputSize,
        mean: tuple[float, ...],
        *,
        batch_size: int,
        n_pictures: int | None = None,
        augment: bool = True,
        seed: int = 0,
    ) -> None:
        self.target, self.rows, self.size, self.mean = target, rows, size, mean
        self.batch_size, self.augment, self.seed = batch_size, augment, seed
        self.n_pictures = len(rows) if n_pictures is None else min(n_pictures, len(rows))

    def __len__(self) -> int:
        return -(-self.n_pictures // self.batch_size)

    def order(self, number: int) -> NDArray[np.int64]:
        """Return the rows of an epoch, in their order."""
        first = number * self.n_pictures
        passes = range(first // len(self.rows), (first + self.n_pictures - 1) // len(self.rows) + 1)
        shown = np.concatenate([np.random.default_rng([self.seed, one]).permutation(self.rows) for one in passes])
        start = first - passes[0] * len(self.rows)
        return shown[start : start + self.n_pictures]

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pictures, uint8 (b, height, width, 3), and their boxes (b, m, 6), as ``as_targets`` makes them."""
        import torch

        rng = np.random.default_rng([self.seed, number, 1])
        chunks = np.array_split(self.order(number), len(self))
        scales = rng.choice(SCALES, size=len(chunks)) if self.augment else np.ones(len(chunks))

        def load(place: int) -> tuple[Tensor, Tensor]:
            shown = [self.view(int(row), number, float(scales[place])) for row in team().share(chunks[place])]
            if not shown:
                return torch.empty(0, 32, 32, 3, dtype=torch.uint8), torch.empty(0, 0, 6)
            pictures = batched([picture for picture, *_ in shown], self.mean)
            boxes = as_targets([(xyxy, labels, ignored) for _, xyxy, labels, ignored in shown])
            return torch.from_numpy(pictures), torch.from_numpy(boxes)

        with ThreadPoolExecutor(1, thread_name_prefix="headstart-boxes") as pool:
            waiting = [pool.submit(load, place) for place in range(min(_AHEAD, len(chunks)))]
            for place in range(len(chunks)):
                ready = waiting.pop(0).result()
                if place + _AHEAD < len(chunks):
                    waiting.append(pool.submit(load, place + _AHEAD))
                yield ready

    def view(
        self, row: int, number: int, scale: float
    ) -> tuple[NDArray[np.uint8], Floats, NDArray[np.int64], NDArray[np.bool_]]:
        """Return picture (h, w, 3), boxes (k, 4), labels (k,) and which of them are ignored (k,), in an epoch."""
        picture, one = (
            self.target.pictures.open(row, at_least=round(self.size.shorter * max(SCALES))),
            self.target.boxes[row],
        )
        whole = (int(self.target.sizes[row, 0]), int(self.target.sizes[row, 1]))
        size = scaled(*whole, scale * self.size.shorter, scale * self.size.longer)
        xyxy = moved(one.xyxy, whole, size)
        if self.augment:
            rng = np.random.default_rng([self.seed, number, row, 2])
            shown, xyxy = varied(resized(picture, size), xyxy, rng)
        else:
            shown = resized(picture, size)
        ignored = np.zeros(len(one), bool) if one.ignore is None else one.ignore
        return np.asarray(shown), xyxy, one.labels, ignored


def varied(picture: Image, xyxy: Floats, rng: np.random.Generator) -> tuple[Image, Floats]:
    """Return a picture mirrored half of the time, its colours shifted, and the boxes (k, 4) where they are then."""
    from PIL import Image as pil

    if rng.random() < 0.5:
        picture = picture.transpose(pil.Transpose.FLIP_LEFT_RIGHT)
        xyxy = mirrored(xyxy, picture.width)
    return recoloured(picture, rng), xyxy


def mirrored(xyxy: Floats, width: float) -> Floats:
    """Return boxes of a picture that is mirrored from left to right.

    >>> mirrored(np.array([[10.0, 5.0, 30.0, 20.0]]), 100).tolist()
    [[70.0, 5.0, 90.0, 20.0]]
    """
    return np.column_stack([width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]])

"""What a detector finds in pictures, in their own pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from headstart.detection.boxes import Boxes
from headstart.detection.inputs import batched, canvas_of, moved, resized
from headstart.results import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from headstart.data.pictures import PictureSet
    from headstart.detection.inputs import InputSize
    from headstart.detection.network import Detector

_BATCH = 8
Loaded = tuple["NDArray[np.uint8] | None", tuple[int, int], str]


def find_boxes(
    detector: Detector,
    pictures: PictureSet,
    size: InputSize,
    mean: Sequence[float],
    *,
    device: str = "cpu",
    advance: Callable[[int], None] | None = None,
) -> tuple[list[Boxes], dict[int, str]]:
    """Return the boxes found in each picture, by score from the highest, and why a picture could not be read.

    Parameters
    ----------
    detector : Detector
    pictures : PictureSet
        Of any sizes. A picture that cannot be read has no boxes.
    size : InputSize
        What the detector was trained with.
    mean : sequence of float
        What fills up.
    device : str
        A PyTorch device.
    advance : callable, optional
        Called with the number of pictures just done.
    """
    import torch

    detector.to(device).eval()
    result = [_none() for _ in range(len(pictures))]
    failed: dict[int, str] = {}
    with torch.inference_mode():
        for rows, loaded in _batches(pictures, size):
            failed.update({row: reason for row, (one, _, reason) in zip(rows, loaded, strict=True) if one is None})
            for alike in _alike(rows, loaded):
                canvas = torch.from_numpy(batched([one for _, one, _ in alike], mean)).to(device)
                found = detector.found(detector(canvas), [(one.shape[0], one.shape[1]) for _, one, _ in alike])
                for (row, one, whole), boxes in zip(alike, found, strict=True):
                    result[row] = _in_its_pixels(boxes, (one.shape[1], one.shape[0]), whole)
            if advance:
                advance(len(rows))
    return result, failed


def _none() -> Boxes:
    return Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))


def _alike(rows: Sequence[int], loaded: Sequence[Loaded]) -> list[list[tuple[int, NDArray[np.uint8], tuple[int, int]]]]:
    """Return row, picture and whole size of the pictures that could be read, those of one canvas together.

    A picture on a larger canvas than its own, beside a larger one, would get other boxes.
    """
    groups: dict[tuple[int, int], list[tuple[int, NDArray[np.uint8], tuple[int, int]]]] = {}
    for row, (one, whole, _) in zip(rows, loaded, strict=True):
        if one is not None:
            groups.setdefault(canvas_of(one), []).append((row, one, whole))
    return list(groups.values())


def _in_its_pixels(found: dict[str, Tensor], size: tuple[int, int], whole: tuple[int, int]) -> Boxes:
    """Return what was found in a picture of a size as boxes of the whole picture, those without area left out."""
    xyxy = moved(found["boxes"].cpu().numpy().astype(np.float64), size, whole)
    kept = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
    labels, scores = (found[name].cpu().numpy()[kept] for name in ("labels", "scores"))
    return Boxes(xyxy[kept], labels.astype(np.int64), scores.astype(np.float64))


def _batches(pictures: PictureSet, size: InputSize) -> Iterator[tuple[list[int], list[Loaded]]]:
    """Yield rows and their pictures, the next batch being decoded meanwhile."""

    def load(row: int) -> Loaded:
        try:
            picture = pictures.open(row)
        except PictureError as error:
            return None, (0, 0), str(error)
        return np.asarray(resized(picture, size.fitted(*picture.size))), picture.size, ""

    starts = range(0, len(pictures), _BATCH)
    chunks = [list(range(start, min(start + _BATCH, len(pictures)))) for start in starts]
    with ThreadPoolExecutor(1, thread_name_prefix="headstart-find") as pool:
        waiting = [pool.submit(lambda rows: [load(row) for row in rows], rows) for rows in chunks[:1]]
        for place, rows in enumerate(chunks):
            ready = waiting.pop(0).result()
            if place + 1 < len(chunks):
                waiting.append(pool.submit(lambda rows: [load(row) for row in rows], chunks[place + 1]))
            yield rows, ready

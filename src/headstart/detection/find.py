"""What a detector finds in pictures, in their own pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from headstart.detection.boxes import Boxes
from headstart.detection.inputs import batched, moved, resized
from headstart.results import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
            read = [(row, one, whole) for row, (one, whole, _) in zip(rows, loaded, strict=True) if one is not None]
            failed.update({row: reason for row, (one, _, reason) in zip(rows, loaded, strict=True) if one is None})
            if read:
                canvas = torch.from_numpy(batched([one for _, one, _ in read], mean)).to(device)
                found = detector.found(detector(canvas), [(one.shape[0], one.shape[1]) for _, one, _ in read])
                for (row, one, whole), boxes in zip(read, found, strict=True):
                    xyxy = boxes["boxes"].cpu().numpy().astype(np.float64)
                    xyxy = moved(xyxy, (one.shape[1], one.shape[0]), whole)
                    kept = ((xyxy[:, 2:] - xyxy[:, :2]) > 0).all(axis=1)
                    labels, scores = boxes["labels"].cpu().numpy(), boxes["scores"].cpu().numpy().astype(np.float64)
                    result[row] = Boxes(xyxy[kept], labels[kept].astype(np.int64), scores[kept])
            if advance:
                advance(len(rows))
    return result, failed


def _none() -> Boxes:
    return Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))


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

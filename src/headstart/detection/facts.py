"""What do I have? Objects a picture and a class, how large they are, and how many a detector can hardly see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.profile import effective_number
from headstart.data.readers.base import count, some
from headstart.data.target import PARTS
from headstart.detection.boxes import DetectionTarget
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_TINY = 8.0  # pixels: the stride of the finest features that detectors look at
_MANY_TINY = 0.05
_FEW = 20  # training objects under which a class is hardly learned
_SKEWED = 10.0


@dataclass(frozen=True, kw_only=True)
class BoxProfile(Answer):
    """What pictures with boxes hold.

    Attributes
    ----------
    name : str
    classes : tuple of str
        The k classes, in the order of everything that has length k.
    pictures, empty : mapping of str to int
        "train", "val", "test" -> pictures, and those among them without an object.
    objects : mapping of str to tuple of int
        "train", "val", "test" -> objects of each class, those to be ignored not counted.
    held_by : tuple of int, length k
        Pictures with an object of each class, all parts together.
    ignored : int
        Boxes that are to be ignored.
    per_picture : tuple of float
        Objects a picture: minimum, quartiles, maximum.
    sizes : tuple of tuple of float, length k
        Square root of box area over picture area: minimum, quartiles, maximum; 0.1 is a tenth of the picture's side.
    tiny : tuple of int, length k
        Boxes with a side under 8 pixels where the picture's shorter side is ``shorter_side``.
    shorter_side : int
        Of the picture at the detector's input, in pixels.
    imbalance_ratio : float
        Objects of the most frequent class over those of the rarest, outside the test part; at least 1.
    effective_classes : float
        exp(H) of the class shares outside the test part: so many equally frequent classes are as uncertain.
    left_out : mapping of str to int
        "pictures" and "boxes" that are not used.
    notes : tuple of str
        What was done while loading.
    """

    name: str
    classes: tuple[str, ...]
    pictures: Mapping[str, int]
    empty: Mapping[str, int]
    objects: Mapping[str, tuple[int, ...]]
    held_by: tuple[int, ...]
    ignored: int
    per_picture: tuple[float, ...]
    sizes: tuple[tuple[float, ...], ...]
    tiny: tuple[int, ...]
    shorter_side: int
    imbalance_ratio: float
    effective_classes: float
    left_out: Mapping[str, int]
    notes: tuple[str, ...]

    question = "What do I have?"

    def headline(self) -> str:
        """One sentence: how many objects of what, and how unequal and how small they are."""
        parts = " + ".join(f"{n:,} {part}" for part, n in self.pictures.items() if n)
        total = sum(map(sum, self.objects.values()))
        line = (
            f"{count(sum(self.pictures.values()), 'picture')} ({parts}) with {count(total, 'object')} of "
            f"{count(len(self.classes), 'class')}, {self.per_picture[2]:g} in the median picture"
        )
        if len(self.classes) > 1:
            line += f"; the most frequent class has {self.imbalance_ratio:,.1f} times the objects of the rarest"
        tiny = sum(self.tiny)
        said = f"{count(tiny, 'box')} with a side" if tiny else "no box has a side"
        return f"{line}; at {self.shorter_side} pixels, {said} under {_TINY:g}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: objects by part, share, pictures, quartiles of relative size, tiny boxes."""
        import pandas as pd

        frame = pd.DataFrame({part: self.objects[part] for part in PARTS}, index=pd.Index(self.classes, name="class"))
        total = frame.sum(axis=1)
        quartiles = np.array(self.sizes).reshape(-1, len(_QUANTILES))
        return frame.assign(
            share=total / max(int(total.sum()), 1), pictures=self.held_by,
            **{"size 25 %": quartiles[:, 1], "size median": quartiles[:, 2], "size 75 %": quartiles[:, 3]},
            tiny=self.tiny,
        )  # fmt: skip

    def plot(self) -> Figure:
        """Return the relative sizes of the boxes of each class."""
        from headstart.detection.plots import box_sizes

        return box_sizes(self)


def profile_boxes(data: Any, *, shorter_side: int = 320, **load_kwargs: Any) -> BoxProfile:
    """Answer "What do I have?" of pictures with boxes.

    Parameters
    ----------
    data : DetectionTarget or data
        Whatever :func:`headstart.detection.load_detection_target` takes.
    shorter_side : int, default 320
        Of the picture at the detector's input, in pixels.
    **load_kwargs
        Handed to :func:`headstart.detection.load_detection_target`.

    Raises
    ------
    DataError
        If the data cannot be loaded, or ``shorter_side`` is not positive.
    """
    from headstart.detection.load import load_detection_target

    if shorter_side < 1:
        raise DataError(f"shorter_side={shorter_side}: give the pixels of the picture's shorter side, at least 1")
    target = load_detection_target(data, **load_kwargs)
    k = len(target.classes)
    used = target.rows(*PARTS)
    labels = {row: _counted(target, row) for row in used.tolist()}
    objects = {part: _tally([labels[row] for row in target.rows(part).tolist()], k) for part in PARTS}
    each = np.array([len(one) for one in labels.values()])
    every, relative, shortest = _sizes(target, used, shorter_side)
    tiny = np.bincount(every[shortest < _TINY], minlength=k)
    develop = np.array(objects["train"]) + np.array(objects["val"])
    ratio = float(develop.max() / max(develop.min(), 1))
    boxes = sum(", box " in key for key in target.left_out)
    return BoxProfile(
        name=target.name,
        classes=target.classes,
        pictures={part: len(target.rows(part)) for part in PARTS},
        empty={part: sum(not len(labels[row]) for row in target.rows(part).tolist()) for part in PARTS},
        objects=objects,
        held_by=_tally([np.unique(one) for one in labels.values()], k),
        ignored=sum(len(target.boxes[row]) for row in used.tolist()) - int(each.sum()),
        per_picture=tuple(np.quantile(each, _QUANTILES).tolist()),
        sizes=tuple(tuple(_quantiles(relative[every == code])) for code in range(k)),
        tiny=tuple(tiny.tolist()),
        shorter_side=shorter_side,
        imbalance_ratio=ratio,
        effective_classes=effective_number(develop),
        left_out={"pictures": len(target.left_out) - boxes, "boxes": boxes},
        notes=target.notes,
        warnings=_warnings(target.classes, objects["train"], ratio, int(tiny.sum()), len(every), shorter_side),
    )


def _counted(target: DetectionTarget, row: int) -> NDArray[np.int64]:
    boxes = target.boxes[row]
    return boxes.labels if boxes.ignore is None else boxes.labels[~boxes.ignore]


def _tally(labels: list[NDArray[np.int64]], k: int) -> tuple[int, ...]:
    joined = np.concatenate(labels) if labels else np.empty(0, np.int64)
    return tuple(np.bincount(joined, minlength=k).tolist())


def _sizes(
    target: DetectionTarget, rows: NDArray[np.int64], shorter_side: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return class, relative size, and shorter side at the detector's input, of each box that counts."""
    labels, relative, shortest = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    for row in rows.tolist():
        boxes, size = target.boxes[row], target.sizes[row].astype(np.float64)
        counted = np.ones(len(boxes), bool) if boxes.ignore is None else ~boxes.ignore
        sides = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2])[counted]
        labels.append(boxes.labels[counted])
        relative.append(np.sqrt(sides.prod(axis=1) / size.prod()))
        shortest.append(sides.min(axis=1, initial=np.inf) * shorter_side / size.min())
    return np.concatenate(labels), np.concatenate(relative), np.concatenate(shortest)


def _quantiles(values: NDArray[np.float64]) -> list[float]:
    found: list[float] = (np.quantile(values, _QUANTILES) if len(values) else np.full(len(_QUANTILES), np.nan)).tolist()
    return found


def _warnings(
    classes: tuple[str, ...], train: tuple[int, ...], ratio: float, tiny: int, total: int, shorter_side: int
) -> tuple[str, ...]:
    found = []
    few = [name for name, n in zip(classes, train, strict=True) if n < _FEW]
    if few:
        found.append(
            f"{count(len(few), 'class')} with fewer than {_FEW} training objects ({some(few)}): "
            "a detector hardly learns them; mark more, or merge classes"
        )
    if tiny > _MANY_TINY * total:
        found.append(
            f"{tiny / total:.0%} of the boxes have a side under {_TINY:g} pixels where the picture's shorter side is "
            f"{shorter_side}: give the detector larger pictures, or cut them into tiles"
        )
    if ratio >= _SKEWED:
        found.append(
            f"the most frequent class has {ratio:,.0f} times the objects of the rarest: read AP class by class, and "
            "mAP, in which each class counts the same"
        )
    return tuple(found)

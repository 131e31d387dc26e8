"""From annotated pictures on disk to a checked :class:`DetectionTarget`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.load import fingerprint
from headstart.data.parts import check_shares
from headstart.data.readers.base import count, natural_key, part_of, some
from headstart.data.splits import count_once
from headstart.detection.boxes import Boxes, DetectionTarget
from headstart.detection.cleaning import clean_boxes
from headstart.detection.readers import Marked, read
from headstart.detection.splitting import set_apart
from headstart.results import DataError

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet
    from headstart.data.scan import Scan

_FEWEST = 5  # training pictures from which some are set apart for validation


def load_detection_target(
    data: Any,
    *,
    split: Mapping[str, str] | str | None = None,
    test_size: float = 0.2,
    random_state: int | np.random.Generator | None = 0,
    max_unreadable: float = 0.1,
    quiet: bool = True,
) -> DetectionTarget:
    """Read, check and split pictures whose objects are marked by boxes.

    The format is told by what is there. *COCO*: a JSON file, or a folder with such files in ``annotations``, one a
    part (``instances_train.json``), or beside the pictures of each part; ``iscrowd`` boxes are ignored. *Pascal VOC*:
    XML files in ``Annotations``, parts in ``ImageSets/Main/{train,val,test}.txt``; ``difficult`` objects are ignored;
    its pixels count from 1, here edges count from 0 (see :mod:`headstart.detection.readers.voc`). *YOLO*:
    ``data.yaml`` (or its folder), pictures in ``images`` and text files in ``labels``, parts as the YAML file or the
    folders have them; outlines become the boxes around them.

    Boxes are those of the upright picture, as annotation tools show it. An annotation that states another size than
    the upright picture has would put them in the wrong places, so such a picture is left out.

    A picture that is listed without boxes is a true negative; in YOLO that is one without a text file, too. One that
    no annotation lists is left out, for what is in it is not known.

    Parameters
    ----------
    data : path or DetectionTarget
        A file or a folder. A target is returned as it is.
    split : mapping of str to str, or "new", optional
        The part ("train", "val", "test") of each picture by its id; pictures that are not named are left out. "new"
        disregards the split that the data has.
    test_size : float, default 0.2
        Share of the pictures that becomes the test part where the data has none, and of the remaining ones that
        becomes the validation part where it has none and at least five pictures train. Where it has a validation part
        and no test part, the former is the test part.
    random_state : int or Generator, default 0
        Seed of new parts. Copies of one picture stay together; pictures are dealt by the rarest class in them.
    max_unreadable : float, default 0.1
        Share of the pictures, 0–1, that may be unreadable: missing, damaged, with a damaged annotation or one that
        states another size. They keep their row and are left out.
    quiet : bool, default True
        Whether to show no progress.

    Returns
    -------
    DetectionTarget
        Each picture counts once in the test part; what also stands there is left out of training. Boxes that cannot
        be used are named in ``left_out``, their number counting from 1 in their picture's annotation.

    Raises
    ------
    DataError
        If the data cannot be read or cannot be learned from; one line that names the way out.

    Examples
    --------
    >>> load_detection_target("no/such/folder")
    Traceback (most recent call last):
    headstart.results.errors.DataError: there is no file or folder 'no/such/folder'
    """
    if isinstance(data, DetectionTarget):
        return data
    check_shares(test_size, max_unreadable)
    marked = read(data)
    if split is not None:
        marked = dataclasses.replace(marked, split=_given_parts(split, marked.ids))
    if not marked.ids:
        raise DataError(f"{str(data)!r} lists no picture: see that its annotations are complete")
    pictures, looks = _look(marked, quiet)
    unusable = _unusable(marked, looks)
    _check_unusable(unusable, len(marked.ids), max_unreadable)
    remarks = marked.remarks
    for name, reason in unusable.items():
        remarks.leave("picture", name, reason, "that cannot be used left out")

    usable = np.array([name not in unusable for name in marked.ids])
    known = sorted(set(marked.classes) | {m.label for one in marked.marks for m in one}, key=natural_key)
    codes = {name: code for code, name in enumerate(known)}
    boxes = [
        clean_boxes(name, marks, (int(size[0]), int(size[1])), codes, remarks, relative=marked.relative)
        if ok else Boxes(np.empty((0, 4)), np.empty(0, np.int64), ignore=np.empty(0, bool))
        for name, marks, size, ok in zip(marked.ids, marked.marks, looks.sizes, usable, strict=True)
    ]  # fmt: skip
    clusters = _clusters(looks, usable)
    parts, own = _parts(marked, boxes, usable, clusters, len(known), test_size, random_state)
    boxes, classes = _used_classes(boxes, known, parts, remarks.note)
    _check_classes(boxes, classes, parts, remarks.note)
    ids = np.array(marked.ids, dtype=np.str_)
    texts = [_text(one, classes) for one in boxes]
    return DetectionTarget(
        ids=ids,
        pictures=pictures,
        sizes=looks.sizes.astype(np.int64),
        boxes=tuple(boxes),
        classes=classes,
        split=parts,
        left_out=remarks.left_out,
        notes=tuple(remarks.notes()),
        own_split=own,
        name=marked.root.resolve().name,
        fingerprint=fingerprint(ids, texts, parts, looks.digests),
    )


def _given_parts(split: Mapping[str, str] | str, ids: list[str]) -> list[str]:
    if not isinstance(split, Mapping):
        if split != "new":
            raise DataError(f"split={split!r}: give 'new', or the part of each picture by its id")
        return [""] * len(ids)
    strange = sorted(set(split) - set(ids))
    if strange:
        raise DataError(f"split names {count(len(strange), 'picture')} that are not there: {some(strange)}")
    words = {word: part_of(word) for word in set(split.values())}
    unknown = sorted(str(word) for word, part in words.items() if not part)
    if unknown:
        raise DataError(f"split says {some(unknown)}: give 'train', 'val' or 'test'")
    return [words[split[name]] if name in split else "" for name in ids]


def _look(marked: Marked, quiet: bool) -> tuple[PictureSet, Scan]:
    from headstart.data.pictures import PictureSet
    from headstart.data.scan import scan

    pictures = PictureSet([str(marked.root / name) for name in marked.ids])
    return pictures, scan(pictures, quiet=quiet)


def _unusable(marked: Marked, looks: Scan) -> dict[str, str]:
    """Return id -> reason for each picture that cannot be used."""
    reasons = {}
    for name, trouble, size in zip(marked.ids, looks.reasons.tolist(), looks.sizes.tolist(), strict=True):
        stated = marked.stated.get(name)
        if name in marked.damaged:
            reasons[name] = marked.damaged[name]
        elif trouble:
            reasons[name] = trouble
        elif stated is not None and stated != tuple(size):
            turned = ": annotate it upright" if stated == tuple(size[::-1]) else ""
            reasons[name] = (
                f"its annotation is about {stated[0]} x {stated[1]} pixels, the upright picture has "
                f"{size[0]} x {size[1]}{turned}"
            )
    return reasons


def _check_unusable(unusable: Mapping[str, str], n: int, most: float) -> None:
    if len(unusable) <= most * n:
        return
    first = "; ".join(f"{name!r} ({reason})" for name, reason in list(unusable.items())[:3])
    raise DataError(
        f"{len(unusable):,} of {count(n, 'picture')} cannot be used, more than max_unreadable={most:g} of them: "
        f"{first}; mend or remove them, or raise max_unreadable to leave them out"
    )


def _clusters(looks: Scan, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return equal numbers for pictures that show the same."""
    from headstart.data.duplicates import find_duplicates

    clusters = len(usable) + np.arange(len(usable))
    rows = np.flatnonzero(usable)
    if len(rows):
        clusters[rows] = find_duplicates(looks.digests[rows], looks.hashes[rows], looks.thumbs[rows], looks.tints[rows])
    return clusters


def _parts(
    marked: Marked,
    boxes: list[Boxes],
    usable: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    n_classes: int,
    test_size: float,
    random_state: int | np.random.Generator | None,
) -> tuple[NDArray[np.str_], bool]:
    """Return the part of each picture, and whether the test part came with the data."""
    remarks, rng = marked.remarks, np.random.default_rng(random_state)
    given = np.array(marked.split, dtype="<U5")
    there = set(given[usable].tolist()) - {""}
    if len(there) > 1:
        if "train" not in there:
            raise DataError("the split has no train part with a picture that can be used: add one, or give split='new'")
        for row in np.flatnonzero((given == "") & usable).tolist():
            remarks.leave("picture", marked.ids[row], "in no part of the split", "in no part of the split left out")
        if "test" not in there:
            n = count(int(((given == "val") & usable).sum()), "picture")
            remarks.note(f"the split has no test part, so its val part ({n}) is the test part")
            given[given == "val"] = "test"
        own, parts = True, np.where(usable, given, "")
        parts = _once(parts, clusters, marked)
    else:
        if there:
            remarks.note(f"the split has only a {there.pop()} part, so a new one is made")
        own, parts = False, np.where(usable, "train", "").astype("<U5")
        rows = np.flatnonzero(usable)
        apart = set_apart([boxes[row] for row in rows], clusters[rows], n_classes, test_size, rng)
        parts[rows[apart]] = "test"
        parts = _once(parts, clusters, marked)
    rows = np.flatnonzero(parts == "train")
    if not (parts == "val").any() and len(rows) >= _FEWEST:
        apart = set_apart([boxes[row] for row in rows], clusters[rows], n_classes, test_size, rng)
        parts[rows[apart]] = "val"
        if own:
            remarks.note(
                f"the split has no val part, so {count(int(apart.sum()), 'train picture')} are set apart for it"
            )
    return parts, own


def _once(parts: NDArray[np.str_], clusters: NDArray[np.int64], marked: Marked) -> NDArray[np.str_]:
    """Let each picture stand in one part only, and once in the test part."""
    once, copies, notes = count_once(parts, clusters, marked.ids, np.zeros(len(parts), np.int64))
    marked.remarks.left_out.update(copies)
    for note in notes:
        marked.remarks.note(note)
    return once


def _used_classes(
    boxes: list[Boxes], known: list[str], parts: NDArray[np.str_], note: Callable[[str], None]
) -> tuple[list[Boxes], tuple[str, ...]]:
    """Leave out the classes of which no box can be used."""
    held = [one.labels for one, part in zip(boxes, parts, strict=True) if part]
    used = np.bincount(np.concatenate(held), minlength=len(known)) > 0 if held else np.zeros(len(known), bool)
    gone = [name for name, ok in zip(known, used, strict=True) if not ok]
    if gone:
        note(f"{count(len(gone), 'class')} without any usable box left out: {some(gone)}")
    codes = np.where(used, np.cumsum(used) - 1, -1)
    result = []
    for one in boxes:
        kept = used[one.labels]
        ignore = None if one.ignore is None else one.ignore[kept]
        result.append(Boxes(one.xyxy[kept], codes[one.labels[kept]], ignore=ignore))
    return result, tuple(name for name, ok in zip(known, used, strict=True) if ok)


def _check_classes(
    boxes: list[Boxes], classes: tuple[str, ...], parts: NDArray[np.str_], note: Callable[[str], None]
) -> None:
    """Raise a DataError where nothing can be learned or tested; note the classes that a part lacks."""
    for part, title in (("test", "test"), ("train", "train")):
        if not (parts == part).any():
            raise DataError(f"the {title} part has no usable picture: add pictures, or give split='new'")
    counted = {
        part: np.bincount(
            np.concatenate([one.labels[~one.ignore] if one.ignore is not None else one.labels
                            for one, where in zip(boxes, parts, strict=True) if where == part]),
            minlength=len(classes),
        )
        for part in ("train", "test")
    }  # fmt: skip
    if not counted["train"].any():
        raise DataError("no box of the train part can be used: see that its pictures are annotated")
    for part, said in (("train", "so it cannot be found"), ("test", "so nothing is known about it there")):
        missing = [name for name, n in zip(classes, counted[part], strict=True) if not n]
        if missing:
            note(f"the {part} part has no object of {count(len(missing), 'class')} ({some(missing)}), {said}")


def _text(boxes: Boxes, classes: tuple[str, ...]) -> str:
    """Return what identifies the boxes of a picture."""
    ignore = np.zeros(len(boxes), bool) if boxes.ignore is None else boxes.ignore
    return ";".join(
        f"{classes[label]}{'~' if out else ''}:" + ",".join(f"{edge:.3f}" for edge in edges)
        for label, out, edges in zip(boxes.labels, ignore, boxes.xyxy, strict=True)
    )

"""One cheap look at every picture: does it decode, how large is it, and what does it look like from afar.

What was seen is kept in the cache by content digest, so that the same bytes are decoded once, wherever they lie.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.duplicates import SIDE, perceptual_hash
from headstart.data.pictures import open_picture
from headstart.results import HeadstartWarning, PictureError
from headstart.results.cache import cache_folder
from headstart.results.files import write_bytes
from headstart.results.terminal import progress

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet

_SHARD = 4096  # pictures; a scan that is killed loses at most this many
_UNREADABLE = (PictureError, zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError)
_RECORD = np.dtype(
    [
        ("size", np.int32, 2),
        ("mode", "S8"),
        ("format", "S8"),
        ("thumb", np.uint8, (SIDE, SIDE)),
        ("tint", np.uint8, (8, 8, 2)),
    ]
)


@dataclass(frozen=True, eq=False)
class Scan:
    """What one look at n pictures found, in their order.

    Attributes
    ----------
    digests : ndarray of uint8, shape (n, 32)
        SHA-256 of the content; zeros where nothing could be read.
    hashes : ndarray of uint64, shape (n, 4)
        :func:`headstart.data.duplicates.perceptual_hash`.
    thumbs : ndarray of uint8, shape (n, 32, 32)
        Grey values (luma) of the picture squashed to 32x32; zeros where unreadable.
    tints : ndarray of uint8, shape (n, 8, 8, 2)
        Chroma Cb and Cr from further afar; 128 is grey.
    sizes : ndarray of int32, shape (n, 2)
        Width and height in pixels, upright; zeros where unreadable.
    modes, formats : ndarray of str, shape (n,)
        As the header says, such as "RGB" and "JPEG"; the format of an array is "array".
    reasons : ndarray of str, shape (n,)
        Why a picture cannot be decoded; "" where it can.
    """

    digests: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    thumbs: NDArray[np.uint8]
    tints: NDArray[np.uint8]
    sizes: NDArray[np.int32]
    modes: NDArray[np.str_]
    formats: NDArray[np.str_]
    reasons: NDArray[np.str_]


def scan(pictures: PictureSet, *, quiet: bool = True) -> Scan:
    """Look at each picture once; what the cache knows is not decoded again.

    Every picture is decoded to its end, a JPEG at reduced scale, so a truncated file is found. Runs in as many
    threads as there are processors. Pictures that cannot be decoded are not remembered: they are tried again.

    Parameters
    ----------
    pictures : PictureSet
        Paths, encoded bytes or arrays.
    quiet : bool
        Whether to hide the progress bar.

    Warns
    -----
    HeadstartWarning
        If a damaged part of the cache was deleted, or the cache cannot be written. The result is right all the same.
    """
    digests = pictures.digests
    records = np.zeros(len(digests), _RECORD)
    records["tint"] = 128
    reasons = [""] * len(digests)
    todo = np.flatnonzero(~_recall(digests, records))

    def look(row: int) -> None:
        try:
            records[row] = _look(pictures, row)
        except PictureError as error:
            reasons[row] = str(error)

    with progress("looking at the pictures", len(todo), quiet=quiet) as advance, _threads() as run:
        for start in range(0, len(todo), _SHARD):
            rows = todo[start : start + _SHARD]
            for _ in run(look, rows.tolist()):
                advance(1)
            _keep(digests, records, np.array([row for row in rows if not reasons[row] and digests[row].any()], int))
    thumbs = np.ascontiguousarray(records["thumb"])
    return Scan(
        digests=digests,
        hashes=perceptual_hash(thumbs),
        thumbs=thumbs,
        tints=np.ascontiguousarray(records["tint"]),
        sizes=np.ascontiguousarray(records["size"]),
        modes=records["mode"].astype(np.str_),
        formats=records["format"].astype(np.str_),
        reasons=np.array(reasons, dtype=np.str_),
    )


@contextlib.contextmanager
def _threads() -> Iterator[Callable[[Callable[[int], None], list[int]], Iterator[None]]]:
    """Yield a parallel ``map``; when interrupted, what has not begun does not begin."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _look(pictures: PictureSet, row: int) -> tuple[tuple[int, int], bytes, bytes, NDArray[np.uint8], NDArray[np.uint8]]:
    from PIL import Image

    raw = pictures.raw(row)
    image = open_picture(raw, at_least=2 * SIDE)
    if isinstance(raw, bytes):
        size, mode, form, turn = _header(raw)
    else:
        size, mode, form, turn = (
            image.size,
            {1: "L", 3: "RGB", 4: "RGBA"}[raw.shape[2] if raw.ndim == 3 else 1],
            "array",
            1,
        )
    # Bicubic keeps a picture and its half-size copy closest.
    small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=_extent(size, image.size, turn)).convert("YCbCr")
    tint = small.resize((8, 8), Image.Resampling.BOX)
    return size, mode.encode(), form.encode(), np.asarray(small)[:, :, 0], np.asarray(tint)[:, :, 1:]


def _header(raw: bytes) -> tuple[tuple[int, int], str, str, int]:
    """Return upright size, mode, format and EXIF orientation of a picture that is known to decode."""
    from PIL import ExifTags, Image

    with Image.open(io.BytesIO(raw)) as image:
        size, turn = image.size, 1
        with contextlib.suppress(Exception):  # a damaged tag does not spoil the pixels
            turn = image.getexif().get(ExifTags.Base.Orientation, 1)
        return (size[::-1] if turn in (5, 6, 7, 8) else size), image.mode, image.format or "", turn


def _extent(size: tuple[int, int], decoded: tuple[int, int], turn: int) -> tuple[float, float, float, float]:
    """Return the box that the picture fills in its decoded form.

    A JPEG decoded at 1/2, 1/4 or 1/8 is rounded up to whole pixels, at what were its right and lower edges before it
    was turned upright. Squashed with that rim, it is shifted enough to look like another picture.
    """
    width, height = decoded
    for scale in (1, 2, 4, 8):
        if tuple(-(-side // scale) for side in size) == decoded:
            left = width - size[0] / scale if turn in (2, 3, 6, 7) else 0.0
            top = height - size[1] / scale if turn in (3, 4, 7, 8) else 0.0
            return left, top, left + size[0] / scale, top + size[1] / scale
    return 0.0, 0.0, float(width), float(height)


def _folder() -> Path:
    return cache_folder() / "scans" / "2"  # the number of the format: another one for other thumbnails


def _keys(digests: NDArray[np.uint8]) -> NDArray[np.void]:
    return np.ascontiguousarray(digests).view("V32")[:, 0]


def _recall(digests: NDArray[np.uint8], records: NDArray[np.void]) -> NDArray[np.bool_]:
    """Fill ``records`` from the cache; return which rows it knew."""
    known = np.zeros(len(digests), bool)
    wanted, row_of = np.unique(_keys(digests), return_inverse=True)
    for path in sorted(_folder().glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as shard:  # reads the digests only
                if not np.isin(_keys(shard["digests"]), wanted).any():
                    continue
            content = path.read_bytes()
            if path.stem != _checksum(content):
                raise ValueError("another checksum")
            with np.load(io.BytesIO(content), allow_pickle=False) as shard:
                found, kept = _keys(shard["digests"]), {name: shard[name] for name in _RECORD.names or ()}
        except FileNotFoundError:  # another process cleared it away
            continue
        except _UNREADABLE:
            warnings.warn(f"{str(path)!r} is damaged: deleted, its pictures are looked at again", HeadstartWarning, 2)
            path.unlink(missing_ok=True)
            continue
        order = np.argsort(found)
        place = np.searchsorted(found[order], wanted)
        hit = place < len(found)
        hit[hit] = found[order[place[hit]]] == wanted[hit]
        rows = np.flatnonzero(hit[row_of])
        for name, values in kept.items():
            records[name][rows] = values[order[place[row_of[rows]]]]
        known[rows] = True
    return known


def _keep(digests: NDArray[np.uint8], records: NDArray[np.void], rows: NDArray[np.int64]) -> None:
    """Write what was seen at ``rows`` as a shard of the cache, named by its own checksum."""
    if not len(rows):
        return
    stream = io.BytesIO()
    columns: dict[str, Any] = {name: records[name][rows] for name in _RECORD.names or ()}
    np.savez(stream, digests=digests[rows], **columns)
    content = stream.getvalue()
    try:
        write_bytes(_folder() / f"{_checksum(content)}.npz", content)
    except OSError as error:
        warnings.warn(f"the pictures will have to be looked at again next time: {error}", HeadstartWarning, 2)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]

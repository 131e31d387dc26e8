"""Pictures as they come: files, encoded bytes and arrays, decoded to upright RGB only when asked."""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError, PictureError

if TYPE_CHECKING:
    from PIL import Image

Item = str | Path | bytes | NDArray[Any] | PictureError

# Only what cameras and the web yield: Pillow's other decoders (EPS calls Ghostscript) never see a stranger's file.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "AVIF")
_CHANNELS = (1, 3, 4)
_DEEP = 1 / 257  # 65535 / 257 = 255: 16 bits to 8, linearly
_HEIC = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


def open_picture(raw: bytes | str | Path | NDArray[Any], at_least: int | None = None) -> Image.Image:
    """Decode one picture to RGB, upright, without metadata.

    The first frame counts. Transparency is laid on white; 16-bit values are scaled linearly to 8 bits; the EXIF
    orientation is applied. 32-bit integer and float files are read as 0–1 (float only), 0–255 or 0–65535,
    whichever is the narrowest range that holds them, else their own range is stretched over 0–255.

    Parameters
    ----------
    raw : bytes, path or ndarray
        Encoded picture, its file, or an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). The range and
        layout of an array are judged from it alone; :class:`PictureSet` judges them over all its arrays.
    at_least : int, optional
        The caller will shrink the picture so that its shorter side has this many pixels. A JPEG is then decoded at
        1/2, 1/4 or 1/8 of its size, which is faster, as long as both sides keep at least twice that.

    Returns
    -------
    PIL.Image.Image
        Mode RGB.

    Raises
    ------
    PictureError
        If it cannot be decoded: missing, empty, truncated, damaged or unknown, without pixels, or with more pixels
        than ``PIL.Image.MAX_IMAGE_PIXELS`` (seen in the header, before anything is decoded).
    """
    if isinstance(raw, np.ndarray):
        return _from_array(_Convention.of([raw]).apply(raw))
    if not isinstance(raw, bytes):
        raw = _read(raw)
    from PIL import Image

    try:
        picture = upright_rgb(Image.open(io.BytesIO(raw), formats=_formats()), at_least)
    except Exception as error:  # damaged files make decoders raise almost anything
        raise PictureError(reason_of(error, raw)) from error
    picture.info = {}  # so that no one turns it again
    return picture


def upright_rgb(image: Image.Image, at_least: int | None = None) -> Image.Image:
    """Decode an opened image like :func:`open_picture`, metadata left alone. Raises whatever its decoder raises."""
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError  # between one and two times the limit Pillow only warns
    if at_least is not None:
        image.draft(None, (2 * at_least, 2 * at_least))
    image.load()
    return _upright(image, _rgb(image))


class PictureSet:
    """A sequence of pictures that are decoded one by one, when asked; safe to use from many threads.

    Parameters
    ----------
    items : sequence
        A path, encoded bytes, an array or, for a row without a picture, the PictureError that says why. Arrays
        are (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or all of them channels first; bool, uint8, wider integers
        (0–255 if that holds all of them, else 0–65535) or float (0–1 if that holds all of them, else 0–255).
        Range and layout are decided over the whole set, so that a dark picture stays dark.

    Raises
    ------
    DataError
        If the arrays' values or layouts do not fit together.

    Examples
    --------
    >>> dark, light = np.zeros((2, 2)), np.full((2, 2), 0.5)
    >>> PictureSet([dark, light]).open(1).getpixel((0, 0))
    (128, 128, 128)
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items: list[Item] = list(items)
        self._convention = _Convention.of([item for item in self._items if isinstance(item, np.ndarray)])
        self._digests: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def raw(self, i: int) -> bytes | NDArray[np.uint8]:
        """Return the encoded bytes of picture ``i``, or its array as uint8, channels last.

        Raises
        ------
        PictureError
            If there is no such file, or the array is not a picture.
        """
        item = self._items[i]
        if isinstance(item, PictureError):
            raise PictureError(*item.args)
        if isinstance(item, np.ndarray):
            return self._convention.apply(item)
        return item if isinstance(item, bytes) else _read(item)

    def open(self, i: int, at_least: int | None = None) -> Image.Image:
        """Decode picture ``i``; see :func:`open_picture`."""
        return open_picture(self.raw(i), at_least)

    def subset(self, rows: ArrayLike) -> PictureSet:
        """Return the pictures at ``rows`` (indices, or a mask), in that order, read the way they are read here."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        result = copy.copy(self)
        result._items = [self._items[i] for i in chosen]
        result._digests = None if self._digests is None else self._digests[chosen]
        return result

    @property
    def digests(self) -> NDArray[np.uint8]:
        """(n, 32) SHA-256 of each picture's encoded bytes (arrays: dtype, shape, buffer); zeros if unreadable."""
        if self._digests is None:
            with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as pool:
                found = b"".join(pool.map(self._digest, range(len(self))))
            self._digests = np.frombuffer(found, np.uint8).reshape(-1, 32)
        return self._digests

    def _digest(self, i: int) -> bytes:
        try:
            return digest(self.raw(i))
        except PictureError:
            return bytes(32)


def digest(raw: bytes | NDArray[Any]) -> bytes:
    """Return the SHA-256 (32 bytes) of encoded bytes, or of an array's dtype, shape and buffer."""
    if isinstance(raw, bytes):
        return hashlib.sha256(raw).digest()
    result = hashlib.sha256(f"{raw.dtype.str}{raw.shape}".encode())
    result.update(np.ascontiguousarray(raw).data)
    return result.digest()


@dataclass(frozen=True)
class _Convention:
    """How the arrays of one set are to be read: what their values are multiplied by, and where their channels are."""

    floats: float = 1.0
    integers: float = 1.0
    channels_first: bool = False

    @staticmethod
    def of(arrays: Sequence[NDArray[Any]]) -> _Convention:
        for array in arrays:
            if array.dtype.kind not in "buif":
                raise DataError(f"pictures are arrays of numbers, not of {array.dtype}: give uint8 0–255 or float 0–1")
        floats = _factor([array for array in arrays if array.dtype.kind == "f"])
        integers = _factor([array for array in arrays if array.dtype.kind in "iu" and array.dtype != np.uint8])
        solid = [array.shape for array in arrays if array.ndim == 3]
        last = [shape for shape in solid if shape[2] in _CHANNELS]
        first = [shape for shape in solid if shape[2] not in _CHANNELS and shape[0] in _CHANNELS]
        if first and last:
            raise DataError(
                f"some pictures have their channels first {first[0]} and some last {last[0]}: "
                "give all of them as (height, width, channels)"
            )
        return _Convention(floats, integers, bool(first))

    def apply(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Return ``array`` as uint8, (H, W) or (H, W, C)."""
        if self.channels_first and array.ndim == 3:
            array = np.moveaxis(array, 0, 2)
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in _CHANNELS):
            raise PictureError(f"an array of shape {array.shape} is not (height, width) or (height, width, 1|3|4)")
        if array.size == 0:
            raise PictureError(f"{array.shape[1]}x{array.shape[0]} pixels")
        if array.dtype == np.uint8:
            return array
        if array.dtype == bool:
            return array.astype(np.uint8) * np.uint8(255)
        if not np.isfinite(array).all():
            raise PictureError("holds NaN or infinite values")
        factor = self.floats if array.dtype.kind == "f" else self.integers
        return np.rint(array * np.float64(factor)).astype(np.uint8)


def _factor(arrays: Sequence[NDArray[Any]]) -> float:
    """Return what brings all ``arrays``, floats or wide integers, to 0–255; uint16 is 16 bit unless it fits 8."""
    finite = [array[np.isfinite(array)] for array in arrays]
    low = min((float(array.min()) for array in finite if array.size), default=0.0)
    high = max((float(array.max()) for array in finite if array.size), default=0.0)
    real = bool(arrays) and arrays[0].dtype.kind == "f"
    if low < 0 or high > (255 if real else 65535):
        allowed = "floats of 0–1 or 0–255" if real else "integers of 0–255 or 0–65535"
        raise DataError(f"the pictures' values go from {low:g} to {high:g}: give {allowed} (before any normalization)")
    if real:
        return 255.0 if high <= 1 else 1.0
    return 1.0 if high <= 255 else _DEEP


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise PictureError("file not found") from error
    except (OSError, ValueError) as error:
        raise PictureError(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _rgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture of any mode as RGB; transparency becomes white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a 16-bit, 32-bit or float picture as 8 bits without clipping."""
    if values.dtype.itemsize == 2:
        return np.rint(values * _DEEP).astype(np.uint8)
    if not np.isfinite(values).all():
        raise PictureError("holds NaN or infinite values")
    real, values = values.dtype.kind == "f", values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        scaled = (values - low) * 255 / (high - low)
    elif high > 255:
        scaled = values * _DEEP
    else:
        scaled = values * (255.0 if real and high <= 1 else 1.0)
    return np.rint(scaled).astype(np.uint8)


def _upright(source: Image.Image, image: Image.Image) -> Image.Image:
    """Turn ``image`` the way the EXIF data of ``source`` says."""
    from PIL import ExifTags, Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(source.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged tag does not spoil the pixels
        turn = None
    return image if turn is None else image.transpose(turn)


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return _rgb(Image.fromarray(np.ascontiguousarray(array)))


def reason_of(error: Exception, raw: bytes = b"?") -> str:
    """Say in a few words why a picture, whose encoded bytes are ``raw``, could not be decoded."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, PictureError):
        return str(error)
    if not raw:
        return "empty file"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, a decompression bomb? Shrink it if it is not"
    if isinstance(error, UnidentifiedImageError):
        if raw[4:8] == b"ftyp" and raw[8:12] in _HEIC:
            return "HEIC is not supported, convert it to JPEG"
        return "no picture of a known format"
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated file" if "truncated" in text.lower() else f"damaged file ({text})"

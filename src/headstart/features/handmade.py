"""Descriptors of a picture that nothing was learned for: shape, texture, colour, and the picture itself, tiny.

They are what a target-only baseline starts from: no source, no weights, a few milliseconds a picture.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.features.backends.base import n_processors

if TYPE_CHECKING:
    from PIL.Image import Image

    from headstart.data.pictures import PictureSet

Floats = NDArray[np.float32]

_BINS = 9  # directions of a gradient
_CLIP = 0.2  # no direction may make up more of a block than this (Lowe's hysteresis)
_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_PATTERNS = 59  # 58 uniform patterns of eight neighbours, and all others together
_HSV = (16, 4, 4)
_CHUNK = 32  # pictures that a thread takes at a time
_SHARES = {"shape": 900, "texture": 2 * 4 * _PATTERNS, "colour": 9 * 16 + 256, "tiny": 192}


def blocks() -> dict[str, slice]:
    """Return which columns of :func:`handmade_features` describe what.

    >>> blocks()["colour"]
    slice(1372, 1772, None)
    """
    ends = np.cumsum(list(_SHARES.values())).tolist()
    return {name: slice(end - share, end) for (name, share), end in zip(_SHARES.items(), ends, strict=True)}


def handmade_features(
    pictures: PictureSet,
    rows: ArrayLike | None = None,
    *,
    size: int = 128,
    advance: Callable[[int], None] | None = None,
) -> Floats:
    """Return classical descriptors of pictures, each decoded once.

    A picture is squashed to a square. ``shape``: histograms of oriented gradients, 8 x 8 cells in blocks that do not
    overlap, and 4 x 4 in blocks that do. ``texture``: uniform local binary patterns at distance 1 and 2, in quarters.
    ``colour``: mean, deviation and skewness of lightness and two opponent colours in 4 x 4 cells, and a joint
    histogram of hue, saturation and value. ``tiny``: 8 x 8 pixels. Histograms are square roots of shares, whose
    Euclidean distance is Hellinger's. Blocks at every offset and more patterns would double the columns, which
    lost more where colour tells the classes than it won where shape does.

    Parameters
    ----------
    pictures : PictureSet
        Pictures that can be read.
    rows : array_like of int, shape (n,), optional
        The pictures wanted; by default all.
    size : int
        Side of the square in pixels, a multiple of 16 and at least 32.
    advance : callable, optional
        Called with the number of pictures just done.

    Returns
    -------
    ndarray of float32, shape (n, 1964)
        In the order of ``rows``; which columns describe what: :func:`blocks`.

    Raises
    ------
    PictureError
        If a picture cannot be decoded.
    ValueError
        If ``size`` does not fit.

    References
    ----------
    Dalal and Triggs (2005), Histograms of oriented gradients for human detection. Ojala, Pietikäinen and Mäenpää
    (2002), Multiresolution gray-scale and rotation invariant texture classification with local binary patterns.
    Stricker and Orengo (1995), Similarity of color images. Torralba, Fergus and Freeman (2008), 80 million tiny images.
    """
    if size < 32 or size % 16:
        raise ValueError(f"size={size}: give a multiple of 16, at least 32")
    wanted = np.arange(len(pictures)) if rows is None else np.asarray(rows, dtype=np.int64)
    result = np.empty((len(wanted), sum(_SHARES.values())), dtype=np.float32)

    def work(start: int) -> int:
        chunk = wanted[start : start + _CHUNK]
        for slot, row in enumerate(chunk.tolist(), start):
            result[slot] = describe(pictures.open(row, at_least=size), size)
        return len(chunk)

    pool = ThreadPoolExecutor(n_processors(), thread_name_prefix="headstart")
    try:
        with threadpool_limits(1, user_api="blas"):  # the products are narrow, and the threads are taken
            for done in pool.map(work, range(0, len(wanted), _CHUNK)):
                if advance:
                    advance(done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return result


def describe(picture: Image, size: int = 128) -> Floats:
    """Return the descriptor (1964,) of one RGB picture; see :func:`handmade_features`."""
    from PIL.Image import Resampling

    square = picture.resize((size, size), Resampling.BILINEAR)
    luma = square.convert("L")
    half, grey = luma.resize((size // 2, size // 2), Resampling.BOX), np.asarray(luma)
    rgb = np.asarray(square, dtype=np.float32) / np.float32(255)
    return np.concatenate(
        [
            oriented_gradients(grey, 8, stride=2),
            oriented_gradients(np.asarray(half), 4),
            binary_patterns(grey, 1),
            binary_patterns(grey, 2),
            colour_moments(rgb),
            colour_histogram(np.asarray(square.convert("HSV"))),
            np.asarray(square.resize((8, 8), Resampling.BOX), dtype=np.float32).ravel() / 255,
        ],
        dtype=np.float32,
    )


def oriented_gradients(grey: NDArray[np.uint8], cells: int, *, stride: int = 1) -> Floats:
    """Return a histogram of oriented gradients (Dalal and Triggs 2005) of a square grey picture.

    Square-root compression, centred differences (0 at the border), nine unsigned directions; a gradient votes with its
    length for the two directions and the four cells around it, by linear interpolation. Blocks of 2 x 2 cells are
    normalized in L2, clipped at 0.2 and normalized again.

    Parameters
    ----------
    grey : ndarray of uint8, shape (n, n)
    cells : int
        Cells a side.
    stride : int
        Cells from block to block; 2: blocks do not overlap.

    Returns
    -------
    ndarray of float32, shape (b * b * 36,), b = (cells - 2) // stride + 1
        By block, cell in the block, direction; the first direction is centred at pi / 18.
    """
    n = len(grey)
    light = np.sqrt(grey.astype(np.float32) / 255)
    across, down = np.zeros((2, n, n), dtype=np.float32)
    across[:, 1:-1] = light[:, 2:] - light[:, :-2]
    down[1:-1] = light[2:] - light[:-2]
    length = np.hypot(across, down).ravel()
    place = np.arctan2(down, across).ravel() * np.float32(_BINS / np.pi) + np.float32(2 * _BINS - 0.5)
    first = place.astype(np.int64)
    upper = (place - first) * length
    votes = np.zeros((n * n, _BINS), dtype=np.float32)
    pixel = np.arange(n * n)
    votes[pixel, first % _BINS] = length - upper
    votes[pixel, (first + 1) % _BINS] = upper
    pooling = _tents(n, cells)
    rows = pooling @ votes.reshape(n, n * _BINS)
    histogram = pooling @ rows.reshape(cells, n, _BINS)
    last = cells - 1
    corners = [histogram[y : y + last : stride, x : x + last : stride] for y in (0, 1) for x in (0, 1)]
    return _unit(np.minimum(_unit(np.concatenate(corners, axis=-1)), _CLIP)).ravel()


def binary_patterns(grey: NDArray[np.uint8], distance: int) -> Floats:
    """Return square-rooted shares of the uniform local binary patterns in each quarter of a square picture.

    A pixel's pattern says which of its eight neighbours, ``distance`` rows and columns away, are at least as light.
    Patterns that change at most twice on the way round are counted one by one, all others together (Ojala et al. 2002).

    Returns
    -------
    ndarray of float32, shape (4 * 59,)
        By quarter (upper left, upper right, lower left, lower right), then pattern in the order of its code, bit k of
        which is the k-th neighbour anticlockwise in an upside-down picture, from the right; the others come last.
    """
    n, d = len(grey), distance
    inner = grey[d : n - d, d : n - d]
    code = np.zeros(inner.shape, dtype=np.uint8)
    for bit, (down, right) in enumerate(_NEIGHBOURS):
        other = grey[d + down * d : n - d + down * d, d + right * d : n - d + right * d]
        code |= (other >= inner).view(np.uint8) << np.uint8(bit)
    second = np.arange(len(inner)) >= len(inner) / 2
    quarter = second[:, None] * 2 + second
    counts = np.bincount((quarter * _PATTERNS + _uniform()[code]).ravel(), minlength=4 * _PATTERNS)
    table = counts.reshape(4, _PATTERNS)
    return np.asarray(np.sqrt(table / table.sum(axis=1, keepdims=True)), dtype=np.float32).ravel()


def colour_moments(rgb: Floats) -> Floats:
    """Return mean, deviation and cube root of the third moment of three channels in 4 x 4 cells.

    The channels are the mean of red, green and blue, red minus green, and yellow minus blue.

    Parameters
    ----------
    rgb : ndarray, shape (n, n, 3)
        0–1; n is a multiple of 4.

    Returns
    -------
    ndarray of float32, shape (3 * 3 * 16,)
        By moment, channel, cell.
    """
    red, green, blue = np.moveaxis(rgb, 2, 0)
    channels = np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])
    side = len(rgb) // 4
    cells = channels.reshape(3, 4, side, 4, side).swapaxes(2, 3).reshape(3, 16, side * side)
    mean = cells.mean(axis=2, keepdims=True)
    rest = cells - mean
    square = rest * rest
    moments = [mean[..., 0], np.sqrt(square.mean(axis=2)), np.cbrt((square * rest).mean(axis=2))]
    return np.stack(moments).astype(np.float32).ravel()


def colour_histogram(hsv: NDArray[np.uint8]) -> Floats:
    """Return square-rooted shares (256,) of 16 hues x 4 saturations x 4 values in a picture (n, n, 3)."""
    hue, saturation, value = (hsv[..., k].astype(np.int64) * bins // 256 for k, bins in enumerate(_HSV))
    counts = np.bincount(((hue * _HSV[1] + saturation) * _HSV[2] + value).ravel(), minlength=256)
    return np.asarray(np.sqrt(counts / counts.sum()), dtype=np.float32)


@functools.cache
def _tents(n: int, cells: int) -> Floats:
    """Return weights (cells, n): how much each pixel counts for each cell, falling linearly from its centre."""
    place = (np.arange(n) + 0.5) * cells / n - 0.5
    return np.asarray(np.maximum(0, 1 - np.abs(place - np.arange(cells)[:, None])), dtype=np.float32)


@functools.cache
def _uniform() -> NDArray[np.int64]:
    """Return the number of each of 256 patterns among the uniform ones, 58 for all others."""
    codes = np.arange(256)
    turned = (codes >> 1) | ((codes & 1) << 7)
    uniform = np.bitwise_count((codes ^ turned).astype(np.uint8)) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, _PATTERNS - 1)


def _unit(blocks: Floats) -> Floats:
    return np.asarray(blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + np.float32(1e-10)))

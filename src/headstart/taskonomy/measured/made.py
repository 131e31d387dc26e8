"""Tasks that are made from the pictures themselves, without a label."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError
from headstart.taskonomy.measured.tasks import MAP, Task

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_CHUNK = 256  # pictures at a time, or floats would take many times their space
_NOISE = 0.15  # standard deviation; a grey value is 0 to 1
_TILES = tuple(itertools.permutations(range(4)))


def make_task(name: str, pictures: Bytes, *, seed: int = 0) -> Task:
    """Return a task made from pictures.

    =================  ================================================  =============================================
    name               the encoder sees                                  and predicts
    =================  ================================================  =============================================
    ``autoencoding``   the picture                                       its colours, 32x32
    ``colour``         its grey values                                   red and blue minus grey, 32x32
    ``denoising``      the picture with Gaussian noise (0.15)            the colours without the noise
    ``edges``          the picture                                       Sobel's gradient magnitude, 32x32
    ``inpainting``     the picture, a quarter of it (the middle) grey    the colours of all of it
    ``jigsaw``         four tiles in another order                       which of the 24 orders
    ``mask``           the picture                                       foreground: what differs from the border
    ``rotation``       the picture turned                                by 0, 90, 180 or 270 degrees
    =================  ================================================  =============================================

    Parameters
    ----------
    name : str
    pictures : ndarray of uint8, shape (n, s, s, 3)
        s is even and at least 32.
    seed : int
        Of noise, turns and orders.

    Raises
    ------
    DataError
        If there is no such task, or these are no such pictures.

    References
    ----------
    Zamir et al. (2018), Taskonomy, CVPR, supplement, section 13 (2-d tasks); Gidaris et al. (2018), Unsupervised
    representation learning by predicting image rotations; Noroozi and Favaro (2016), jigsaw puzzles; Otsu (1979), A
    threshold selection method from gray-level histograms.

    Examples
    --------
    >>> task = make_task("rotation", np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8))
    >>> task.kind, task.classes, np.array_equal(np.rot90(task.inputs[0], -task.values[0]).shape, (32, 32, 3))
    ('classes', ('0', '90', '180', '270'), True)
    """
    if name not in MADE:
        raise DataError(f"no task {name!r} can be made from pictures: choose among {', '.join(MADE)}")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
        raise DataError(f"pictures have type {pictures.dtype} and shape {pictures.shape}: give uint8 (n, s, s, 3)")
    side = pictures.shape[1]
    if not len(pictures):
        raise DataError("there is no picture: give at least one")
    if pictures.shape[2] != side or side % 2 or side < MAP:
        raise DataError(f"pictures are {pictures.shape[2]}x{side}: give squares of an even side of {MAP} or more")
    rng = np.random.default_rng(seed)
    parts = [MADE[name](pictures[k : k + _CHUNK], rng) for k in range(0, len(pictures), _CHUNK)]
    own = parts[0].inputs.base is not pictures
    inputs = np.concatenate([part.inputs for part in parts]) if own else pictures
    return dataclasses.replace(parts[0], inputs=inputs, values=np.concatenate([part.values for part in parts]))


def small(maps: NDArray[Any], side: int = MAP) -> Floats:
    """Return maps (n, h, w, c) as (n, c, side, side): means over areas, which overlap where sides do not divide.

    >>> small(np.arange(4.0).reshape(1, 2, 2, 1), 1).tolist()
    [[[[1.5]]]]
    """
    rows, columns = _areas(maps.shape[1], side), _areas(maps.shape[2], side)
    found: Floats = np.einsum("ah,nhwc,bw->ncab", rows, maps.astype(np.float32), columns, optimize=True)
    return found


def _areas(length: int, side: int) -> Floats:
    """Return the weights (side, length) of area resampling."""
    edges = np.linspace(0, length, side + 1)
    low, high = edges[:-1, None], edges[1:, None]
    cells = np.arange(length)
    overlap = np.clip(np.minimum(high, cells + 1) - np.maximum(low, cells), 0, None)
    result: Floats = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _autoencoding(pictures: Bytes, rng: np.random.Generator) -> Task:
    return Task("autoencoding", "map", pictures, small(pictures) / np.float32(255))


def _colour(pictures: Bytes, rng: np.random.Generator) -> Task:
    unit = pictures / np.float32(255)
    grey = (unit @ _LUMA)[..., None]
    inputs = np.repeat(np.rint(grey * 255).astype(np.uint8), 3, axis=3)
    return Task("colour", "map", inputs, small(unit[..., [0, 2]] - grey))


def _denoising(pictures: Bytes, rng: np.random.Generator) -> Task:
    noisy = pictures + 255 * _NOISE * rng.standard_normal(pictures.shape, dtype=np.float32)
    inputs = np.rint(noisy.clip(0, 255)).astype(np.uint8)
    return Task("denoising", "map", inputs, small(pictures) / np.float32(255))


def _edges(pictures: Bytes, rng: np.random.Generator) -> Task:
    from scipy.ndimage import correlate1d

    grey = pictures @ _LUMA / np.float32(255)

    def gradient(along: int, across: int) -> Floats:  # scipy's own sobel would smooth over the pictures, too
        change = correlate1d(grey, [-1, 0, 1], axis=along, mode="nearest")
        return np.asarray(correlate1d(change, [1, 2, 1], axis=across, mode="nearest"))

    return Task("edges", "map", pictures, small(np.hypot(gradient(1, 2), gradient(2, 1))[..., None]))


def _inpainting(pictures: Bytes, rng: np.random.Generator) -> Task:
    inputs = pictures.copy()
    quarter = pictures.shape[1] // 4
    inputs[:, quarter:-quarter, quarter:-quarter] = 128
    return Task("inpainting", "map", inputs, small(pictures) / np.float32(255))


def _jigsaw(pictures: Bytes, rng: np.random.Generator) -> Task:
    half = pictures.shape[1] // 2
    places = [np.s_[:half, :half], np.s_[:half, half:], np.s_[half:, :half], np.s_[half:, half:]]
    order = rng.integers(len(_TILES), size=len(pictures))
    inputs = np.empty_like(pictures)
    for picture, shuffled, number in zip(pictures, inputs, order, strict=True):
        for place, tile in zip(places, _TILES[number], strict=True):
            shuffled[place] = picture[places[tile]]
    return Task("jigsaw", "classes", inputs, order, tuple("".join(map(str, tiles)) for tiles in _TILES))


def _mask(pictures: Bytes, rng: np.random.Generator) -> Task:
    values = pictures.astype(np.float32)
    border = np.concatenate([values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1]], axis=1)
    distance = np.linalg.norm(values - np.median(border, axis=1)[:, None, None], axis=3)
    inside = np.stack([one > otsu(one) for one in distance])
    return Task("mask", "mask", pictures, small(inside[..., None]))


def _rotation(pictures: Bytes, rng: np.random.Generator) -> Task:
    turns = rng.integers(4, size=len(pictures))
    inputs = np.stack([np.rot90(picture, turn) for picture, turn in zip(pictures, turns, strict=True)])
    return Task("rotation", "classes", inputs, turns, ("0", "90", "180", "270"))


def otsu(values: NDArray[Any], bins: int = 256) -> float:
    """Return the threshold that makes the variance between the two sides the largest; the maximum, if all are equal."""
    counts, edges = np.histogram(values, bins)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * middles)
    both = (below > 0) & (above > 0)
    if not both.any() or values.max() == values.min():
        return float(values.max())
    mean_below = mass[both] / below[both]
    mean_above = (mass[-1] - mass[both]) / above[both]
    between = below[both] * above[both] * (mean_above - mean_below) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))  # an empty stretch of bins is all the same
    return float(edges[1:][both][best[len(best) // 2]])


MADE: dict[str, Callable[[Bytes, np.random.Generator], Task]] = {
    "autoencoding": _autoencoding,
    "colour": _colour,
    "denoising": _denoising,
    "edges": _edges,
    "inpainting": _inpainting,
    "jigsaw": _jigsaw,
    "mask": _mask,
    "rotation": _rotation,
}

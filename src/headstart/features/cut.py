"""The whole activations at a cut: what training above a frozen prefix starts from, computed once a picture and view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.activations import pass_key
from headstart.features.backends import Backend, Choice, make_backend
from headstart.features.backends.base import n_processors
from headstart.features.cache import DEFAULT_LIMIT, PassCache, stored_name
from headstart.features.engine import shards
from headstart.features.mapped import mapped
from headstart.features.views import View
from headstart.results.team import team
from headstart.results.terminal import progress

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.sources import Source

PICTURES = "pictures"
_SHARD = 32 * 2**20  # bytes; what a kill loses, and what is held in memory while it is written


class CutActivations:
    """The activations that enter one stage of a source, for pictures and views of them, on disk and memory-mapped.

    Parameters
    ----------
    pictures : PictureSet
        The n pictures, all of which can be read.
    source : Source
        What computes them, with the exact preprocessing.
    cut : str or None
        The stage. ``None`` cuts at the input: what is kept is the prepared picture, uint8 (height, width, 3).
    choice : Choice
        Engine and device.
    half : bool
        Whether activations are kept in half precision, which takes half of the space; float32 else.
    cache_size : int
        Bytes that the activation cache may take.
    seed, crops
        Of augmented views; see ``View``.

    Attributes
    ----------
    shape : tuple of int
        Shape of one activation.
    n_passed : int
        Pictures that went through the prefix so far, each view counting.
    """

    def __init__(
        self,
        pictures: PictureSet,
        source: Source,
        cut: str | None,
        choice: Choice,
        *,
        half: bool = True,
        cache_size: int = DEFAULT_LIMIT,
        seed: int = 0,
        crops: bool = True,
    ) -> None:
        self.pictures, self.source, self.cut, self.seed, self.crops = pictures, source, cut, seed, crops
        self.n_passed = 0
        self.shape: tuple[int, ...] = ()
        self._choice, self._limit = choice, cache_size
        self._kind = np.dtype(np.uint8 if cut is None else np.float16 if half else np.float32)
        key = {**pass_key(source, choice), "view": "any", "cut": cut or PICTURES, "stored": self._kind.name}
        if cut is None:  # the bytes do not depend on weights or engine
            key = {name: key[name] for name in ("engine", "preprocessing", "view", "cut", "stored")}
        self._cache = team().first(lambda: PassCache(key))
        self._name = stored_name(cut or PICTURES)
        self._engine: Backend | None = None
        self._maps: dict[Path, NDArray[Any]] = {}
        self._places: dict[int, NDArray[np.int64]] = {}
        self._shards: list[Path] = []

    def ensure(self, number: int, rows: NDArray[np.int64], *, label: str | None = None, quiet: bool = True) -> None:
        """Compute view ``number`` of the pictures at ``rows``, as far as it is not in the cache."""
        known = self._places.setdefault(number, np.full((len(self.pictures), 2), -1))
        rows = rows[known[rows, 0] < 0]
        if not len(rows):
            return
        view = View(number, self.seed, self.crops)
        keys = self._keys(view, rows)
        self.n_passed += len(self._cache.missing(keys))
        for places in self._cache.shares(keys, team()):
            if self._engine is None:
                self._engine = self._make_engine()
            size = max(1, _SHARD // self._bytes()) if self.shape else 64
            name = label or f"{self.source.name}: view {number}"
            with progress(name, len(places), quiet=quiet) as advance:
                pieces = shards(
                    self._engine, self.pictures, rows[places], self.source.preprocessing, advance, view=view, size=size
                )
                for done, arrays in pieces:
                    values = next(iter(arrays.values())).astype(self._kind, copy=False)
                    self._cache.write(self._keys(view, done), {self.cut or PICTURES: values})
            self._cache.prune(self._limit)
        self._shards, places = self._cache.places(keys)
        known[rows] = places
        if not self.shape:
            self.shape = self._map(int(places[0, 0])).shape[1:]

    def gather(self, rows: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return view ``numbers[i]`` of picture ``rows[i]``, (b, *shape), as it is stored; ``ensure`` them first."""
        result = np.empty((len(rows), *self.shape), self._kind)
        for slot, (row, number) in enumerate(zip(rows, numbers, strict=True)):
            shard, place = self._places[int(number)][row]
            result[slot] = self._map(int(shard))[place]
        return result

    def _map(self, shard: int) -> NDArray[Any]:
        path = self._shards[shard]
        if path not in self._maps:
            self._maps[path] = mapped(path, self._name)
        return self._maps[path]

    def _bytes(self) -> int:
        return int(np.prod(self.shape)) * self._kind.itemsize

    def _keys(self, view: View, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([view.key(digest) for digest in self.pictures.digests[rows]])

    def _make_engine(self) -> Backend:
        if self.cut is None:
            return _AsTheyAre()
        return make_backend(self._choice, self.source, cut=self.cut)


class _AsTheyAre:
    """The engine of a cut at the input: it returns the prepared pictures."""

    name, precision, version = "none", "u8", "1"
    taps: tuple[str, ...] = (PICTURES,)
    batch_size = 4

    def __init__(self) -> None:
        self.workers = n_processors()

    def __call__(self, pictures: NDArray[np.uint8]) -> list[Any]:
        return [pictures]

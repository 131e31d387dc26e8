"""``extract``: the activations of a target at the taps of a source, computed once and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.backends import Choice, choose_backend, make_backend
from headstart.features.cache import DEFAULT_LIMIT, PassCache
from headstart.features.engine import shards
from headstart.results import DataError, HeadstartError
from headstart.results.team import team
from headstart.results.terminal import progress
from headstart.sources import Source, get

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet

ENGINE_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Activations(Mapping[str, "NDArray[np.float32]"]):
    """What each tap of a source gives for each row of a target.

    A mapping from tap name to a float32 array (n, d) in the order of ``ids``; rows that cannot be read are NaN.

    Attributes
    ----------
    arrays : dict
        The arrays by tap, in the order in which the stages run, then ``"last"``.
    ids : ndarray of str, shape (n,)
        The target's ids.
    source : Source
        What computed them, with the exact preprocessing.
    choice : Choice
        Engine and device.
    n_passed : int
        Pictures that went through the network now; 0 when all were in the cache.
    n_damaged : int
        Shards of the cache that were damaged and computed again.
    """

    arrays: dict[str, NDArray[np.float32]] = dataclasses.field(repr=False)
    ids: NDArray[np.str_] = dataclasses.field(repr=False)
    source: Source
    choice: Choice
    n_passed: int = 0
    n_damaged: int = 0

    def __getitem__(self, tap: str) -> NDArray[np.float32]:
        try:
            return self.arrays[tap]
        except KeyError:
            raise KeyError(f"{self.source.name!r} has no tap {tap!r}: {', '.join(self.arrays)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def pass_key(source: Source, choice: Choice) -> dict[str, Any]:
    """Return everything that activations depend on besides the bytes of the picture."""
    return {
        "engine": ENGINE_VERSION,
        "source": source.fingerprint,
        "preprocessing": source.preprocessing.to_dict(),
        "view": "plain",
        "batchnorm": "source",
        **choice.key(),
    }


def compute(
    pictures: PictureSet,
    source: Source,
    *,
    taps: Sequence[str] | None = None,
    choice: Choice | None = None,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int = DEFAULT_LIMIT,
    label: str | None = None,
    quiet: bool = True,
) -> Activations:
    """Return the activations of ``pictures``, all of which can be read; see ``extract``.

    ``choice`` fixes the engine (a plan that is replayed); without it, an engine whose activations are all in the
    cache is taken before any trial is made.
    """
    cache = None
    if choice is None:
        choice, cache = _complete_in_cache(source, pictures.digests, backend, device)
    if choice is None:
        choice = choose_backend(source, backend=backend, device=device)
    ours = team()
    if cache is None:
        key = pass_key(source, choice)
        cache = ours.first(lambda: PassCache(key))
    with ThreadPoolExecutor(1) as pool:
        # Nothing of this pass is there yet: the network is made ready while the pictures are hashed.
        early = pool.submit(make_backend, choice, source) if not len(cache) else None
        digests = pictures.digests
    n_passed = len(cache.missing(digests))
    for mine in cache.shares(digests, ours):
        engine = early.result() if early else make_backend(choice, source)
        with progress(label or f"{source.name}: features", len(mine), quiet=quiet) as advance:
            for done, vectors in shards(engine, pictures, mine, source.preprocessing, advance):
                cache.write(digests[done], vectors)
        cache.prune(cache_size)
    try:
        arrays = cache.read(digests, taps)
    except KeyError as error:
        raise HeadstartError(f"{source.name!r} has no tap {error.args[0]!r}: taps=None gives all") from None
    ids = np.array([str(position) for position in range(len(digests))])
    return Activations(arrays, ids, source, choice, n_passed=n_passed, n_damaged=cache.damaged)


def choose_engine(pictures: PictureSet, source: Source, *, backend: str = "auto", device: str = "auto") -> Choice:
    """Return the engine that ``compute`` would take: one whose activations are all in the cache, else by trial."""
    choice, _ = _complete_in_cache(source, pictures.digests, backend, device)
    return choice or choose_backend(source, backend=backend, device=device)


def extract(
    target: Any,
    source: str | Path | Source = "lite0",
    taps: Sequence[str] | None = None,
    *,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int = DEFAULT_LIMIT,
    quiet: bool = True,
) -> Activations:
    """Return what each tap of ``source`` gives for each picture of ``target``.

    A convolutional tap is averaged over positions, a token tap over patch tokens; ``"last"`` is what feeds the
    source's classifier. Every picture is decoded once and passed once, and the result is kept in the cache.

    Parameters
    ----------
    target : Target or anything that ``load_target`` takes
        The pictures.
    source : str, Path or Source
        See ``headstart.sources.get``.
    taps : sequence of str, optional
        The taps wanted; by default all of them.
    backend : {"auto", "openvino", "torch"}
        The engine; ``"auto"`` takes the faster one on this machine.
    device : str
        ``"auto"`` or a PyTorch device.
    cache_size : int
        Bytes that the activation cache may take.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    Activations
        A mapping from tap to a float32 array (n, d) in the order of ``target.ids``.

    Raises
    ------
    DataError
        If the target is a table of features, which has no pictures.
    HeadstartError
        If a tap, backend or device is unknown.
    """
    from headstart.data import load_target

    target = load_target(target)
    if target.pictures is None:
        raise DataError(f"{target.name!r} is a table of features: there are no pictures to extract features from")
    readable = np.array([row for row, name in enumerate(target.ids) if name not in target.unreadable], dtype=np.int64)
    found = compute(
        target.pictures.subset(readable),
        get(source),
        taps=taps,
        backend=backend,
        device=device,
        cache_size=cache_size,
        quiet=quiet,
    )
    arrays = {}
    for tap, vectors in found.arrays.items():
        arrays[tap] = np.full((len(target.ids), vectors.shape[1]), np.nan, dtype=np.float32)
        arrays[tap][readable] = vectors
    return dataclasses.replace(found, arrays=arrays, ids=target.ids)


def _complete_in_cache(
    source: Source, digests: NDArray[np.uint8], backend: str, device: str
) -> tuple[Choice, PassCache] | tuple[None, None]:
    """Return an engine, allowed by ``backend`` and ``device``, whose activations of all pictures are in the cache."""
    for name, where in (("openvino", "cpu"), ("torch", "cuda"), ("torch", "mps"), ("torch", "cpu")):
        if backend in {"auto", name} and device in {"auto", where}:
            candidate = Choice(name, where, "its activations were in the cache")
            cache = PassCache(pass_key(source, candidate))
            if not len(cache.missing(digests)):
                return candidate, cache
    return None, None

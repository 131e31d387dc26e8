"""The activation cache: what a picture gave at every tap of a source, found again by the picture's bytes.

A *pass* is one way of computing activations: source weights, exact preprocessing, view, BatchNorm state, backend,
precision, engine version. It has a folder of its own, with shards of some hundred pictures. A shard is a safetensors
file whose name carries the digest of its bytes: it is whole or absent, it is never changed, and two processes that
compute the same one write the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import HeadstartWarning
from headstart.results.cache import cache_folder, delete_oldest
from headstart.results.files import is_intact, write_checked, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.results.team import Team

_DIGESTS = "digests"
_SEPARATOR = "|"
DEFAULT_LIMIT = 20 * 2**30
_ABANDONED = 24 * 3600  # seconds


def stored_name(tap: str, position: int = 0) -> str:
    """Return what the array of the ``position``-th tap is called in a shard; sorted names are in running order."""
    return f"{position:03d}{_SEPARATOR}{tap}"


class PassCache:
    """The shards of one pass.

    Parameters
    ----------
    key : mapping
        Everything that the activations depend on besides the picture; plain values.
    folder : Path, optional
        The cache's folder; by default the user's.
    """

    def __init__(self, key: Mapping[str, Any], folder: Path | None = None) -> None:
        text = json.dumps(dict(key), sort_keys=True)
        self._root = (folder or cache_folder()) / "activations"
        self.folder = self._root / hashlib.sha256(text.encode()).hexdigest()[:24]
        self._key = dict(key)
        self._shards: list[Path] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        self.damaged = 0
        self.refresh()

    def refresh(self) -> None:
        """Read which pictures are there; a damaged shard is put away, said so, and counts as absent."""
        from safetensors import safe_open

        known = set(self._shards)
        for path in sorted(self.folder.glob("shard-*.safetensors")):
            if path in known:
                continue
            if not is_intact(path):
                self.damaged += 1
                path.unlink(missing_ok=True)
                warnings.warn(
                    f"a shard of the activation cache was damaged and is computed again: {path.name}",
                    HeadstartWarning,
                    stacklevel=2,
                )
                continue
            with safe_open(path, framework="numpy") as stored:
                self._index(path, stored.get_tensor(_DIGESTS))
            os.utime(path)

    def __len__(self) -> int:
        """Return how many pictures are there."""
        return len(self._where)

    def _index(self, path: Path, digests: NDArray[np.uint8]) -> None:
        self._shards.append(path)
        for row, digest in enumerate(digests):
            self._where.setdefault(digest.tobytes(), (len(self._shards) - 1, row))

    def missing(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the rows of ``digests`` (n, 32), first occurrences only, whose pictures are not there yet."""
        seen: set[bytes] = set()
        rows = []
        for row, digest in enumerate(digests):
            key = digest.tobytes()
            if key not in self._where and key not in seen:
                seen.add(key)
                rows.append(row)
        return np.array(rows, dtype=np.int64)

    def shares(self, digests: NDArray[np.uint8], team: Team) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of ``digests`` (n, 32) that this process is to compute; afterwards none is missing.

        Each process computes its share of what is missing, waits for the others, and reads what they wrote. Whatever
        is still missing then, because another run was in between, it computes itself.
        """
        rows = team.share(self.missing(digests))
        team.together()  # nobody writes before all have looked
        if len(rows):
            yield rows
        if team.size > 1:
            team.together()
            self.refresh()
            rows = self.missing(digests)
            if len(rows):
                yield rows

    def write(self, digests: NDArray[np.uint8], taps: Mapping[str, NDArray[Any]]) -> None:
        """Store the arrays (n, ...) a tap of the pictures with these digests as one shard."""
        from safetensors.numpy import save

        if not self.folder.is_dir():
            write_json(self.folder / "pass.json", self._key)
        names = {stored_name(tap, position): array for position, (tap, array) in enumerate(taps.items())}
        content = save({_DIGESTS: np.ascontiguousarray(digests), **names})
        path = write_checked(self.folder, "shard", ".safetensors", content)
        self._index(path, digests)

    def read(self, digests: NDArray[np.uint8], taps: Sequence[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of the pictures with these digests, tap by tap, float32 (n, d).

        Raises
        ------
        KeyError
            If a picture or a tap is not there.
        """
        from safetensors import safe_open

        _, places = self.places(digests)
        result: dict[str, NDArray[np.float32]] = {}
        for shard in np.unique(places[:, 0]):
            rows = np.flatnonzero(places[:, 0] == shard)
            with safe_open(self._shards[shard], framework="numpy") as stored:
                names = {key.partition(_SEPARATOR)[2]: key for key in sorted(stored.keys()) if key != _DIGESTS}
                for tap in taps if taps is not None else names:
                    array = stored.get_tensor(names[tap])
                    if tap not in result:
                        result[tap] = np.empty((len(digests), array.shape[1]), dtype=np.float32)
                    result[tap][rows] = array[places[rows, 1]]
        return result

    def places(self, digests: NDArray[np.uint8]) -> tuple[list[Path], NDArray[np.int64]]:
        """Return the shards, and for each of ``digests`` (n, 32) its shard's index and its row there, (n, 2).

        Raises
        ------
        KeyError
            If a picture is not there.
        """
        found = np.array([self._where[digest.tobytes()] for digest in digests], dtype=np.int64).reshape(-1, 2)
        return list(self._shards), found

    def prune(self, limit: int = DEFAULT_LIMIT) -> int:
        """Delete the shards of other passes that were used longest ago until all take at most ``limit`` bytes.

        Returns how many bytes were freed. The pass at hand is never touched.
        """
        for part in self._root.glob("*/.*.part"):  # left by a process that was killed
            with contextlib.suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > _ABANDONED:
                    part.unlink()
        shards = self._root.glob("*/shard-*.safetensors")
        return delete_oldest(shards, limit, spared=lambda path: path.parent == self.folder)

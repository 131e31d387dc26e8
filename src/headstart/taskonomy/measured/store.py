"""Results of a measurement, kept by content: what was finished before an interruption is read, not computed again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.results.cache import cache_folder, delete_oldest
from headstart.results.files import is_intact, write_checked

VERSION = 1
LIMIT = 2 * 2**30  # bytes


def key_of(**parts: Any) -> str:
    """Return the name of a result: a digest of everything that it depends on."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """Arrays by key, one file each, which is whole or absent; a damaged one counts as absent.

    Parameters
    ----------
    folder : Path, optional
        ``taskonomy`` in the user's cache by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder() / "taskonomy"
        self._paths = {path.name.partition("-")[0]: path for path in self._folder.glob("*.safetensors")}

    def read(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Return what is kept under a key, or None."""
        from safetensors.numpy import load

        path = self._paths.get(key)
        try:
            if path is None or not is_intact(path):
                return None
            os.utime(path)
            found: dict[str, NDArray[Any]] = load(path.read_bytes())
        except FileNotFoundError:  # another run made room
            return None
        return found

    def write(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays."""
        from safetensors.numpy import save

        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        self._paths[key] = write_checked(self._folder, key, ".safetensors", content)

    def prune(self, limit: int = LIMIT) -> int:
        """Delete what was used longest ago until all takes at most ``limit`` bytes; return how many were freed."""
        return delete_oldest(self._folder.glob("*.safetensors"), limit)

"""Where what was computed once is kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of the cache: ``$HEADSTART_CACHE``, else ``headstart`` in the user's cache folder."""
    named = os.environ.get("HEADSTART_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "headstart"


def delete_oldest(paths: Iterable[Path], limit: int, *, spared: Callable[[Path], bool] = lambda path: False) -> int:
    """Delete the files that were changed longest ago until all take at most ``limit`` bytes; return the bytes freed.

    Those that are ``spared`` count but stay. Whoever reads a file touches it, so that it counts as used.
    """
    entries = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:  # another process was faster
            continue
        entries.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in entries) - limit
    freed = 0
    for _, size, path in sorted(entries):
        if freed >= excess:
            break
        if not spared(path):
            path.unlink(missing_ok=True)
            freed += size
    return freed

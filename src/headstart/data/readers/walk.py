"""All picture files below a folder, each real file once, in an order that does not depend on the file system."""

from __future__ import annotations

import functools
import heapq
import os
from dataclasses import dataclass
from pathlib import Path

from headstart.data.readers.base import count, natural_key
from headstart.results import DataError

# HEIC is listed although it cannot be decoded: such a picture is named as unreadable, not passed over in silence.
PICTURE_SUFFIXES = frozenset(
    (
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm", "pbm", "pnm",
        "avif", "heic", "heif",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """What stands below a folder; paths are relative, with "/" between their parts.

    Attributes
    ----------
    pictures : list of str
        Sorted: by folder, then by name, numbers by value.
    folders : list of str
        Sorted the same way.
    others : list of str
        Files that are not pictures (by suffix), hidden ones not counted.
    skipped_links : int
        Symbolic links to a file or folder that was reached another way.
    """

    root: Path
    pictures: list[str]
    folders: list[str]
    others: list[str]
    skipped_links: int

    def notes(self) -> list[str]:
        """Return what was passed over, one sentence each."""
        notes = []
        if self.others:
            kinds = count(len(self.others), "file")
            notes.append(f"{kinds} without a picture's suffix passed over, such as {self.others[0]!r}")
        if self.skipped_links:
            notes.append(f"{count(self.skipped_links, 'symbolic link')} to what is read elsewhere passed over")
        return notes


def is_picture(name: str) -> bool:
    """Say whether a file's suffix is a picture's.

    >>> is_picture("a.b.JPG"), is_picture("jpg"), is_picture("a.txt")
    (True, False, False)
    """
    stem, dot, suffix = name.rpartition(".")
    return bool(dot and stem) and suffix.lower() in PICTURE_SUFFIXES


def walk(root: Path) -> Tree:
    """Find all pictures below ``root``. Real files and folders go before symbolic links that lead to them.

    Raises
    ------
    DataError
        If a folder cannot be listed.
    """
    real = [""]
    linked: list[tuple[tuple[object, object], str]] = []
    pictures, links, folders, others = list[str](), list[str](), list[str](), list[str]()
    seen: set[tuple[int, int]] = set()
    skipped = 0
    while real or linked:
        if real:
            folder = real.pop()
        else:  # all real folders are known by now, so a link into them, or back up, ends here
            folder = heapq.heappop(linked)[1]
        identity = _identity(root / folder)
        if identity in seen:
            skipped += 1
            continue
        seen.add(identity)
        folders.append(folder)
        try:
            listing = os.scandir(root / folder)
        except OSError as error:
            raise DataError(f"the folder {str(root / folder)!r} cannot be listed ({error.strerror})") from error
        with listing as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                link = entry.is_symlink()
                if entry.is_dir():
                    if link:
                        heapq.heappush(linked, (path_key(path), path))
                    else:
                        real.append(path)
                elif is_picture(entry.name):
                    if link or entry.is_file():  # neither pipes nor devices: reading them would not end
                        (links if link else pictures).append(path)
                else:
                    others.append(path)
    kept = _once(root, pictures, sorted(links, key=path_key))
    return Tree(
        root,
        sorted(pictures + kept, key=path_key),
        sorted(folders[1:], key=path_key),
        sorted(others, key=path_key),
        skipped + len(links) - len(kept),
    )


def path_key(path: str) -> tuple[object, object]:
    """Sort key of a relative path: its folder, part by part, then its name."""
    folder, _, name = path.rpartition("/")
    return _folder_key(folder), natural_key(name)


@functools.lru_cache(maxsize=4096)
def _folder_key(folder: str) -> list[object]:
    return [natural_key(part) for part in folder.split("/")]


def _once(root: Path, files: list[str], links: list[str]) -> list[str]:
    """Return the ``links`` that lead to none of ``files`` nor to what an earlier link leads to, or nowhere."""
    if not links:
        return []
    seen = {_identity(root / path) for path in files}
    kept = []
    for path in links:
        try:
            identity = _identity(root / path)
        except OSError:
            kept.append(path)  # a dangling link is a picture that cannot be read, and is listed as such
            continue
        if identity not in seen:
            seen.add(identity)
            kept.append(path)
    return kept


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino

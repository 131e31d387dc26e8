"""Files that are either whole or absent, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headstart.results.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def clear_storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into one line that says what to do."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"no space left on the disk while writing {str(path)!r}: free some space and give the same "
                "command again; what was finished is kept"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StorageError(f"{str(path)!r} cannot be written ({error.strerror}): choose another folder") from error
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically: readers see the old file or the new one, never a part."""
    with clear_storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys and one trailing newline, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_checked(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write ``content`` to ``folder/STEM-DIGEST.SUFFIX`` atomically; the digest lets ``is_intact`` see any damage."""
    path = folder / f"{stem}-{_short_digest(content)}{suffix}"
    write_bytes(path, content)
    return path


def is_intact(path: Path) -> bool:
    """Whether the bytes of a file that ``write_checked`` wrote are those that were written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return path.stem.rpartition("-")[2] == _short_digest(content)


def _short_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]

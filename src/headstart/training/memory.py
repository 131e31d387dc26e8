"""Memory that a training step frees and needs again at once."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # malloc.h
_LARGE = 2**30
_HIGHEST_OF_ITSELF = 32 * 2**20  # where glibc's own, moving threshold ends


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Let the C library keep what is freed inside, instead of handing it back to the system and asking again.

    glibc maps each large block anew, and the kernel clears it page by page: for the activations of a training step
    on a processor that took up to half of the time. On other systems, and with another allocator, nothing is changed.
    """
    try:
        libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        change, trim = (libc.mallopt, libc.malloc_trim) if libc else (None, None)
    except (OSError, AttributeError):
        change = trim = None
    if change is None or trim is None or not change(_MMAP_THRESHOLD, _LARGE):
        yield
        return
    change(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        change(_MMAP_THRESHOLD, _HIGHEST_OF_ITSELF)
        change(_TRIM_THRESHOLD, 2 * _HIGHEST_OF_ITSELF)
        trim(0)

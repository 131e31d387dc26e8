"""What an engine must offer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Backend(Protocol):
    """Runs a source over pictures of its input size. Calls may come from several threads at once.

    Attributes
    ----------
    name : str
        ``"openvino"`` or ``"torch"``.
    precision : str
        ``"f32"``; part of the cache's key.
    version : str
        Version of the library that computes.
    taps : tuple of str
        Names of what a call returns, in order.
    batch_size : int
        Pictures a call.
    workers : int
        How many threads should call at once.
    """

    name: str
    precision: str
    version: str
    taps: tuple[str, ...]
    batch_size: int
    workers: int

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the vectors, float32 (n, d) a tap, of uint8 ``pictures`` (n, height, width, 3), n <= batch_size."""
        ...


def n_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The C library keeps what is freed, as long as it is told to."""

import resource
import sys

import numpy as np
import pytest

from headstart.training.memory import kept_memory

SIZE = 64 * 2**20


def faults(times=5):
    """Pages that the kernel had to give, for blocks that were just freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(SIZE, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_is_kept_inside_and_given_back_after():
    outside = faults()
    if not outside:
        pytest.skip("this allocator keeps memory of itself")
    with kept_memory():
        faults(1)
        assert faults() < outside / 4
    assert faults() > outside / 2


def test_an_error_passes_through():
    with pytest.raises(KeyError), kept_memory():
        raise KeyError

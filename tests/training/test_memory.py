"""The C library keeps what is freed, as long as it is told to."""

import platform
import subprocess
import sys

import pytest

from headstart.training.memory import kept_memory

# A process of its own: holes that other tests left in the heap would take the block, and hide what becomes of it.
SCRIPT = """
import resource
from pathlib import Path
import numpy as np
from headstart.training.memory import kept_memory

SIZE = 64 * 2**20

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / SIZE

np.empty(SIZE, np.uint8).fill(1)
print(resident())
with kept_memory():
    np.empty(SIZE, np.uint8).fill(1)
    print(resident())
print(resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_memory_is_kept_inside_and_given_back_after():
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=300)
    before, inside, after = map(float, told.stdout.split())
    assert inside - before > 0.9
    assert after - before < 0.1


def test_an_error_passes_through():
    with pytest.raises(KeyError), kept_memory():
        raise KeyError

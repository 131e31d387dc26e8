"""Arrays inside safetensors files, read row by row without loading the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {"F32": np.float32, "F16": np.float16, "U8": np.uint8}


def mapped(path: Path, name: str) -> NDArray[Any]:
    """Return the array called ``name`` in a safetensors file, memory-mapped and read-only.

    The layout is that of https://huggingface.co/docs/safetensors: eight bytes that hold the header's length, the
    header as JSON, then the buffers.

    Raises
    ------
    KeyError
        If there is no such array.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    entry = header[name]
    start, _ = entry["data_offsets"]
    return np.memmap(path, _DTYPES[entry["dtype"]], "r", offset=8 + length + start, shape=tuple(entry["shape"]))

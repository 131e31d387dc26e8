"""A source as an ONNX graph with all taps as outputs: what the CPU engine runs and what a run exports.

The graph takes ``pictures``, uint8 (n, height, width, 3), normalizes them itself, and returns one float32 (n, d)
output a tap. It is made once a source and kept in the cache.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.results import SourceError
from headstart.results.cache import cache_folder
from headstart.results.files import is_intact, write_checked

if TYPE_CHECKING:
    from headstart.sources import Source

GRAPH_VERSION = 1
OPSET = 17
INPUT = "pictures"
LAST = "last"


def graph_file(source: Source, folder: Path | None = None, *, cut: str | None = None) -> Path:
    """Return the path of the ONNX graph of ``source``, made first if it is not in the cache or is damaged there.

    With a ``cut`` it is the part of the network that runs before the stage of that name, and its one output is the
    whole activation that enters the stage.

    Raises
    ------
    SourceError
        If the network cannot be exported to ONNX.
    """
    folder = (folder or cache_folder()) / "networks"
    preprocessing = source.preprocessing
    parts = [GRAPH_VERSION, source.fingerprint, preprocessing.size, preprocessing.mean, preprocessing.std]
    if cut is not None:
        parts.append(cut)
    stem = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    for path in folder.glob(f"{stem}-*.onnx"):
        if is_intact(path):
            return path
        path.unlink(missing_ok=True)
    return write_checked(folder, stem, ".onnx", export_graph(source, cut=cut))


def export_graph(source: Source, *, cut: str | None = None) -> bytes:
    """Return the ONNX graph of ``source`` with all its taps, or of its part before a ``cut``, as bytes."""
    import torch

    from headstart.features.taps import TappedNetwork

    network = TappedNetwork(source, cut=cut)
    example = torch.zeros((2, *source.preprocessing.size, 3), dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.inference_mode(), tempfile.TemporaryDirectory() as scratch:
            warnings.simplefilter("ignore")
            path = Path(scratch) / "graph.onnx"
            # The exporter of torch.jit takes half a second where the one of torch.export takes ten.
            torch.onnx.export(
                network,
                (example,),
                path,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(network.outputs),
                dynamic_axes={INPUT: {0: "n"}, **{tap: {0: "n"} for tap in network.outputs}},
            )
            return path.read_bytes()
    except (RuntimeError, ValueError, TypeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise SourceError(f"{source.name!r} cannot be exported to ONNX ({first}): use backend='torch'") from error

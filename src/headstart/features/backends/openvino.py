"""OpenVINO: the fast engine on a CPU."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backends.base import n_processors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class OpenVinoBackend:
    """An ONNX graph that takes pictures (see ``features.graph``), compiled for this CPU, in float32 by name.

    One stream a processor, each computing a small batch by itself: decoding and inference then share the processors
    without waiting for one another.

    Parameters
    ----------
    graph : Path
        The ONNX file.
    """

    name = "openvino"
    precision = "f32"
    batch_size = 4

    def __init__(self, graph: Path) -> None:
        import openvino

        self.version = openvino.__version__.partition("-")[0]
        streams = n_processors()
        self.workers = streams + 1  # so that no stream waits for a batch to be decoded
        core = openvino.Core()
        model = core.read_model(graph)
        height, width = (model.input(0).partial_shape[axis].get_length() for axis in (1, 2))
        self.size: tuple[int, int] = (height, width)
        self._shape = (self.batch_size, height, width, 3)
        model.reshape(list(self._shape))
        self._model = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": streams,
            },
        )
        # Where an output is also an inner node it has both names; inner names are paths.
        self.taps = tuple(
            next(name for name in output.names if not name.startswith("/")) for output in self._model.outputs
        )
        self._requests = threading.local()
        # OpenVINO 2026 sets itself up at the first call, and two first calls at once can wait for each other for ever:
        # one holds the interpreter's lock, the other the lock of C++ around a static variable.
        self(np.zeros((1, height, width, 3), np.uint8))
        del self._requests.request  # this thread rarely calls again

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        n = len(pictures)
        if n < self.batch_size:
            # The compiled shape is fixed: fill up, and give back what was asked for.
            pictures = np.concatenate([pictures, np.zeros((self.batch_size - n, *self._shape[1:]), np.uint8)])
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._model.create_infer_request()
        request.infer([pictures], share_inputs=True)
        return [request.get_output_tensor(k).data[:n].copy() for k in range(len(self.taps))]

"""OpenVINO: the fast engine on a CPU."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backends.base import n_processors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.sources import Source


class OpenVinoBackend:
    """A source compiled by OpenVINO for this CPU, in float32 by name.

    One stream a processor, each computing a small batch by itself: decoding and inference then share the processors
    without waiting for one another.

    Parameters
    ----------
    source : Source
        What to run.
    """

    name = "openvino"
    precision = "f32"
    batch_size = 8

    def __init__(self, source: Source) -> None:
        import openvino

        from headstart.features.graph import graph_file

        self.version = openvino.__version__.partition("-")[0]
        self.workers = n_processors()
        core = openvino.Core()
        model = core.read_model(graph_file(source))
        self._shape = (self.batch_size, *source.preprocessing.size, 3)
        model.reshape(list(self._shape))
        self._model = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": self.workers,
                "INFERENCE_NUM_THREADS": self.workers,
            },
        )
        self.taps = tuple(output.any_name for output in self._model.outputs)
        self._requests = threading.local()

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

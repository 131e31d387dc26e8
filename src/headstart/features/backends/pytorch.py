"""PyTorch: every device, every network."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backends.base import n_processors
from headstart.results import HeadstartError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.sources import Source


class TorchBackend:
    """A source in PyTorch, channels last, float32, one call at a time while other threads decode.

    Parameters
    ----------
    source : Source
        What to run.
    device : str
        A PyTorch device such as ``"cpu"`` or ``"cuda:0"``.
    cut : str, optional
        See ``TappedNetwork``.

    Raises
    ------
    HeadstartError
        If PyTorch has no such device.
    """

    name = "torch"
    precision = "f32"

    def __init__(self, source: Source, device: str = "cpu", *, cut: str | None = None) -> None:
        import torch

        from headstart.features.taps import TappedNetwork

        try:
            self._device = torch.device(device)
            self._network = TappedNetwork(source, cut=cut).to(memory_format=torch.channels_last).to(self._device)
        except (RuntimeError, AssertionError) as error:
            raise HeadstartError(f"device {device!r} cannot be used ({error}): give --device cpu") from None
        self.version = torch.__version__.partition("+")[0]
        self.taps = self._network.outputs
        self.batch_size = 32 if self._device.type == "cpu" else 128
        self.workers = n_processors() + 1
        self._turn = threading.Lock()

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        import torch

        batch = torch.from_numpy(pictures)
        with self._turn, torch.inference_mode():
            outputs = self._network(batch.to(self._device, non_blocking=True))
            return [output.float().contiguous().cpu().numpy() for output in outputs]

"""The engines, and the choice between them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backends.base import Backend, n_processors
from headstart.results import HeadstartError, SourceError
from headstart.results.cache import cache_folder
from headstart.results.files import write_json

if TYPE_CHECKING:
    from headstart.sources import Source

__all__ = ["Backend", "Choice", "choose_backend", "make_backend", "n_processors"]

_TRIAL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which engine runs where, and the trial that decided it.

    Attributes
    ----------
    backend : str
        ``"openvino"`` or ``"torch"``.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    why : str
        One sentence.
    rates : dict
        Pictures a second of each engine that was tried; empty without a trial. Depends on the clock.
    """

    backend: str
    device: str
    why: str
    rates: dict[str, float] = dataclasses.field(default_factory=dict)

    def key(self) -> dict[str, str]:
        """Return what of it the activations depend on."""
        package = "openvino" if self.backend == "openvino" else "torch"
        return {
            "backend": self.backend,
            "version": version(package).partition("+")[0].partition("-")[0],
            "precision": "f32",
            "device": self.device.partition(":")[0],
        }


def make_backend(choice: Choice, source: Source, *, cut: str | None = None) -> Backend:
    """Return the engine that was chosen, ready to run ``source``, or its part before a ``cut``."""
    if choice.backend == "openvino":
        from headstart.features.backends.openvino import OpenVinoBackend
        from headstart.features.graph import graph_file

        return OpenVinoBackend(graph_file(source, cut=cut))
    from headstart.features.backends.pytorch import TorchBackend

    return TorchBackend(source, choice.device, cut=cut)


def choose_backend(source: Source, *, backend: str = "auto", device: str = "auto") -> Choice:
    """Return the engine for ``source``: what was named, else what a short trial on this machine found faster.

    The trial's outcome is kept in the cache, so that it is made once a source and machine.

    Raises
    ------
    HeadstartError
        If the names are unknown or do not go together.
    """
    if backend not in {"auto", "openvino", "torch"}:
        raise HeadstartError(f"no backend {backend!r}: choose auto, openvino or torch")
    if device == "auto":
        device = "cpu" if backend == "openvino" else _best_device()
    if backend == "openvino":
        if device != "cpu":
            raise HeadstartError(f"the openvino backend runs on the cpu, not on {device!r}: leave one of the two out")
        return Choice("openvino", "cpu", "named")
    if backend == "torch":
        return Choice("torch", device, "named")
    if device != "cpu":
        return Choice("torch", device, f"{device} is there")
    return _trial(source)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _trial(source: Source) -> Choice:
    candidates = {name: Choice(name, "cpu", "") for name in ("openvino", "torch")}
    machine = [platform.machine(), platform.processor(), n_processors()]
    parts = [source.fingerprint, source.preprocessing.size, machine, [c.key() for c in candidates.values()]]
    path = cache_folder() / "trials" / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]}.json"
    try:
        rates = {str(name): float(rate) for name, rate in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        rates = {}
        for name, candidate in candidates.items():
            try:
                rates[name] = _rate(make_backend(candidate, source), source)
            except SourceError:
                continue
        write_json(path, rates)
    if "openvino" not in rates:
        return Choice("torch", "cpu", "the network cannot be exported to ONNX", rates)
    best = max(rates, key=rates.__getitem__)
    return Choice(best, "cpu", f"{best} was the fastest in a trial on this machine", rates)


def _rate(backend: Backend, source: Source) -> float:
    """Return pictures a second of as many callers as the engine wants, on up to 96 pictures or for about a second."""
    pictures = np.full((min(8, backend.batch_size), *source.preprocessing.size, 3), 127, dtype=np.uint8)

    def work(until: float) -> int:
        done = 0
        while done < 96 // backend.workers and time.perf_counter() < until:
            backend(pictures)
            done += len(pictures)
        return done

    with ThreadPoolExecutor(backend.workers) as pool:
        list(pool.map(backend, [pictures] * backend.workers))  # to warm up
        started = time.perf_counter()
        done = sum(pool.map(work, [started + _TRIAL_SECONDS] * backend.workers))
        return done / (time.perf_counter() - started)

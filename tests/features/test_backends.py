"""The engines by themselves."""

import os
import subprocess
import sys
import threading

import numpy as np

from headstart.features.backends import Choice, choose_backend, make_backend
from headstart.sources import get

FIRST_CALLS = """
import os, sys, threading
import numpy as np
from headstart.features.backends import Choice, make_backend
from headstart.sources import get

backend = make_backend(Choice("openvino", "cpu", ""), get("lite0"))
pictures = np.zeros((4, *backend.size, 3), np.uint8)
start, done = threading.Barrier(8), []

def call():
    start.wait()
    done.append(backend(pictures))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=call, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(5)
sys.stdout.write(str(len(done)))
sys.stdout.flush()
os._exit(0)  # past the threads that hang
"""


def test_the_first_calls_may_come_at_once():
    """OpenVINO 2026.4 by itself hangs here: 15 times of 15."""
    make_backend(Choice("openvino", "cpu", ""), get("lite0"))  # writes the graph
    result = subprocess.run(
        [sys.executable, "-c", FIRST_CALLS], env=os.environ, capture_output=True, text=True, timeout=300
    )
    assert result.stdout == "8", result.stderr


def test_the_trial_calls_an_engine_from_as_many_threads_as_the_engine_wants(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))  # the tests share their trials otherwise
    called = {}

    class Fake:
        def __init__(self, name, workers):
            self.name, self.workers, self.batch_size, self.taps = name, workers, 4, ("last",)
            self.everyone = threading.Barrier(workers)

        def __call__(self, pictures):
            self.everyone.wait(timeout=30)
            called[self.name] = self.workers
            return [np.zeros((len(pictures), 1), np.float32)]

    workers = {"openvino": 4, "torch": 2}
    monkeypatch.setattr(
        "headstart.features.backends.make_backend",
        lambda choice, source: Fake(choice.backend, workers[choice.backend]),
    )
    choice = choose_backend(get("lite0"))
    assert called == workers and set(choice.rates) == set(workers)

"""Files on disk to features in memory: Headstart's engine beside the loop people write.

Lite0 on the clothing photos, last tap. Each measurement is a process of its own; the three take turns.

- loop: torchvision's ImageFolder and DataLoader, timm's transform, eager float32, its best worker count;
- engine: ``compute`` with an empty activation cache (decoding, network, hashing, writing the cache, reading it);
- ready: OpenVINO alone, on tensors that are already in memory, at its best batch size.

    python benchmarks/engine.py FOLDER [--rounds 5] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import publish

SOURCE = "lite0"


def loop(folder: Path, workers: int, every: int) -> tuple[float, np.ndarray]:
    """Run the usual loop; return pictures a second and features in the order of the files."""
    import torch
    from timm.data import create_transform
    from torch.utils.data import DataLoader, Subset
    from torchvision.datasets import ImageFolder

    from headstart.sources import get

    source = get(SOURCE)
    p = source.preprocessing
    transform = create_transform(
        (3, *p.size), interpolation=p.interpolation, mean=p.mean, std=p.std, crop_pct=p.crop_pct, crop_mode="center"
    )
    network = source.network()
    network.reset_classifier(0)
    started = time.perf_counter()
    pictures = ImageFolder(str(folder), transform)
    pictures = Subset(pictures, range(0, len(pictures), every))
    loader = DataLoader(pictures, batch_size=32, num_workers=workers)
    with torch.inference_mode():
        features = np.concatenate([network(x).numpy() for x, _ in loader])
    return len(features) / (time.perf_counter() - started), features


def engine(folder: Path, every: int) -> tuple[float, np.ndarray]:
    """Run Headstart's engine on an empty activation cache; libraries are loaded before, as the loop's are."""
    from torchvision.datasets import ImageFolder

    from headstart.data import PictureSet
    from headstart.features.activations import compute
    from headstart.features.backends import choose_backend, make_backend
    from headstart.sources import get

    source = get(SOURCE)
    choice = choose_backend(source)
    make_backend(choice, source)
    started = time.perf_counter()
    files = [path for path, _ in ImageFolder(str(folder)).samples[::every]]
    features = compute(PictureSet(files), source, taps=["last"], choice=choice)["last"]
    return len(files) / (time.perf_counter() - started), features


def ready(batch: int) -> float:
    """Return what OpenVINO alone reaches on ready tensors, pictures a second."""
    import openvino

    from headstart.features.backends.base import n_processors
    from headstart.features.graph import graph_file
    from headstart.sources import get

    source = get(SOURCE)
    core = openvino.Core()
    model = core.read_model(graph_file(source))
    model.reshape([batch, *source.preprocessing.size, 3])
    n = n_processors()
    compiled = core.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": n, "INFERENCE_NUM_THREADS": n}
    )
    pictures = np.random.default_rng(0).integers(0, 256, (batch, *source.preprocessing.size, 3), dtype=np.uint8)
    queue = openvino.AsyncInferQueue(compiled, 2 * n)

    def run(rounds: int) -> None:
        for _ in range(rounds):
            queue.start_async({0: pictures})
        queue.wait_all()

    run(4)
    rounds = 2000 // batch
    started = time.perf_counter()
    run(rounds)
    return rounds * batch / (time.perf_counter() - started)


def measure(what: str, folder: Path, every: int, cache: Path, keep: Path | None = None) -> float:
    """Measure one thing in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--every", str(every), "--only", what]
    if keep is not None:
        command += ["--keep", str(keep)]
    environment = {**os.environ, "HEADSTART_CACHE": str(cache)}
    for shard in cache.glob("activations/*/*"):
        shard.unlink()
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def main() -> None:
    """Take turns, print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, help="use every so-many-th picture")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if options.only:
        kind, _, number = options.only.partition(":")
        if kind == "ready":
            print(json.dumps(ready(int(number))))
            return
        if kind == "loop":
            rate, features = loop(options.folder, int(number), options.every)
        else:
            rate, features = engine(options.folder, options.every)
        if options.keep:
            np.save(options.keep, features)
        print(json.dumps(rate))
        return
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        kept = [Path(scratch) / name for name in ("loop.npy", "engine.npy")]
        measure("engine", options.folder, options.every, cache, kept[1])  # fills the cache of networks and trials
        workers = {k: measure(f"loop:{k}", options.folder, options.every, cache, kept[0]) for k in (0, 1, 2)}
        batches = {k: measure(f"ready:{k}", options.folder, options.every, cache) for k in (1, 4, 8, 16, 32)}
        a, b = np.load(kept[0]), np.load(kept[1])
        difference = float(np.abs(a - b).max() / np.abs(a).max())
        best_loop, best_ready = f"loop:{max(workers, key=workers.get)}", f"ready:{max(batches, key=batches.get)}"
        rows = [
            [measure(what, options.folder, options.every, cache) for what in (best_loop, "engine", best_ready)]
            for _ in range(options.rounds)
        ]
    table = np.array(rows)
    lines = [
        f"{len(a):,} photos, {os.cpu_count()} processors; {options.rounds} rounds, the three in turn, a process each; "
        f"largest difference of the features: {difference:.1e} of their scale.",
        f"Worker counts of the loop tried once, pictures/s: {', '.join(f'{k}: {v:.0f}' for k, v in workers.items())}. "
        f"Batch sizes of ready tensors: {', '.join(f'{k}: {v:.0f}' for k, v in batches.items())}.",
        "",
        "| | min | median | max |",
        "|---|---|---|---|",
    ]
    named = {
        f"loop people write ({best_loop}), pictures/s": table[:, 0],
        "Headstart, pictures/s": table[:, 1],
        f"OpenVINO on ready tensors ({best_ready}), pictures/s": table[:, 2],
        "**Headstart / loop**": table[:, 1] / table[:, 0],
        "**Headstart / ready tensors**": table[:, 1] / table[:, 2],
    }
    for name, values in named.items():
        digits = 2 if "**" in name else 0
        lines.append(
            f"| {name} | {min(values):.{digits}f} | {np.median(values):.{digits}f} | {max(values):.{digits}f} |"
        )
    text = "\n".join(lines)
    publish(text, options.write, "engine")


if __name__ == "__main__":
    main()

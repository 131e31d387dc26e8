"""What an epoch of fine-tuning from the cache costs, beside forward and backward of the part above the cut alone.

Clothing photos, Lite0. The bare loop has its batches in memory, as float32 tensors in the layout of the network, and
takes no optimizer step. The two take turns, three epochs each, in one process; the first turn is not counted. What a
training costs once, such as reading the network's weights, is spread over its three epochs. The error of the cache's
half precision is what it changes in the losses of these epochs, from those with a float32 cache.

    python benchmarks/epoch.py SHARED [--rounds 5] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import replace_section

N = 640
EPOCHS = 3
CUTS = ("blocks.4", "blocks.5", "blocks.6")


def photos(shared: Path) -> tuple[Any, Any, Any]:
    """Return pictures, their classes (n,), and weights and bias of a head that knows nothing."""
    from headstart.data import load_target

    target = load_target(shared / "data" / "clothing")
    assert target.pictures is not None
    rows, k = np.random.default_rng(0).permutation(target.rows("train"))[:N], len(target.classes)
    return target.pictures.subset(rows), target.y[rows], (np.zeros((k, 1280)), np.zeros(k))


def half_error(shared: Path, cut: str) -> float:
    """Return the largest difference of an epoch's loss between the cache's half precision and float32."""
    from headstart.features.activations import choose_engine
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import fine_tune
    from headstart.sources import get
    from headstart.training.loop import Recipe

    source, (pictures, y, head) = get("lite0"), photos(shared)
    choice = choose_engine(pictures, source)
    losses = [
        fine_tune(
            CutActivations(pictures, source, cut, choice, half=half), y, np.arange(N), head, Recipe(epochs=EPOCHS)
        ).trained.losses
        for half in (True, False)
    ]
    return float(np.abs(np.subtract(*losses)).max())


def ratios(shared: Path, cut: str, rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds a picture of the bare loop and of an epoch from the cache."""
    import torch

    from headstart.features.activations import choose_engine
    from headstart.features.cut import CutActivations
    from headstart.finetuning.batches import ViewBatches
    from headstart.finetuning.finetune import fine_tune
    from headstart.finetuning.freezing import freeze
    from headstart.finetuning.top import Top, with_head
    from headstart.sources import get
    from headstart.training.frozen import freeze_statistics
    from headstart.training.loop import Recipe
    from headstart.training.memory import kept_memory

    source, (pictures, y, head) = get("lite0"), photos(shared)
    store = CutActivations(pictures, source, cut, choose_engine(pictures, source))
    network = with_head(source.network(), *head)
    freeze(network, until=cut)
    top = freeze_statistics(Top(network, cut, source.preprocessing)).to(memory_format=torch.channels_last).train()
    batches = list(ViewBatches(store, y, np.arange(N), batch_size=32).epoch(0))
    batches = [(inputs.float(), classes) for inputs, classes in batches]
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1)

    def bare() -> None:
        with kept_memory():
            for inputs, classes in batches * EPOCHS:
                top.zero_grad()
                loss(top(inputs), classes).backward()

    def cached() -> None:
        fine_tune(store, y, np.arange(N), head, Recipe(epochs=EPOCHS))

    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for run, found in zip((bare, cached), seconds, strict=True):
            started = time.perf_counter()
            run()
            if turn:
                found.append((time.perf_counter() - started) / N / EPOCHS)
    return seconds


def main() -> None:
    """Measure each cut, print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = [
        "| trained from | forward and backward, ms a picture | epoch from the cache, ms a picture "
        "| ratio, median (range) | half precision changes the loss by |",
        "|---|---|---|---|---|",
    ]
    for cut in CUTS:
        bare, cached = ratios(options.shared, cut, options.rounds)
        found = np.array(cached) / np.array(bare)
        lines.append(
            f"| {cut} | {1e3 * np.median(bare):.1f} | {1e3 * np.median(cached):.1f} "
            f"| **{np.median(found):.2f}** ({found.min():.2f}–{found.max():.2f}) "
            f"| {half_error(options.shared, cut):.1e} |"
        )
        print(lines[-1], flush=True)
    if options.write:
        replace_section(options.write, "epoch", "\n".join(lines))


if __name__ == "__main__":
    main()

"""What an epoch of fine-tuning from the cache costs, beside forward and backward of the part above the cut alone.

Clothing photos, Lite0. The bare loop has its batches in memory, as float32 tensors in the layout of the network, and
takes no optimizer step. The two take turns, three epochs each, in one process; the first turn is not counted. What a
training costs once, such as reading the network's weights, is spread over its three epochs.

    python benchmarks/epoch.py SHARED [--rounds 5] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from common import replace_section

N = 640
EPOCHS = 3
CUTS = ("blocks.4", "blocks.5", "blocks.6")


def ratios(shared: Path, cut: str, rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds a picture of the bare loop and of an epoch from the cache."""
    import torch

    from headstart.data import load_target
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

    target, source = load_target(shared / "data" / "clothing"), get("lite0")
    assert target.pictures is not None
    rows, k = np.random.default_rng(0).permutation(target.rows("train"))[:N], len(target.classes)
    y, pictures = target.y[rows], target.pictures.subset(rows)
    store = CutActivations(pictures, source, cut, choose_engine(pictures, source))
    head = np.zeros((k, 1280)), np.zeros(k)
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
        "| ratio, median (range) |",
        "|---|---|---|---|",
    ]
    for cut in CUTS:
        bare, cached = ratios(options.shared, cut, options.rounds)
        found = np.array(cached) / np.array(bare)
        lines.append(
            f"| {cut} | {1e3 * np.median(bare):.1f} | {1e3 * np.median(cached):.1f} "
            f"| **{np.median(found):.2f}** ({found.min():.2f}–{found.max():.2f}) |"
        )
        print(lines[-1], flush=True)
    if options.write:
        replace_section(options.write, "epoch", "\n".join(lines))


if __name__ == "__main__":
    main()

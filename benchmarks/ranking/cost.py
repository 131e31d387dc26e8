"""What a ranking costs: ``headstart rank`` on the clothing photos with four sources, beside one plain epoch of Lite0.

The epoch is what a person writes: torchvision's ImageFolder, random crops, a DataLoader with two workers, timm's Lite0
with all layers trained, AdamW. The ranking starts with an empty cache, in a process of its own: hashing, four passes,
all scores, intervals, and the probe of those that may be best. Both take turns. What fine-tuning every source would
cost, six epochs each as in the truth table, is told from ``BATCHES`` batches of each.

    python benchmarks/ranking/cost.py SHARED [--rounds 2] [--write docs/rank.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import command, publish

BATCHES, EPOCHS = 10, 6


def epoch(folder: Path, name: str = "lite0", most: int | None = None) -> float:
    """Return the seconds of one epoch of plain fine-tuning of the whole network, told from ``most`` batches."""
    import torch
    from torchvision import datasets, transforms

    from headstart.sources import get

    source = get(name)
    network = source.network()
    network.reset_classifier(10)
    network.train()
    view = transforms.Compose([
        transforms.RandomResizedCrop(source.preprocessing.size, scale=(0.35, 1.0)),
        transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize(source.preprocessing.mean, source.preprocessing.std),
    ])  # fmt: skip
    pictures = datasets.ImageFolder(str(folder), view)
    loader = torch.utils.data.DataLoader(pictures, 32, shuffle=True, num_workers=2)
    optimizer, loss = torch.optim.AdamW(network.parameters(), 1e-3), torch.nn.CrossEntropyLoss()
    started, done = time.perf_counter(), 0
    for done, (inputs, classes) in enumerate(loader, start=1):
        optimizer.zero_grad()
        loss(network(inputs), classes).backward()
        optimizer.step()
        if done == most:
            break
    return (time.perf_counter() - started) * len(loader) / done


def ranking(data: Path, sources: list[str]) -> float:
    """Return the seconds of ``headstart rank`` in a process of its own, with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        named = [word for name in sources for word in ("--source", name)]
        started = time.perf_counter()
        subprocess.run(
            command("rank", data, *named, "--quiet"), env={**os.environ, "HEADSTART_CACHE": cache}, check=True
        )
        return time.perf_counter() - started


def main() -> None:
    """Let both take turns, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    data = options.shared / "data" / "clothing"
    checkpoint = options.shared / "sources" / "mobilenet_v2-b0353104.pth"
    sources = ["lite0", "lite1", "lite2", f"mobilenetv2_100@{checkpoint}"]
    pairs = [(ranking(data, sources), epoch(data / "train")) for _ in range(options.rounds)]
    every = EPOCHS * sum(epoch(data / "train", name, BATCHES) for name in sources)
    ratios = sorted(one / other for one, other in pairs)
    text = (
        f"Ranking four sources took {min(one for one, _ in pairs):.0f} s, one epoch of plain fine-tuning "
        f"{min(other for _, other in pairs):.0f} s: {ratios[0]:.2f} to {ratios[-1]:.2f} times as long "
        f"({options.rounds} rounds, two cores). Fine-tuning all four for {EPOCHS} plain epochs would take "
        f"{every / 60:,.0f} minutes, told from {BATCHES} batches of each; the ranking costs "
        f"{min(one for one, _ in pairs) / every:.1%} of that."
    )
    publish(text, options.write, "cost")


if __name__ == "__main__":
    main()

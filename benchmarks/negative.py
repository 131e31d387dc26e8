"""Negative transfer for real: a source of one's own that was trained on something else.

A small network learns Fashion-MNIST from random weights (grey, 28 pixels, clothes on black), and is then given as the
source for photos of groceries, whose classes differ by colour and texture; so is the same network of random weights.
What is looked at: what the verdict says, and what ``fit`` hands back.

    python benchmarks/negative.py [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
from common import grocery, replace_section
from targets import fashion

SIDE = 64
N = 6000


def main() -> None:
    """Train the source, fit with it and without its training, print and write."""
    import headstart
    from headstart.features.backends import Choice
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import as_source, fine_tune, predict
    from headstart.sources import Preprocessing, Source
    from headstart.sources.card import Card
    from headstart.training.loop import Recipe

    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    blank = Source(
        "random", Card("mobilenetv3_small_050", "nothing", n_classes=10), Preprocessing((SIDE, SIDE)), seed=0
    )
    target = fashion(N)
    rows = np.arange(len(target))
    learned, held = rows[: 5 * N // 6], rows[5 * N // 6 :]
    assert target.pictures is not None
    store = CutActivations(target.pictures, blank, None, Choice("torch", "cpu", ""))
    zeros = np.zeros((10, blank.network().get_classifier().in_features)), np.zeros(10)
    recipe = Recipe(epochs=8, rate=2e-3, head_rate=2e-3, layer_decay=1.0)
    network = fine_tune(store, target.y, learned, zeros, recipe, hold=False).network
    reached = (predict(network, store, held).argmax(axis=1) == target.y[held]).mean()
    trained = as_source(network, blank, "Fashion-MNIST", 10)
    path, *columns = grocery()
    names = dict(zip((name.removeprefix("--") for name in columns[::2]), columns[1::2], strict=True))
    lines = [
        f"The source reaches {reached:.3f} accuracy on Fashion-MNIST pictures it did not see.",
        "",
        "| source | verdict | handed back | macro-F1 on the test part |",
        "|---|---|---|---|",
    ]
    for name, source in (("Fashion-MNIST", trained), ("random weights", blank), ("Lite0, ImageNet", "lite0")):
        with tempfile.TemporaryDirectory() as scratch:
            run = headstart.fit(path, out=Path(scratch) / "run", source=source, strategy="frozen", **names)
            verdict = run.info["decisions"]["Did transfer help?"]
            lines.append(
                f"| {name} | {verdict['headline']} | {run.info['model']['text']} "
                f"| {run.info['metrics']['macro_f1']['value']:.3f} |"
            )
        print(lines[-1], flush=True)
    if options.write:
        replace_section(options.write, "negative", "\n".join(lines))


if __name__ == "__main__":
    main()

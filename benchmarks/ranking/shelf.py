"""The sources of the truth table: packaged ones, a checkpoint, three of our own, random weights; all at 112 pixels.

Our own are Lite0 networks: one learned Fashion-MNIST from random weights, two were fine-tuned from ImageNet until
little of it was left (all layers, a rate at which the source is forgotten, docs/rates.md): on one style of emoji, and
on half of the clothing photos. They are kept as checkpoints, so that a second run finds them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from targets import fashion

from headstart.data import Target, load_target
from headstart.sources import Source, get

SIDE = 112
EPOCHS = 8
ARCHITECTURE = "tf_efficientnet_lite0"


def small(source: Source) -> Source:
    """Return the source with pictures of 112 pixels."""
    return dataclasses.replace(source, preprocessing=dataclasses.replace(source.preprocessing, size=(SIDE, SIDE)))


def shelf(shared: Path, folder: Path) -> dict[str, Source]:
    """Return the eight sources; those of our own are trained into ``folder`` where they are not there yet."""
    found = {name: get(name) for name in ("lite0", "lite1", "lite2")}
    found["mobilenetv2"] = get(shared / "sources" / "mobilenet_v2-b0353104.pth", architecture="mobilenetv2_100")
    found["random"] = get("lite0", pretrained=False)
    ours: dict[str, tuple[Callable[[], tuple[Target, np.ndarray]], Source, float]] = {
        "fashion": (lambda: _all(fashion(6000)), found["random"], 2e-3),
        "emoji": (lambda: _all(load_target(shared / "data/emoji/google")), found["lite0"], 1e-3),
        "clothing": (lambda: halves(load_target(shared / "data/clothing"), 0), found["lite0"], 1e-3),
    }
    for name, (data, start, rate) in ours.items():
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            _train(*data(), small(start), rate, path, folder)
        one = get(f"{ARCHITECTURE}@{path}")
        card = dataclasses.replace(one.card, trained_on=name)
        found[name] = dataclasses.replace(one, card=card, preprocessing=found["lite0"].preprocessing)
    return {name: small(source) for name, source in found.items()}


def halves(target: Target, part: int) -> tuple[Target, np.ndarray]:
    """Return a target with one half of its development part, by group: 0 or 1."""
    rows = target.rows("train", "val")
    return target, rows[target.groups[rows] % 2 == part]


def _all(target: Target) -> tuple[Target, np.ndarray]:
    return target, np.arange(len(target))


def _train(target: Target, rows: np.ndarray, start: Source, rate: float, path: Path, folder: Path) -> None:
    from safetensors.torch import save_file

    from headstart.features.backends import Choice
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import Views, fine_tune
    from headstart.training.loop import Recipe

    assert target.pictures is not None
    store = CutActivations(target.pictures, start, None, Choice("torch", "cpu", ""))
    k = len(target.classes)
    head = np.random.default_rng(0).normal(scale=0.01, size=(k, 1280)), np.zeros(k)
    scratch = start.card.trained_on == "nothing"
    recipe = Recipe(epochs=EPOCHS, rate=rate, head_rate=2e-3, layer_decay=1.0)
    done = fine_tune(
        store,
        target.y,
        rows,
        head,
        recipe,
        views=Views(2, 0.0),
        hold=not scratch,
        checkpoint=folder / f"{path.stem}.ckpt",
    )
    print(f"{path.stem}: learned from {len(rows):,} pictures, last loss {done.trained.losses[-1]:.3f}", flush=True)
    save_file({name: tensor.contiguous() for name, tensor in done.network.state_dict().items()}, path)

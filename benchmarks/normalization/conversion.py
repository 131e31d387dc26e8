"""Lite0 with group normalization in the place of all its batch normalization, matched on 200 clothing photos.

How far the logits move on other photos than it was matched on, and how far a short fine-tuning of the whole network
brings it back, beside the same training of the network as it is, with its statistics held. The head is the linear probe
of the development part. The epochs were fixed beforehand; the test part is only looked at.

    python benchmarks/normalization/conversion.py SHARED [--epochs 2] [--write docs/normalization.md]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

from headstart.data import load_target
from headstart.data.splits import sample_rows, stratified_group_folds
from headstart.features.activations import choose_engine, compute
from headstart.features.cut import CutActivations
from headstart.features.graph import LAST
from headstart.finetuning.finetune import fine_tune, predict
from headstart.finetuning.top import Top, with_head
from headstart.metrics import scores
from headstart.metrics.paired import paired_gain
from headstart.normalization.convert import convert
from headstart.pipeline.dear import VIEWS
from headstart.sources import get
from headstart.training import LogisticHead, choose
from headstart.training.loop import Recipe

MATCHED = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    target, source = load_target(given.shared / "data" / "clothing"), get("lite0")
    rows, tested = target.rows("train", "val"), target.rows("test")
    y, groups = target.y[rows], target.groups[rows]
    pictures, held = target.pictures.subset(rows), target.pictures.subset(tested)
    choice = choose_engine(pictures, source)
    X, Z = (compute(some, source, taps=[LAST], choice=choice)[LAST] for some in (pictures, held))
    folds = stratified_group_folds(y, groups, n_folds=5, random_state=0)
    head = LogisticHead(C=choose(X, y, folds, n_classes=len(target.classes)).C).fit(X, y)
    arrays = head.to_arrays()
    store, test = (CutActivations(some, source, None, choice, crops=False) for some in (pictures, held))
    picked = sample_rows(y, np.arange(len(y)), MATCHED, np.random.default_rng(0))
    every = np.arange(len(tested))
    said: dict[str, Any] = {"frozen, batch": head.predict_proba(Z)}
    notes = []

    def change(keep: str) -> Any:
        def changed(network: Any, top: Any) -> None:
            import torch

            before = predict(network, test, every)
            store.ensure(0, picked)
            sample = torch.from_numpy(store.gather(picked, np.zeros(len(picked), np.int64)))
            done = convert(top.eval(), "group", keep=keep, sample=sample)
            said[f"frozen, group by {keep}"] = after = predict(network, test, every)
            # Logits of a class are known up to what all classes of a picture share.
            old, new = (np.log(p) - np.log(p).mean(axis=1, keepdims=True) for p in (before, after))
            moved = np.sqrt(np.mean((new - old) ** 2)) / np.sqrt(np.mean((old - old.mean(axis=0)) ** 2))
            notes.append(
                f'{len(done.layers)} layers, `keep="{keep}"`: logits moved by {done.change:.2f} of their standard '
                f"deviation on the {MATCHED} photos and by {moved:.2f} on the {len(every)} test photos; of those "
                f"{np.mean(before.argmax(axis=1) == after.argmax(axis=1)):.0%} keep their class."
            )

        return changed

    recipe = Recipe(epochs=given.epochs)
    network = with_head(source.network(), arrays["weight"], arrays["bias"])
    change("weights")(network, Top(network, None, source.preprocessing))
    ways = {"batch": None, "group by function": change("function")}
    for name, put in ways.items():
        tuned = fine_tune(
            store, y, np.arange(len(y)), (arrays["weight"], arrays["bias"]), recipe, views=VIEWS, change=put
        )  # fmt: skip
        said[f"fine-tuned, {name}"] = predict(tuned.network, test, every)
        print(name, tuned.trained.losses, flush=True)
    truth, apart = target.y[tested], target.groups[tested]
    lines = [
        "| network | macro-F1 | less the original, points | less the original fine-tuned, points |",
        "|---|---|---|---|",
    ]
    for name, told in said.items():
        gains = [
            paired_gain(truth, told, said[other], apart, random_state=0)
            for other in ("frozen, batch", "fine-tuned, batch")
        ]
        texts = [f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})" for one in gains]
        lines.append(f"| {name} | {scores(truth, told)['macro_f1']:.3f} | {' | '.join(texts)} |")
    publish("\n".join([*lines, "", *notes]), given.write, "conversion")


if __name__ == "__main__":
    main()

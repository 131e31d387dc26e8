"""Weights of source examples in a network's loss: Lite0 fine-tuned above a cut on two kinds of solar cells at once.

The design is that of ``gains.py``: 80 % of the source and 10 labelled target cells a class, drawn anew by each seed,
the target's test part fixed; weights come from 64 principal components of the frozen features. What is above the cut
starts from the linear probe on the same rows with the same weights, and sees each row six times. ``target-only``
fine-tunes on the labelled target cells alone, until as many pictures have been shown.

    pip install elpv-dataset
    python benchmarks/transfer/network_weights.py [--seeds 0 1 2] [--write docs/transfer-instances.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish, solar_cells

from headstart.data import load_target
from headstart.data.splits import stratified_group_folds
from headstart.evaluation import transfer_verdict
from headstart.features.activations import choose_engine, compute
from headstart.features.cut import CutActivations
from headstart.features.graph import LAST
from headstart.finetuning.finetune import fine_tune, predict
from headstart.sources import get
from headstart.training import LogisticHead, choose
from headstart.training.loop import Recipe
from headstart.transfer.instance import (
    kliep_weights,
    kmm_weights,
    neighbour_weights,
    ulsif_weights,
)
from headstart.transfer.instance.weighted import with_labelled

CUT, COMPONENTS, SHARE, LABELS, RECIPE = "blocks.6", 64, 0.8, 10, Recipe(epochs=6)
WEIGHTS = {"KMM": kmm_weights, "KLIEP": kliep_weights, "uLSIF": ulsif_weights, "neighbours": neighbour_weights}
POOLED, ALONE = "pooled", "target-only"


def weighted(name: str, Z: Any, y: Any, source: Any, known: Any, development: Any) -> Any:
    """Return the weights (n,) of all cells, those of source and labelled target cells joined as the adapters do."""
    weights = np.zeros(len(Z))
    weights[known] = 1.0
    if name != ALONE:
        found = np.ones(len(source)) if name == POOLED else WEIGHTS[name](Z[source], Z[development])
        weights[np.r_[source, known]] = with_labelled(Z[source], y[source], found, Z[known], y[known])[2]
    return weights


def direction(source_kind: str, target_kind: str, seeds: list[int]) -> str:
    """Return a row: balanced accuracy of each way on the target's test part, and its gain over pooling."""
    table = solar_cells(0)
    target, network = load_target(table[["image", "label", "split"]]), get("lite0")
    assert target.pictures is not None
    kind, test = table["kind"].to_numpy(), (table["split"] == "test").to_numpy()
    choice = choose_engine(target.pictures, network)
    X = compute(target.pictures, network, taps=[LAST], choice=choice)[LAST].astype(np.float64)
    store = CutActivations(target.pictures, network, CUT, choice, crops=False)
    development, held = np.flatnonzero((kind == target_kind) & ~test), np.flatnonzero((kind == target_kind) & test)
    every, y = np.flatnonzero(kind == source_kind), target.y
    Z = PCA(COMPONENTS, random_state=0).fit(X[np.r_[every, development]]).transform(X)
    right: dict[str, list[Any]] = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        source = np.sort(rng.permutation(every)[: int(SHARE * len(every))])
        known = np.concatenate([rng.permutation(development[y[development] == one])[:LABELS] for one in np.unique(y)])
        for name in (ALONE, POOLED, *WEIGHTS):
            weights = weighted(name, Z, y, source, known, development)
            rows = np.flatnonzero(weights)
            folds = stratified_group_folds(y[rows], rows, n_folds=5, random_state=seed)
            C = choose(X[rows], y[rows], folds, n_classes=2).C
            arrays = (
                LogisticHead(C).fit(X[rows], y[rows], sample_weight=weights[rows] / weights[rows].mean()).to_arrays()
            )
            shown = RECIPE.epochs * (len(source) + len(known))
            recipe = dataclasses.replace(RECIPE, epochs=round(shown / len(rows)))
            tuned = fine_tune(
                store, y, rows, (arrays["weight"], arrays["bias"]), recipe, seed=seed, sample_weight=weights
            )  # fmt: skip
            right.setdefault(name, []).append(predict(tuned.network, store, held).argmax(axis=1) == y[held])
            print(source_kind, target_kind, seed, name, f"{np.mean(right[name][-1]):.3f}", flush=True)
    truth = y[held]
    weight = 1 / np.bincount(truth)[truth]
    cells = []
    for name, answers in right.items():
        score = np.mean(np.array(answers) @ weight / weight.sum())
        text = f"{score:.3f}"
        if name != POOLED:
            gap = np.array(answers).astype(float) - np.array(right[POOLED])
            gain = transfer_verdict(gap, np.zeros_like(gap), y=truth).gain
            text += f" ({100 * gain.value:+.1f}, {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        cells.append(text)
    return f"| {source_kind} → {target_kind} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    names = (ALONE, POOLED, *WEIGHTS)
    lines = [f"| source → target | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    lines += [direction(*kinds, given.seeds) for kinds in (("poly", "mono"), ("mono", "poly"))]
    publish("\n".join(lines), given.write, "network-weights")


if __name__ == "__main__":
    main()

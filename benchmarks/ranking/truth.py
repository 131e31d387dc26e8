"""The truth table: how good each source really is on each target, and what every score says beforehand.

Eight sources (``shelf.py``) on nine targets of at most 300 training pictures, three seeds: each seed is another sample
of the training part; test pictures are the same. All at 112 pixels, so that it can be afforded. Frozen: a logistic head
on the last tap, its penalty chosen out of fold. Fine-tuned: from that head and from ``blocks.4`` on, where the bake-off
mostly ends, six epochs of whole views; random weights learn in all layers.
Scores see the training sample only. Each cell is kept in a file as soon as it is there; nothing is chosen on a test
part.

    python benchmarks/ranking/truth.py SHARED WORK [--only frozen] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import solar_cells
from shelf import halves, shelf
from targets import targets

from headstart.data import Target, load_target
from headstart.data.splits import sample_rows, stratified_group_folds

N, N_TEST, SEEDS, EPOCHS, CUT = 300, 600, (0, 1, 2), 6, "blocks.4"
TAIL = 50  # times the largest class is larger than the smallest
Data = tuple[Target, np.ndarray, np.ndarray]  # rows to sample from, rows to test on


def data(shared: Path) -> dict[str, Callable[[], Data]]:
    """Return how to load each target."""
    known = targets(shared)

    def plain(name: str) -> Callable[[], Data]:
        return lambda: _parts(known[name]())

    return {
        "Grocery-14": plain("Grocery-14"),
        "Grocery-5": plain("Grocery-5"),
        "Grocery-14 long tail": plain("Grocery-14"),
        "Clothing-10": lambda: _other_half(load_target(shared / "data/clothing")),
        "Clothing-10 long tail": lambda: _other_half(load_target(shared / "data/clothing")),
        "Emoji twitter": plain("Emoji twitter"),
        "Emoji fluent, 90": plain("Emoji fluent"),
        "BCCD cells": plain("BCCD cells"),
        "ELPV": lambda: _parts(load_target(solar_cells(0)[["image", "label", "split"]])),
    }


def _parts(target: Target) -> Data:
    return target, target.rows("train", "val"), target.rows("test")


def _other_half(target: Target) -> Data:
    return (*halves(target, 1), target.rows("test"))


def sample(name: str, y: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """Return the training sample of a seed: stratified, or of classes that get rarer evenly down to a fiftieth."""
    rng = np.random.default_rng([seed, 7])
    if "long tail" not in name:
        return np.sort(sample_rows(y, rows, 90 if "90" in name else N, rng))
    classes = rng.permutation(np.unique(y[rows]))
    shares = TAIL ** -np.linspace(0, 1, len(classes))
    most = min(np.bincount(y[rows])[classes[0]], N / shares.sum())
    counts = np.maximum(2, np.round(most * shares)).astype(int)
    drawn = [rng.permutation(rows[y[rows] == code])[:count] for code, count in zip(classes, counts, strict=True)]
    return np.sort(np.concatenate(drawn))


def cell(
    source: Any, target: Target, learned: np.ndarray, held: np.ndarray, known: Any, *, tuned: bool, seed: int
) -> dict[str, Any]:
    """Return the truth and the scores of one source on one sample."""
    from headstart.features.activations import compute
    from headstart.metrics import scores as metrics
    from headstart.training import LogisticHead, choose
    from headstart.transferability import evidence

    seconds: dict[str, float] = {}
    assert target.pictures is not None
    last, started = {}, time.perf_counter()
    for part, rows in (("learned", learned), ("held", held)):
        last[part] = compute(target.pictures.subset(rows), source, taps=["last"])["last"]
        seconds.setdefault("features", time.perf_counter() - started)
    _, y = np.unique(target.y[learned], return_inverse=True)
    names = np.unique(target.y[learned])
    kept = np.isin(target.y[held], names)
    truth = np.searchsorted(names, target.y[held][kept])
    started = time.perf_counter()
    classifier = evidence.classifier_rows(source)
    found = evidence.scores(last["learned"], y, classifier)
    seconds["scores"] = time.perf_counter() - started
    balanced = evidence.scores(last["learned"], y, classifier, class_weight="balanced")
    groups = target.groups[learned]
    folds = stratified_group_folds(y, groups, n_folds=_n_folds(y), random_state=0)
    C = choose(last["learned"], y, folds, n_classes=len(names)).C
    head = LogisticHead(C=C).fit(last["learned"], y)
    frozen = metrics(truth, head.predict_proba(last["held"][kept]))
    result = {
        "frozen": {name: frozen[name] for name in ("accuracy", "macro_f1")},
        "scores": {name: float(value) for name, value in found.items()},
        "balanced": {name: float(value) for name, value in balanced.items()},
        "distances": evidence.distances(last["learned"], y, known, classifier),
        "n": len(learned), "n_test": int(kept.sum()), "seconds": seconds,
    }  # fmt: skip
    if tuned:
        started = time.perf_counter()
        table = _fine_tune(source, target, learned, held[kept], y, head, seed)
        seconds["tuned"] = time.perf_counter() - started
        found_tuned = metrics(truth, table)
        result["tuned"] = {name: found_tuned[name] for name in ("accuracy", "macro_f1")}
    return result


def _n_folds(y: np.ndarray) -> int:
    return int(max(2, min(5, np.bincount(y).min())))


def _fine_tune(
    source: Any, target: Target, learned: np.ndarray, held: np.ndarray, y: np.ndarray, head: Any, seed: int
) -> Any:
    from headstart.features.backends import Choice
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import Views, fine_tune, predict
    from headstart.training.loop import Recipe

    assert target.pictures is not None
    rows = np.concatenate([learned, held])
    scratch = source.card.trained_on == "nothing"
    choice = Choice("openvino", "cpu", "")
    store = CutActivations(target.pictures.subset(rows), source, None if scratch else CUT, choice, crops=False)
    arrays = head.to_arrays()
    recipe = Recipe(epochs=EPOCHS, rate=2e-3, layer_decay=1.0) if scratch else Recipe(epochs=EPOCHS)
    done = fine_tune(
        store, np.concatenate([y, np.zeros(len(held), np.int64)]), np.arange(len(learned)),
        (arrays["weight"], arrays["bias"]), recipe, views=Views(4, 0.25), hold=not scratch, seed=seed,
    )  # fmt: skip
    return predict(done.network, store, np.arange(len(learned), len(rows)))


def own_data(name: str, source: Any, shared: Path) -> Any:
    """Return a sketch of what a source was trained on, from at most 1,000 of its pictures; None for random weights."""
    from headstart.data.pictures import PictureSet
    from headstart.features.activations import compute
    from headstart.metrics import sketch

    if name == "random":
        return None
    if name == "fashion":
        target = targets(shared)["Fashion-MNIST"]()
        pictures = target.pictures.subset(np.arange(1000))
    elif name in ("emoji", "clothing"):
        target = load_target(shared / "data" / ("emoji/google" if name == "emoji" else "clothing"))
        rows = np.arange(len(target)) if name == "emoji" else halves(target, 0)[1]
        pictures = target.pictures.subset(np.random.default_rng(0).permutation(rows)[:1000])
    else:
        pictures = PictureSet(sorted(str(path) for path in (shared / "data/imagenet_samples").glob("*.JPEG")))
    return sketch(compute(pictures, source, taps=["last"])["last"])


def main() -> None:
    """Fill the table, a cell at a time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path, help="where sources of our own and the cache are kept")
    parser.add_argument("--only", choices=["frozen"], help="leave fine-tuning out")
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "truth.json")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ["HEADSTART_CACHE"] = str(options.work / "cache")
    sources = shelf(options.shared, options.work)
    table = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    known = {name: own_data(name, source, options.shared) for name, source in sources.items()}
    for seed in SEEDS:
        for target_name, load in data(options.shared).items():
            target, rows, test = load()
            held = np.sort(np.random.default_rng(0).permutation(test)[:N_TEST])
            learned = sample(target_name, target.y, rows, seed)
            for name, source in sources.items():
                key = f"{target_name} | {name} | {seed}"
                if key in table and (options.only or "tuned" in table[key]):
                    continue
                table[key] = cell(source, target, learned, held, known[name], tuned=options.only is None, seed=seed)
                one = table[key]
                print(
                    key,
                    {what: round(one[what]["accuracy"], 3) for what in ("frozen", "tuned") if what in one},
                    flush=True,
                )
                options.keep.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

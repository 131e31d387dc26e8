"""Solar cells: the whole bake-off beside an SVM on low-level features, over several 75/25 splits.

Published on a split of that kind: 88.4 % accuracy by a CNN, 82.4 % by an SVM on hand-crafted features (Deitsch et al.
2019, arXiv 1807.02894). Each seed is another split. Nothing is chosen on a test part. Each row is kept in a file.

    pip install elpv-dataset
    python benchmarks/elpv.py [--seeds 0 1 2 3 4] [--budget MINUTES] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import fit, publish, solar_cells

DEFAULT = "default"  # budget: what fourteen epochs of plain fine-tuning take


def row(seed: int, budget: str, cache: Path, svm: float | None) -> dict[str, Any]:
    """Return the test accuracy of both, and what was taken; ``svm`` is the SVM's where it is known."""
    from headstart.data import load_target

    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "cells.csv"
        solar_cells(seed).to_csv(table, index=False)
        more = ["--strategy", "auto", "--seed", str(seed)]
        more += [] if budget == DEFAULT else ["--budget", budget]
        run = fit([str(table)], Path(scratch) / "run", cache, *more)
        metrics = {name: run["metrics"][name]["value"] for name in ("accuracy", "macro_f1", "roc_auc")}
        bakeoff = run["decisions"]["Freeze, fine-tune, or start over?"]
        return {
            **metrics,
            "taken": bakeoff["winner"],
            "verdict": run["decisions"]["Did transfer help?"]["headline"],
            "rounds": bakeoff["rounds"],
            "minutes": run["times"]["training_seconds"] / 60,
            "svm": low_level(load_target(table), seed) if svm is None else svm,
        }


def low_level(target: Any, seed: int) -> float:
    """Return the test accuracy of an RBF SVM on handmade descriptors, its penalties chosen out of fold."""
    from headstart.features.handmade import handmade_features
    from headstart.pipeline.candidates import machine
    from headstart.pipeline.contest import bench_of

    X = handmade_features(target.pictures)
    development, test = target.rows("train", "val"), target.rows("test")
    model = machine("SVM", X[development], bench_of(target, seed=seed), [], kernel="rbf").make()
    return float((model.predict_proba(X[test]).argmax(axis=1) == target.y[test]).mean())


def main() -> None:
    """Run each seed that is not kept yet; print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--budget", default=DEFAULT)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "elpv.json")
    parser.add_argument("--cache", type=Path, default=Path("elpv-cache"))
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for seed in options.seeds:
        key = f"{options.budget} {seed}"
        if key not in kept:
            svm = next((one["svm"] for other, one in kept.items() if other.split()[1] == str(seed)), None)
            kept[key] = row(seed, options.budget, options.cache, svm)
            options.keep.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    publish(table(kept), options.write, "elpv")


def table(kept: dict[str, dict[str, Any]]) -> str:
    """Return one row a split and budget, and the means of each budget."""
    lines = [
        "| `--budget` | split | accuracy | macro-F1 | taken | SVM on low-level features, accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for budget in sorted({key.split()[0] for key in kept}, key=lambda one: (one != DEFAULT, one)):
        mine = {key.split()[1]: one for key, one in kept.items() if key.split()[0] == budget}
        for seed, one in sorted(mine.items()):
            figures = f"{one['accuracy']:.3f} | {one['macro_f1']:.3f} | {one['taken']} | {one['svm']:.3f}"
            lines.append(f"| {budget} | {seed} | {figures} |")
        means = {name: np.mean([one[name] for one in mine.values()]) for name in ("accuracy", "macro_f1", "svm")}
        lines.append(
            f"| {budget} | **mean** | **{means['accuracy']:.3f}** | {means['macro_f1']:.3f} | | {means['svm']:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

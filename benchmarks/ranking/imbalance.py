"""How far a long tail moves the order of the sources: the same pictures, thinned out to 1:50.

Plain and balanced scores are compared.

From a sample with equally many pictures of each class, classes are thinned out evenly down to a fiftieth, in ten random
orders of the classes. Each score orders the eight sources of the truth table on the whole sample and on what is left of
it; Kendall's τ between the two orders says how far they moved.

    python benchmarks/ranking/imbalance.py SHARED WORK [--each 60] [--targets NAME ...] [--write docs/rank.md]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish
from shelf import shelf
from targets import fashion
from truth import data

from headstart.transferability import evidence

TARGETS, TAIL, DRAWS = ("Grocery-14", "Clothing-10", "Emoji twitter"), 50, 10
WAYS = (None, "balanced")


def moved(name: str, each: int, shared: Path, sources: dict) -> dict[str, dict[str, list[float]]]:
    """Return τ of each draw, by score and way."""
    from headstart.features.activations import compute

    if name == "Fashion-MNIST":
        target = fashion(10_000)
        rows = np.arange(len(target))
    else:
        target, rows, _ = data(shared)[name]()
    rng = np.random.default_rng(0)
    codes, counts = np.unique(target.y[rows], return_counts=True)
    codes = codes[counts >= each]
    whole = np.sort(np.concatenate([rng.permutation(rows[target.y[rows] == code])[:each] for code in codes]))
    y = target.y[whole]
    features = {key: compute(target.pictures.subset(whole), one, taps=["last"])["last"] for key, one in sources.items()}
    heads = {key: evidence.classifier_rows(one) for key, one in sources.items()}

    def scored(kept: np.ndarray, way: str | None) -> dict[str, dict[str, float]]:
        return {
            key: evidence.values(evidence.scores(X[kept], y[kept], heads[key], class_weight=way))
            for key, X in features.items()
        }

    base = {way: scored(np.arange(len(y)), way) for way in WAYS}
    found: dict[str, dict[str, list[float]]] = {score: {str(way): [] for way in WAYS} for score in evidence.SCORES}
    for _ in range(DRAWS):
        sizes = np.maximum(2, np.round(each * float(TAIL) ** -np.linspace(0, 1, len(codes)))).astype(int)
        pairs = zip(rng.permutation(codes), sizes, strict=True)
        kept = np.concatenate([rng.permutation(np.flatnonzero(y == code))[:size] for code, size in pairs])
        for way in WAYS:
            tail = scored(kept, way)
            for score in evidence.SCORES:
                known = [key for key in tail if score in tail[key]]
                orders = [[table[key][score] for key in known] for table in (base[way], tail)]
                found[score][str(way)].append(float(kendalltau(*orders).statistic))
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path, help="as for truth.py")
    parser.add_argument("--each", type=int, default=60, help="pictures of each class")
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    os.environ["HEADSTART_CACHE"] = str(options.work / "cache")
    sources = shelf(options.shared, options.work)
    each = [moved(name, options.each, options.shared, sources) for name in options.targets]
    lines = ["| score | plain | balanced | balanced less plain |", "|---|---|---|---|"]
    gains = []
    for score in evidence.SCORES:
        plain, balanced = (np.concatenate([found[score][str(way)] for found in each]) for way in WAYS)
        gains.append(balanced - plain)
        lines.append(f"| {score} | {plain.mean():.2f} | {balanced.mean():.2f} | {gains[-1].mean():+.2f} |")
    per_draw = np.mean(gains, axis=0)  # draws of all targets
    rng = np.random.default_rng(0)
    low, high = np.quantile(
        per_draw[rng.integers(0, len(per_draw), (5000, len(per_draw)))].mean(axis=1), [0.025, 0.975]
    )
    text = (
        f"Kendall τ between the order on {options.each} pictures of each class and on the same thinned out to 1:{TAIL} "
        f"({', '.join(options.targets)}; {DRAWS} draws each). By balanced scores it is {per_draw.mean():+.3f} "
        f"({low:+.3f} to {high:+.3f}) higher, mean over the scores.\n"
    )
    publish("\n".join([text, *lines]), options.write, f"imbalance-{options.each}")


if __name__ == "__main__":
    main()

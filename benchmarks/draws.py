"""How often one network of random weights is said to know more than others: what a single control would be worth.

Six draws of Lite0's weights, a head on each one's frozen features, at most 800 development pictures a target.

    python benchmarks/draws.py SHARED [--targets ELPV ...] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import publish
from probe import sampled
from targets import targets

if TYPE_CHECKING:
    from headstart.data import Target

NETWORKS = 6
OTHERS = 3


def shares(target: Target) -> tuple[float, float]:
    """Return how often a network beats one other, by a paired interval, and three others, by one over draws too."""
    from headstart.evaluation import transfer_verdict
    from headstart.features.activations import choose_engine, compute
    from headstart.metrics.paired import paired_gain
    from headstart.pipeline.bakeoff import correct
    from headstart.pipeline.contest import bench_of
    from headstart.sources import get
    from headstart.training import choose

    assert target.pictures is not None
    pictures, bench = target.pictures.subset(target.rows("train", "val")), bench_of(target, seed=0)
    y, groups = bench.y, bench.groups
    tables = []
    for seed in range(NETWORKS):
        source = get("lite0", pretrained=False, seed=seed)
        X = compute(pictures, source, taps=["last"], choice=choose_engine(pictures, source))["last"]
        chosen = choose(X, y, bench.folds, n_classes=bench.n_classes)
        tables.append(chosen.probabilities[chosen.best])
    right = [correct(table, y, np.arange(len(y))) for table in tables]
    one = [
        paired_gain(y, ours, theirs, groups, random_state=0).low > 0
        for ours, theirs in itertools.permutations(tables, 2)
    ]
    several = [
        transfer_verdict(right[place], np.vstack([right[k] for k in others]), groups=groups, y=y).gain.low > 0
        for place in range(NETWORKS)
        for others in itertools.combinations([k for k in range(NETWORKS) if k != place], OTHERS)
    ]
    return float(np.mean(one)), float(np.mean(several))


def main() -> None:
    """Print one row a target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--targets", nargs="+", default=["ELPV", "BCCD cells", "Grocery-14", "Emoji twitter"])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    known = targets(options.shared)
    lines = [f"| target | ahead of one other | ahead of {OTHERS} others, draws in the interval |", "|---|---|---|"]
    for name in options.targets:
        one, several = shares(sampled(known[name](), None))
        lines.append(f"| {name} | {one:.1%} | {several:.1%} |")
        print(lines[-1], flush=True)
    publish("\n".join(lines), options.write, "draws")


if __name__ == "__main__":
    main()

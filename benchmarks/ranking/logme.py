"""LogME's speed beside the way it is usually written: an SVD of the feature matrix, then a fixed point class by class.

N = 10,000 examples, D = 1,280 features, C = 100 classes, features that decay as those of a network do. Both take turns
in one process; both give the same evidence, to the digits that are printed.

    python benchmarks/ranking/logme.py [--rounds 5] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

N, D, C = 10_000, 1_280, 100
_TOLERANCE = 1e-6  # relative change of t between two steps


def fixed_point(features: Any, y: Any) -> float:
    """Return the mean evidence per contrast: MacKay's updates of alpha and beta for each class, from an SVD."""
    F = features.astype(np.float64) - features.mean(axis=0)
    U, s, _ = np.linalg.svd(F, full_matrices=False)
    squares, contrasts = s**2, len(F) - 1
    evidence = []
    for k in range(int(y.max()) + 1):
        target = (y == k) - (y == k).mean()
        z2 = (U.T @ target) ** 2
        residual = max(target @ target - z2.sum(), 0.0)
        alpha, beta = 1.0, 1.0
        while True:
            t = alpha / beta
            gamma = (squares / (squares + t)).sum()
            norm = (squares * z2 / (squares + t) ** 2).sum()
            error = (z2 * (t / (squares + t)) ** 2).sum() + residual
            alpha, beta = gamma / norm, (contrasts - gamma) / error
            if abs(alpha / beta - t) <= _TOLERANCE * t:
                break
        variances = squares / alpha + 1 / beta
        logs = np.log(variances).sum() + (contrasts - len(s)) * np.log(1 / beta)
        evidence.append(-0.5 * (contrasts * np.log(2 * np.pi) + logs + (z2 / variances).sum() + residual * beta))
    return float(np.mean(evidence) / contrasts)


def main() -> None:
    """Time both, print and write."""
    from headstart.transferability import logme

    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    y = np.arange(N) % C
    F = rng.normal(size=(N, D)) + rng.normal(size=(C, D))[y] * rng.uniform(0.2, 1, D)
    F = np.maximum(F @ (rng.normal(size=(D, D)) * np.geomspace(1, 1e-2, D)[:, None]), 0).astype(np.float32)
    ways = {"headstart": lambda: float(logme(F, y)), "SVD and fixed point": lambda: fixed_point(F, y)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for turn in range(options.rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            values[name] = way()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    ratios = np.divide(*(seconds[name] for name in reversed(ways)))
    lines = ["| | seconds, median | evidence |", "|---|---|---|"]
    lines += [f"| {name} | {np.median(seconds[name]):.2f} | {values[name]:.8f} |" for name in ways]
    low, middle, high = ratios.min(), np.median(ratios), ratios.max()
    lines += ["", f"Ratio {middle:.1f} ({low:.1f}–{high:.1f}) over {options.rounds} rounds."]
    publish("\n".join(lines), options.write, "logme")


if __name__ == "__main__":
    main()

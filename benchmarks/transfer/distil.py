"""Relational distillation for real: a perceptron on a shallow tap of Lite0 learns the relations that its last tap sees.

Clothing photos. No labels are used by the student; it never sees a test picture. What is compared are features, each
with the nearest mean of 5 or 10 labelled pictures a class, which leaves nothing to tune.

    python benchmarks/transfer/distil.py SHARED [--write docs/transfer-relations.md]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

import headstart
from headstart.evaluation import transfer_verdict
from headstart.transfer.relational import distil
from headstart.transfer.relational.drawing import draw

TAP, SEEDS, STUDENTS = "blocks.3", 10, 3


def main() -> None:
    """Distil, compare, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    target = headstart.load_target(options.shared / "data" / "clothing")
    taps = headstart.extract(target, "lite0")
    y, test = target.y, target.split == "test"
    pool = np.where(test, -1, y)
    shallow = StandardScaler().fit(taps[TAP][~test]).transform(taps[TAP])
    deep = StandardScaler().fit(taps["last"][~test]).transform(taps["last"])
    students = [
        distil(shallow[~test], deep[~test], epochs=10, random_state=seed).transform(shallow) for seed in range(STUDENTS)
    ]
    features: dict[str, list[NDArray[np.float32]]] = {
        f"{TAP} as it is": [shallow] * SEEDS,
        f"student on {TAP}, 64 numbers": [students[seed % STUDENTS] for seed in range(SEEDS)],
        "teacher: last tap": [deep] * SEEDS,
    }
    lines = ["| features | labels a class | accuracy | against the tap as it is |", "|---|---|---|---|"]
    for n_labels in (5, 10):
        right: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in features}
        for seed in range(SEEDS):
            shown = draw(pool, n_labels, np.random.default_rng(seed))
            for name, rows in features.items():
                model = NearestCentroid().fit(rows[seed][shown], y[shown])
                right[name].append(model.predict(rows[seed][test]) == y[test])
        first = next(iter(right))
        for name, found in right.items():
            gain = transfer_verdict(found, right[first]).gain
            against = f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
            lines.append(f"| {name} | {n_labels} | {100 * np.mean(found):.1f} | {against if name != first else ''} |")
    publish("\n".join(lines), options.write, "distil")


if __name__ == "__main__":
    main()

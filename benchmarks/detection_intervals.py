"""How often the intervals of average precision hold the truth: simulated test sets out of one large set of pictures.

Pictures have objects of three classes, as frequent as in a blood smear (11.4, 1 and 1 a picture, the last often in
clumps), whose boxes are found with noise, missed, found twice, or not there at all. The truth is average precision on
all pictures of the large set; each test set is a draw of them.

    python benchmarks/detection_intervals.py --write docs/detection-data.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import publish

from headstart.detection import Boxes, average_precision
from headstart.detection.accumulating import weighted_precision
from headstart.detection.matching import match_boxes

CLASSES = ("common", "single", "clumped")


def simulated(n: int, rng: np.random.Generator) -> tuple[list[Boxes], list[Boxes]]:
    """Return annotated and found boxes of n pictures; pictures differ in how hard they are."""
    truth, found = [], []
    for _ in range(n):
        clumped = rng.poisson(2.5) if rng.random() < 0.4 else 0
        labels = np.repeat([0, 1, 2], [rng.poisson(11.4), rng.random() < 0.97, clumped])
        side = rng.normal(np.array([100, 200, 40])[labels], 8)[:, None]
        corner = rng.uniform(0, 440, (len(labels), 2))
        edges = np.hstack([corner, corner + side])
        truth.append(Boxes(edges, labels))
        hard = rng.gamma(2.0, 0.5)
        seen = rng.random(len(labels)) > np.minimum(0.12 * hard, 0.9)
        again = np.flatnonzero(seen & (rng.random(len(labels)) < 0.1))
        taken = np.concatenate([np.flatnonzero(seen), again])
        near = edges[taken] + rng.normal(0, 0.05 * hard, (len(taken), 4)) * side[taken]
        alarms = rng.poisson(2 * hard)
        far = rng.uniform(0, 440, (alarms, 2))
        found.append(
            Boxes(
                np.vstack([near, np.hstack([far, far + rng.uniform(30, 200, (alarms, 1))])]),
                np.concatenate([labels[taken], rng.integers(0, 3, alarms)]),
                np.concatenate([rng.beta(5, 2, len(taken)), rng.beta(2, 4, alarms)]),
            )
        )
    return truth, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 72])
    parser.add_argument("--population", type=int, default=6000)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    truth, found = simulated(given.population, rng)
    precision, recall = weighted_precision(match_boxes(truth, found, 3), np.ones((1, given.population)))
    true = {"mAP@[.5:.95]": precision.mean(), "mAP@0.5": precision[0, 0].mean()}
    for code, name in enumerate(CLASSES):
        true |= {f"AP@0.5, {name}": precision[0, 0, code], f"recall, {name}": recall[0, code]}
    shares = []
    for n in given.sizes:
        held = np.zeros(len(true))
        for _ in range(given.sets):
            chosen = rng.choice(given.population, n, replace=False)
            answer = average_precision(
                [truth[i] for i in chosen], [found[i] for i in chosen], CLASSES, random_state=rng
            )
            intervals = [answer.mean_ap, answer.mean_ap50]
            for code in range(3):
                intervals += [answer.ap50[code], answer.recall[code]]
            held += [one.low <= value <= one.high for value, one in zip(true.values(), intervals, strict=True)]
        shares.append(held / given.sets)
        print(n, np.round(shares[-1], 3), flush=True)
    lines = ["| figure | truth | " + " | ".join(f"{n} pictures" for n in given.sizes) + " |"]
    lines.append("|---|---|" + "---|" * len(given.sizes))
    for row, (name, value) in enumerate(true.items()):
        lines.append(f"| {name} | {value:.3f} | " + " | ".join(f"{share[row]:.2f}" for share in shares) + " |")
    publish("\n".join(lines), given.write, "intervals")


if __name__ == "__main__":
    main()

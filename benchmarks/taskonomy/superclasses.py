"""The ten superclasses of ImageNet's hierarchy that are nearest to each target, as EfficientNet-Lite0 sees it.

    python benchmarks/taskonomy/superclasses.py SHARED docs/taskonomy.md

Mean probabilities over the development part, each class of the target counting the same, at most 1,000 pictures a
target. A superclass may stand above another: of a whole target that says more than ten that share no class, for then
the highest takes all. Without the page the table is only printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.special import softmax

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish
from targets import targets

from headstart.data import Target
from headstart.data.splits import sample_rows
from headstart.features.activations import compute
from headstart.sources import get
from headstart.taskonomy import nearest_branch, nearest_superclasses
from headstart.transferability.evidence import classifier_rows

MOST = 1000


def mean_probabilities(target: Target) -> np.ndarray:
    """Return what Lite0 says of the target on average, each class counting the same, (1000,)."""
    source = get("lite0")
    rows = sample_rows(target.y, target.rows("train", "val"), MOST, np.random.default_rng(0))
    vectors = compute(target.pictures.subset(rows), source, taps=["last"], quiet=False)["last"]
    weight, bias = classifier_rows(source)
    said = softmax(vectors @ weight.T + bias, axis=1)
    means = np.stack([said[target.y[rows] == code].mean(axis=0) for code in np.unique(target.y[rows])])
    mean = means.mean(axis=0)
    return mean / mean.sum()


def main(shared: Path, page: Path | None) -> None:
    lines = ["| target | nearest branch | ten nearest superclasses (probability) |", "| --- | --- | --- |"]
    for name, load in targets(shared).items():
        mean = mean_probabilities(load())
        branch = nearest_branch(mean)
        near = ", ".join(
            f"{one.name} {one.probability:.2f}" for one in nearest_superclasses(mean, 10, overlapping=True)
        )
        said = f"{branch.name} {branch.probability:.2f}" if branch else ""
        lines.append(f"| {name} | {said} | {near} |")
        print(lines[-1], file=sys.stderr)
    publish("\n".join(lines), page, "superclasses")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "data").is_dir():
        sys.exit("name the folder that holds data/")
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)

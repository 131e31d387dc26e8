"""Other features in source and target: left halves of digits for right halves, in a shared latent space.

The source is 600 labelled left halves of scikit-learn's digits (8x8), 32 pixels each; the target is 500 right halves of
other digits with a few labels of each class, and 600 further digits are the test part. "pairs" are left and right
halves of still other digits, without labels. Logistic regression everywhere, that of target-only with C chosen out of
fold, from two labels on.

    python benchmarks/transfer/latent.py [--write docs/transfer-features.md]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from features import publish, stratified_group_folds
from sklearn.datasets import load_digits

from headstart.metrics import paired_gain, scores
from headstart.training import LogisticHead, choose
from headstart.transfer.feature import SharedLatentSpace

PAIRS = 97


def main() -> None:
    """Learn, and print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    pictures = X.reshape(-1, 8, 8)
    left, right = (half.reshape(len(X), 32) for half in (pictures[:, :, :4], pictures[:, :, 4:]))
    names = ("target-only", "rows with the same label", f"{PAIRS} pairs", f"{PAIRS} pairs and no label")
    lines = [f"| labels a class | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for labels in (1, 2, 5, 20):
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        tests = []
        for seed in options.seeds:
            order = np.random.default_rng(seed).permutation(len(X))
            source, target, test, pairs = np.split(order, [600, 1100, 1700])
            tests.append(test)
            drawn = np.concatenate([np.flatnonzero(y[target] == code)[:labels] for code in range(10)])
            known = np.full(len(target), -1)
            known[drawn] = y[target][drawn]
            few, codes = right[target][drawn], y[target][drawn]
            C = 1.0
            if labels > 1:
                folds = stratified_group_folds(codes, np.arange(len(codes)), n_folds=min(5, labels), random_state=seed)
                C = choose(few, codes, folds, n_classes=10).C
            paired = left[pairs], right[pairs]
            models = (
                SharedLatentSpace().fit(left[source], y[source], right[target], known),
                SharedLatentSpace(paired=paired).fit(left[source], y[source], right[target], known),
                SharedLatentSpace(paired=paired).fit(left[source], y[source], right[target]),
            )
            said = [LogisticHead(C=C).fit(few, codes).predict(right[test])]
            said += [model.predict(right[test]) for model in models]
            for name, one in zip(names, said, strict=True):
                found[name].append(one)
        rows = np.concatenate(tests)
        groups = np.unique(rows, return_inverse=True)[1]
        tables = {name: np.eye(10)[np.concatenate(runs)] for name, runs in found.items()}
        cells = []
        for name, table in tables.items():
            f1 = scores(y[rows], table)["macro_f1"]
            if name == names[0]:
                cells.append(f"{f1:.3f}")
                continue
            gain = paired_gain(y[rows], table, tables[names[0]], groups, random_state=0)
            mark = "**" if gain.low > 0 else ""
            cells.append(f"{mark}{f1:.3f}{mark} ({gain.low:+.3f} to {gain.high:+.3f})")
        lines.append(f"| {labels} | {' | '.join(cells)} |")
    publish("\n".join(lines), options.write, "latent")


if __name__ == "__main__":
    main()

"""Which validator picks a good weight without a target label, on the pair that the defaults were fixed on.

Networks learn from four fifths of the source (emoji by google) and the target's rows without labels (twitter), with
several weights of the alignment. Each validator scores them; beside it the macro-F1 on test codepoints, which none of
them saw.

    python benchmarks/transfer/validators.py SHARED [--write docs/transfer-features.md]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from features import emoji, publish
from scipy.stats import spearmanr

from headstart.metrics import scores
from headstart.transfer.deep import DANN, MCC, DeepCORAL
from headstart.transfer.deep.validation import validator

WEIGHTS = {DeepCORAL: (0.0, 1.0, 10.0, 100.0), DANN: (0.1, 1.0, 10.0), MCC: (0.1, 1.0, 10.0)}
VALIDATORS = ("weighted", "density", "information")


def main() -> None:
    """Train, score, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    world = emoji(options.shared, "google", "twitter", 0)
    held, kept = np.split(np.random.default_rng(0).permutation(len(world.ys)), [len(world.ys) // 5])
    lines = [f"| | weight | {' | '.join(VALIDATORS)} | macro-F1 |", "|---|---|---|---|---|---|"]
    found: dict[str, list[list[float]]] = {}
    for kind, weights in WEIGHTS.items():
        for weight in weights:
            model = kind(weight=weight, epochs=10).fit(world.Xs[kept], world.ys[kept], world.Xt)
            fs, ft = model.transform_source(world.Xs[held]), model.transform(world.Xt)
            ps, pt = model.estimator_.predict_proba(fs), model.estimator_.predict_proba(ft)
            row = [validator(name)(world.ys[held], ps, fs, pt, ft) for name in VALIDATORS]
            row.append(scores(world.y, model.predict_proba(world.test))["macro_f1"])
            found.setdefault(kind.__name__, []).append(row)
            lines.append(f"| {kind.__name__} | {weight:g} | {' | '.join(f'{value:.3f}' for value in row)} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        "| validator | rank correlation with macro-F1 | macro-F1 of its picks, lost to the best |",
        "|---|---|---|",
    ]
    table = np.array([row for rows in found.values() for row in rows])
    for place, name in enumerate(VALIDATORS):
        picks = [np.array(rows) for rows in found.values()]
        lost = [rows[:, -1].max() - rows[rows[:, place].argmax(), -1] for rows in picks]
        lines.append(f"| {name} | {spearmanr(table[:, place], table[:, -1])[0]:.2f} | {np.mean(lost):.3f} |")
    publish("\n".join(lines), options.write, "validators")


if __name__ == "__main__":
    main()

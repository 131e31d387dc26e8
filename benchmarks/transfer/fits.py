"""Is ``headstart fit --source-data`` ever below the target alone? On the pairs of ``gains.py``, with their draws.

The target's labelled rows are the development part, the fixed test part is the test part, and ``fit`` does the rest:
diagnosis, every way that it allows, the choice. Beside it the same fit without the other data. Intervals are paired,
over test rows and seeds.

    python benchmarks/transfer/fits.py SHARED [--seeds 3] [--keep FILE] [--write docs/transfer-instances.md]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gains import Draw, Pair, drawn, pairs

import headstart
from headstart.evaluation import transfer_verdict

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish


def fitted(draw: Draw, pair: Pair, *, other: bool) -> tuple[np.ndarray, str]:
    """Return whether each test row is named rightly, and what was taken."""
    known = draw.yt >= 0
    rows = np.vstack([draw.Xt[known], pair.X])
    table = _table(rows, np.concatenate([draw.yt[known], pair.y]))
    table["split"] = np.where(np.arange(len(table)) < known.sum(), "train", "test")
    with tempfile.TemporaryDirectory() as folder:
        run = headstart.fit(
            table, label="label", split="split", out=Path(folder) / "run", seed=draw.seed,
            source_data=_table(draw.Xs, draw.ys) if other else None,
        )  # fmt: skip
        written = pd.read_csv(run.folder / "predictions.csv", dtype=str)
        taken = run.info["decisions"]["What is carried over from the other data?"]["taken"] if other else ""
    test = written[written["split"] == "test"]
    return (test["label"] == test["predicted"]).to_numpy(float), taken


def _table(X: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"f{k}" for k in range(X.shape[1])]).assign(label=[f"c{code}" for code in y])


def cell(pair: Pair, labels: int, seeds: int) -> dict[str, Any]:
    """Return the balanced accuracy of both, the gain with its interval, and what was taken."""
    draws = [drawn(pair, labels, seed) for seed in range(seeds)]
    ours = [fitted(draw, pair, other=True) for draw in draws]
    alone = np.array([fitted(draw, pair, other=False)[0] for draw in draws])
    right = np.array([one for one, _ in ours])
    gap = right - alone  # the draws are paired
    verdict = transfer_verdict(gap, np.zeros_like(gap), y=pair.y, random_state=0)
    weight = 1 / np.bincount(pair.y)[pair.y]
    return {
        "with": float(np.average(right.mean(axis=0), weights=weight)),
        "alone": float(np.average(alone.mean(axis=0), weights=weight)),
        "answer": verdict.answer,
        "gain": [verdict.gain.value, verdict.gain.low, verdict.gain.high],
        "taken": [taken for _, taken in ours],
    }


def main() -> None:
    """Measure what is not kept yet, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=Path(__file__).with_name("fits.json"))
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for name, make in pairs(options.shared):
        pair = make()
        for labels in (one for one in pair.labels if one):
            key = f"{name}, {labels}"
            if key not in kept:
                kept[key] = cell(pair, labels, options.seeds)
                print(key, kept[key], flush=True)
                options.keep.write_text(json.dumps(kept, indent=1) + "\n")
    lines = ["| pair, labels a class | target alone | fit with the source | gain, points | verdict | taken |"]
    lines.append("|---|---|---|---|---|---|")
    for key, row in kept.items():
        value, low, high = (100 * one for one in row["gain"])
        taken = ", ".join(f"{name} ({row['taken'].count(name)})" for name in dict.fromkeys(row["taken"]))
        lines.append(
            f"| {key} | {row['alone']:.3f} | {row['with']:.3f} | {value:+.1f} ({low:+.1f} to {high:+.1f}) "
            f"| {row['answer']} | {taken} |"
        )
    publish("\n".join(lines), options.write, "fits")


if __name__ == "__main__":
    main()

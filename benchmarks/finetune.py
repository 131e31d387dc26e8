"""The frozen answer and the whole bake-off beside fastai's ``fine_tune(5)``, on the same pictures, one at a time.

fastai needs an environment of its own; see ``fastai_side.py``. Headstart starts with an empty cache each time. Wall
times are of whole processes, imports included, for both. Nothing is chosen on a test part. Each row is kept in a file,
so that seeds can be added later.

    pip install elpv-dataset
    python benchmarks/finetune.py --fastai .venv-fastai/bin/python [--data elpv] [--seeds 0 1] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import fit, grocery, publish, solar_cells

KINDS = ("frozen", "auto")
DATA = ("grocery", "clothing", "elpv", "twitter")


def pictures(name: str, shared: Path, seed: int, scratch: Path) -> tuple[list[str], Any]:
    """Return what ``headstart fit`` is told of a data set, and the target that it makes of it."""
    from headstart.data import load_target

    if name == "grocery":
        told = grocery()
        return told, load_target(told[0], image=told[2], label=told[4], split=told[6], random_state=seed)
    if name == "elpv":
        path = scratch / f"elpv-{seed}.csv"
        solar_cells(seed).to_csv(path, index=False)
    else:
        path = shared / {"clothing": "data/clothing", "twitter": "data/emoji/twitter"}[name]
    return [str(path)], load_target(path, random_state=seed)


def export(target: Any, folder: Path) -> None:
    """Write the target's parts as folders of class folders: what the test part holds is the same for both sides.

    Where there is no validation part, a fifth of the training part becomes one, which fastai asks for.
    """
    rows = {"train": target.rows("train"), "valid": target.rows("val"), "test": target.rows("test")}
    if not len(rows["valid"]):
        shuffled = np.random.default_rng(0).permutation(rows["train"])
        rows["valid"], rows["train"] = np.split(shuffled, [len(shuffled) // 5])
    for part, mine in rows.items():
        for row in mine:
            path = folder / part / target.labels[row] / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            target.pictures.open(int(row)).save(path, compress_level=1)


def side_by_side(name: str, seed: int, fastai: Path, shared: Path) -> dict[str, Any]:
    """Return the figures of the three, run one after the other, and the gain of auto over the plain head."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        told, target = pictures(name, shared, seed, root)
        export(target, root / "pictures")
        row: dict[str, Any] = {"date": f"{datetime.date.today()}"}
        for kind in KINDS:
            out = root / kind
            started = time.perf_counter()
            run = fit(told, out, root / f"cache-{kind}", "--strategy", kind, "--seed", str(seed))
            row[kind] = {"seconds": time.perf_counter() - started, **figures(run), "times": run["times"]}
        side = Path(__file__).parent / "fastai_side.py"
        started = time.perf_counter()
        output = subprocess.run(
            [str(fastai), str(side), str(root / "pictures"), str(seed)], check=True, capture_output=True, text=True
        ).stdout
        row["fastai"] = {**json.loads(output.splitlines()[-1]), "seconds": time.perf_counter() - started}
        row["linear"] = figures(fit(told, root / "linear", root / "cache-auto", "--seed", str(seed)))
        row["gain"] = gain(target, root / "auto", root / "linear")
        return row


def figures(run: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a run."""
    return {
        **{metric: run["metrics"][metric]["value"] for metric in ("macro_f1", "accuracy")},
        "model": run["model"]["text"],
    }


def gain(target: Any, ours: Path, theirs: Path) -> list[float]:
    """Return the gain in macro-F1 on the test part, with the ends of its paired interval."""
    from headstart.metrics.paired import paired_gain

    tables = [pd.read_csv(folder / "predictions.csv", dtype={"id": str}).set_index("id") for folder in (ours, theirs)]
    ids = [str(name) for name in target.ids[target.rows("test")]]
    probabilities = [table.loc[ids].filter(regex=r"^p\(").to_numpy() for table in tables]
    rows = target.rows("test")
    found = paired_gain(target.y[rows], *probabilities, target.groups[rows], random_state=0)
    return [float(found.value), float(found.low), float(found.high)]


def table(kept: dict[str, dict[str, Any]]) -> str:
    """Return the table of all rows."""
    lines = [
        "| data | seed | frozen, s | F1 | auto, s | F1 | fastai, s | F1 | frozen/fastai, s | auto/fastai, s "
        "| auto − logistic on lite0 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, row in sorted(kept.items()):
        cells = [f"{row[side]['seconds']:.0f} | {row[side]['macro_f1']:.3f}" for side in (*KINDS, "fastai")]
        ratios = [f"{row[kind]['seconds'] / row['fastai']['seconds']:.2f}" for kind in KINDS]
        value, low, high = (100 * end for end in row["gain"])
        name, seed = key.split()
        lines.append(f"| {name} | {seed} | {' | '.join([*cells, *ratios])} | {value:+.1f} ({low:.1f} to {high:.1f}) |")
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fastai", type=Path, required=True, help="the python of fastai's environment")
    parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "finetune.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for seed in options.seeds:
        for name in options.data:
            if f"{name} {seed}" not in kept:
                kept[f"{name} {seed}"] = side_by_side(name, seed, options.fastai, options.shared)
                options.keep.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    text = table(kept)
    publish(text, options.write, "finetune")


if __name__ == "__main__":
    main()

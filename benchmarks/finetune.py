"""The frozen answer and the whole bake-off beside fastai's ``fine_tune(5)``, on the same pictures, one at a time.

fastai needs an environment of its own; see ``fastai_side.py``. Headstart starts with an empty cache each time. Wall
times are of whole processes, imports included, for both. Nothing is chosen on a test part.

    python benchmarks/finetune.py --fastai .venv-fastai/bin/python --data grocery [--seeds 3] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import fit, grocery, replace_section

KINDS = ("frozen", "auto")


def pictures(name: str, shared: Path) -> tuple[list[str], Any]:
    """Return what ``headstart fit`` is told of a data set, and the target that it makes of it."""
    from headstart.data import load_target

    if name == "grocery":
        told = grocery()
        target = load_target(told[0], image=told[2], label=told[4], split=told[6])
    else:
        folder = {"clothing": "data/clothing", "twitter": "data/emoji/twitter"}[name]
        told = [str(shared / folder)]
        target = load_target(told[0])
    return told, target


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
            target.pictures.open(int(row)).save(path)


def runs(name: str, seeds: int, fastai: Path, shared: Path) -> Iterator[dict[str, Any]]:
    """Yield, for each seed, the figures of the three, taking turns."""
    told, target = pictures(name, shared)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        export(target, root / "pictures")
        for seed in range(seeds):
            row: dict[str, Any] = {}
            for kind in KINDS:
                out = root / f"{kind}-{seed}"
                started = time.perf_counter()
                run = fit(told, out, root / f"cache-{kind}-{seed}", "--strategy", kind, "--seed", str(seed))
                row[kind] = {
                    "seconds": time.perf_counter() - started,
                    **{metric: run["metrics"][metric]["value"] for metric in ("macro_f1", "accuracy")},
                    "model": run["model"]["text"],
                }
            side = Path(__file__).parent / "fastai_side.py"
            started = time.perf_counter()
            output = subprocess.run(
                [str(fastai), str(side), str(root / "pictures"), str(seed)], check=True, capture_output=True, text=True
            ).stdout
            row["fastai"] = {**json.loads(output.splitlines()[-1]), "seconds": time.perf_counter() - started}
            yield row


def main() -> None:
    """Run, print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fastai", type=Path, required=True, help="the python of fastai's environment")
    parser.add_argument("--data", nargs="+", default=["grocery", "clothing", "twitter"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = [
        "| data | seed | frozen, s | F1 | auto, s | F1 | fastai, s | F1 | frozen/fastai | auto/fastai |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in options.data:
        for seed, row in enumerate(runs(name, options.seeds, options.fastai, options.shared)):
            print(json.dumps({name: row}), flush=True)
            cells = [f"{row[side]['seconds']:.0f} | {row[side]['macro_f1']:.3f}" for side in (*KINDS, "fastai")]
            ratios = [f"{row[kind]['seconds'] / row['fastai']['seconds']:.2f}" for kind in KINDS]
            lines.append(f"| {name} | {seed} | {' | '.join([*cells, *ratios])} |")
    text = "\n".join(lines)
    print(text)
    if options.write:
        replace_section(options.write, "finetune", text)


if __name__ == "__main__":
    main()

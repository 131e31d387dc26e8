"""``headstart fit`` on real data: the figures of the test parts, and the second time over.

python benchmarks/fit.py CLOTHING_FOLDER [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from common import fit, grocery, publish


def main() -> None:
    """Fit each data set twice with one cache and tabulate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("clothing", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = [
        "| data | classes | development | test | macro-F1 | accuracy | first time | pictures passed "
        "| second time | passed again |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, data in {"Grocery-14": grocery(), "Clothing-10": [str(options.clothing)]}.items():
        with tempfile.TemporaryDirectory() as scratch:
            seconds, runs = [], []
            for turn in ("first", "second"):
                started = time.perf_counter()
                runs.append(fit(data, Path(scratch) / turn, Path(scratch) / "cache"))
                seconds.append(time.perf_counter() - started)
        first, second = runs
        parts, score, accuracy = first["data"]["parts"], first["metrics"]["macro_f1"], first["metrics"]["accuracy"]
        lines.append(
            f"| {name} | {len(first['model']['classes'])} | {parts['train'] + parts['val']:,} | {parts['test']:,} "
            f"| **{score['value']:.3f}** ({score['low']:.3f}–{score['high']:.3f}) | {accuracy['value']:.3f} "
            f"| {seconds[0]:.0f} s | {first['times']['pictures_passed']:,} "
            f"| {seconds[1]:.0f} s | {second['times']['pictures_passed']} |"
        )
    text = "\n".join(lines)
    publish(text, options.write, "fit")


if __name__ == "__main__":
    main()

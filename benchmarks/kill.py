"""Kill -9 at random instants during ``fit``, start again, and compare with a run that was left alone.

Each time everything is new: run folder, activation cache, exported network. The process is killed at an instant drawn
uniformly over the undisturbed run's time, then the same command runs to its end. What must be the same: weights,
exported graph, predictions, and ``run.json`` apart from its times. Shards that were finished must not be written again
(their inodes stay), and no picture of theirs may be passed again.

    python benchmarks/kill.py [--kills 20] [--write BENCHMARKS.md] [DATA ARGUMENTS OF headstart fit...]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import command, fit, grocery, publish
from safetensors import safe_open


def outcome(out: Path) -> dict[str, Any]:
    """Return what must not depend on an interruption."""
    run = json.loads((out / "run.json").read_text())
    run.pop("times")
    files = ("model.safetensors", "model.onnx", "predictions.csv")
    return {"run": run, **{name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files}}


def shards(cache: Path) -> dict[Path, int]:
    """Return the inode of each finished shard."""
    return {path: path.stat().st_ino for path in cache.glob("activations/*/shard-*.safetensors")}


def pictures(paths: list[Path]) -> int:
    """Return how many pictures these shards hold."""
    total = 0
    for path in paths:
        with safe_open(path, framework="numpy") as stored:
            total += len(stored.get_tensor("digests"))
    return total


def main() -> None:
    """Run, kill, run again, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    options, data = parser.parse_known_args()
    data = data or grocery()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        out, cache = Path(scratch) / "run", Path(scratch) / "cache"
        started = time.perf_counter()
        fit(data, out, cache)
        seconds = time.perf_counter() - started
        expected, everything = outcome(out), pictures(list(shards(cache)))
        same, kept, again, kills = 0, 0, 0, 0
        while kills < options.kills:
            instant = float(rng.uniform(0, seconds))
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(cache)
            environment = {**os.environ, "HEADSTART_CACHE": str(cache)}
            process = subprocess.Popen(
                command("fit", *data, "--out", out, "--quiet"), env=environment, start_new_session=True
            )
            try:
                process.wait(timeout=instant)
                continue  # this run was faster than the undisturbed one, and there was nothing left to kill
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            kills += 1
            before = shards(cache)
            held = pictures(list(before))
            fit(data, out, cache)
            after = shards(cache)
            identical = outcome(out) == expected
            untouched = all(after.get(path) == inode for path, inode in before.items())
            whole = pictures(list(after)) == everything
            same += identical
            kept += len(before)
            again += not (untouched and whole)
            print(
                f"killed at {instant:5.1f} s: {held:5,} pictures done; same: {identical}; kept: {untouched and whole}"
            )
    text = (
        f"{options.kills} kills of a run of {seconds:.0f} s, at instants drawn at random: "
        f"**{same} of {options.kills}** ended with the same weights, graph, predictions and decisions; of "
        f"{kept:,} shards that stood at the kill, those of **{again}** runs were computed again."
    )
    publish(text, options.write, "kill")


if __name__ == "__main__":
    main()

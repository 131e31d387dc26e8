"""The source's weights as the centre of a prior, beside source-only, target-only and both pooled, on real pairs.

Emoji by one hand for those by another, split by codepoint: no test codepoint is in the source or among the target's
labelled rows. Solar cells of one kind for those of the other. Half of the target is the test part, another half in each
seed. The source is a stratified sample of 500. Features are EfficientNet-Lite0's last. Heads of the source have C=0.01,
that of target-only is chosen out of fold; the adapters run with their defaults. Nothing else is chosen. Gains are those
of CentredPrior, the mean over the seeds with a t interval of 95 %.

    pip install elpv-dataset
    python benchmarks/transfer/parameters.py SHARED [--keep FILE] [--write docs/transfer-parameters.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import publish, solar_cells

from headstart import extract, load_target
from headstart.data.splits import sample_rows, stratified_group_folds
from headstart.metrics import scores
from headstart.training import LogisticHead, choose
from headstart.transfer.parameter import CentredPrior, FisherPrior

SEEDS, MOST, C = 5, 500, 0.01
BASELINES = ("source-only", "target-only", "pooled")
ADAPTERS = {"CentredPrior": CentredPrior, "FisherPrior": FisherPrior}
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # features, classes, what may not be torn apart


def worlds(shared: Path) -> Iterator[tuple[str, list[int], Any]]:
    """Yield the name of each pair, how many labels a class are shown, and how to load source and target."""
    yield "emoji google to fluent", [5, 20], lambda: [emoji(shared, name) for name in ("google", "fluent")]
    yield "solar cells mono to poly", [10, 50], lambda: cells("mono")
    yield "solar cells poly to mono", [10, 50], lambda: cells("poly")


def emoji(shared: Path, name: str) -> Rows:
    """Return the drawings of one hand; a codepoint is a group."""
    found = load_target(shared / "data" / "emoji" / name)
    rows = np.flatnonzero(found.y >= 0)
    codes = np.array([Path(one).stem for one in found.ids])
    return extract(found)["last"][rows].astype(float), found.y[rows], codes[rows]


def cells(source: str) -> list[Rows]:
    """Return the cells of the kind ``source``, and those of the other kind."""
    table = solar_cells(0)
    target = load_target(table[["image", "label"]])
    features, kind = extract(target)["last"].astype(float), table["kind"].to_numpy()
    usable = target.y >= 0
    sides = (usable & (kind == source), usable & (kind != source))
    return [(features[rows], target.y[rows], target.groups[rows]) for rows in sides]


def row(source: Rows, target: Rows, labels: int, seed: int) -> dict[str, float]:
    """Return the macro-F1 of each method on the target's test rows."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.unique(np.concatenate([source[2], target[2]])))
    shown, held = np.isin(target[2], groups[::2]), np.isin(target[2], groups[1::2])
    kept = np.flatnonzero(np.isin(source[2], groups[::2]) | ~np.isin(source[2], target[2]))
    kept = sample_rows(source[1], kept, MOST, rng)
    Xs, ys = source[0][kept], source[1][kept]
    few = np.concatenate([
        rng.permutation(np.flatnonzero(shown & (target[1] == code)))[:labels] for code in np.unique(target[1])
    ])  # fmt: skip
    Xt, yt = target[0][few], target[1][few]
    folds = stratified_group_folds(yt, np.unique(target[2][few], return_inverse=True)[1], n_folds=5, random_state=seed)
    own = choose(Xt, yt, folds, n_classes=int(target[1].max()) + 1).C
    fitted: dict[str, Any] = {
        "source-only": LogisticHead(C=C).fit(Xs, ys),
        "target-only": LogisticHead(C=own).fit(Xt, yt),
        "pooled": LogisticHead(C=C).fit(np.vstack([Xs, Xt]), np.append(ys, yt)),
    }
    for name, adapter in ADAPTERS.items():
        fitted[name] = adapter(LogisticHead(C=C)).fit(Xs, ys, Xt, yt)
    test, y = target[0][held], target[1][held]
    return {name: float(scores(y, one.predict_proba(test))["macro_f1"]) for name, one in fitted.items()}


def summary(kept: dict[str, Any]) -> str:
    """Return the table: mean macro-F1 of each method, and gains over target-only and over the best baseline."""
    from scipy.stats import t

    names = [*BASELINES, *ADAPTERS]
    lines = [f"| pair, labels a class | seeds | {' | '.join(names)} | gain over target-only | over the best baseline |",
             "|---|" + "---|" * (len(names) + 3)]  # fmt: skip
    for title, seeds in kept.items():
        table = np.array([[one[name] for name in names] for one in seeds.values()]) * 100
        mean, gains = table.mean(axis=0), []
        for baseline in (1, int(mean[:3].argmax())):
            gain = table[:, 3] - table[:, baseline]
            reach = t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            gains.append(f"{gain.mean():+.1f} ({gain.mean() - reach:+.1f} to {gain.mean() + reach:+.1f})")
        lines.append(f"| {title} | {len(table)} | {' | '.join(f'{one:.1f}' for one in mean)} | {' | '.join(gains)} |")
    return "\n".join([*lines, "", "Macro-F1 in points."])


def main() -> None:
    """Measure each seed of each pair that is not kept yet; print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "parameters.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for name, shown, load in worlds(options.shared):
        sides = None
        for labels in shown:
            seeds = kept.setdefault(f"{name}, {labels}", {})
            for seed in range(SEEDS):
                if str(seed) not in seeds:
                    sides = sides or load()
                    seeds[str(seed)] = row(*sides, labels, seed)
                    options.keep.write_text(json.dumps(kept, indent=1) + "\n")
                    print(
                        name,
                        labels,
                        seed,
                        {way: round(value, 3) for way, value in seeds[str(seed)].items()},
                        flush=True,
                    )
    publish(summary({title: seeds for title, seeds in kept.items() if seeds}), options.write, "parameters")


if __name__ == "__main__":
    main()

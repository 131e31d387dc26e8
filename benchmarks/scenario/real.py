"""The diagnosis on pairs of real data: emoji of two hands, solar cells of two kinds, photos and drawings of clothes.

python benchmarks/scenario/real.py SHARED --write docs/diagnose.md
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import publish, solar_cells
from targets import FASHION, fashion

from headstart.features.activations import compute
from headstart.scenario import Scenario, diagnose
from headstart.scenario.compare import diagnose_data
from headstart.scenario.given import read_source
from headstart.sources import get

CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SKIN = re.compile(r"-?1f3f[b-f]|-?fe0f|-?200d-?264[02]", re.IGNORECASE)


def emoji(folder: Path) -> pd.DataFrame:
    """Return the pictures of one hand; variants of one emoji (skin, sex) are one group."""
    paths = sorted(folder.glob("*/*.png"))
    return pd.DataFrame({
        "image": [str(path) for path in paths],
        "label": [path.parent.name for path in paths],
        "group": [SKIN.sub("", path.stem.lower()) for path in paths],
    })  # fmt: skip


def clothes(most: int = 2000) -> tuple[list[np.ndarray], list[str]]:
    """Return drawings of Fashion-MNIST with the names of their classes."""
    target = fashion(most)
    assert target.pictures is not None
    names = [CLOTHES[int(label)] for label in target.labels]
    return [target.pictures.raw(row) for row in range(len(names))], names  # type: ignore[misc]


def pairs(shared: Path) -> dict[str, tuple[object, object, bool]]:
    """Return source, target and whether the target's labels are looked at."""
    data = shared / "data"
    google, twitter = emoji(data / "emoji" / "google"), emoji(data / "emoji" / "twitter")
    cells = solar_cells(0).drop(columns="split")
    mono, poly = (cells[cells["kind"] == kind][["image", "label"]] for kind in ("mono", "poly"))
    half = np.random.default_rng(0).permutation(len(poly)) % 2 == 0
    found: dict[str, tuple[object, object, bool]] = {
        "emoji google to twitter": (google, twitter, True),
        "emoji google to twitter, no labels": (google, twitter, False),
        "ELPV mono to poly": (mono, poly, True),
        "ELPV mono to poly, no labels": (mono, poly, False),
        "ELPV half of poly to the other half": (poly[half], poly[~half], True),
    }
    if FASHION.is_dir():
        found["Clothing-10 to Fashion-MNIST"] = (data / "clothing", clothes(), True)
    return found


def made(shared: Path, draws: int) -> list[str]:
    """Return what is named where real pictures are split by how they look: a covariate shift and nothing else.

    A picture goes to the target with probability 1 / (1 + exp(-1.5 s)), s being its place along one of the five leading
    principal components of its features, in standard deviations. Its label has no say in it.
    """
    cells = solar_cells(0).drop(columns="split")
    sets = {
        "emoji google": emoji(shared / "data" / "emoji" / "google"),
        "ELPV poly": cells[cells["kind"] == "poly"][["image", "label"]],
    }
    lines = ["| pictures | draws | named covariate shift alone | named P(Y given X) too |", "|---|---|---|---|"]
    for name, table in sets.items():
        given = read_source(table)
        assert given.pictures is not None and given.groups is not None and given.y is not None
        given = given.take(np.unique(given.groups, return_index=True)[1])
        X = compute(given.pictures, get("lite0"), taps=["last"])["last"]
        standard = (X - X.mean(axis=0)) / X.std(axis=0).clip(1e-3)
        components = np.linalg.svd(standard, full_matrices=False)[0]
        named = []
        for seed in range(draws):
            place = components[:, seed % 5] / components[:, seed % 5].std()
            there = np.random.default_rng(seed).random(len(X)) < 1 / (1 + np.exp(-1.5 * place))
            found = diagnose(X[~there], given.y[~there], X[there], given.y[there], random_state=seed)
            named.append(found.differences)
        alone, both = (sum(one == set(what) for one in named) for what in (["covariate"], ["covariate", "conditional"]))
        lines.append(f"| {name} | {draws} | {alone} | {both} |")
    return lines


def row(name: str, found: Scenario) -> str:
    told = found.marginal.told
    space = found.label_space
    cells = [
        name,
        f"{found.n_source:,} / {found.n_target:,}",
        "" if told is None else f"{told.auc:.2f}",
        " + ".join(sorted(found.differences)) or "nothing",
        {True: "yes", False: "no", None: "cannot be told"}[found.label_shift.differs],
        space.relation or "cannot be told",
        {True: "yes", False: "no", None: "cannot be told"}[found.conditional.differs],
        "" if found.conditional.overlap is None else f"{found.conditional.overlap:.0%}",
        "" if found.conditional.transfer is None else f"{100 * found.conditional.transfer.value:+.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--draws", type=int, default=10, help="splits of each set with a made covariate shift")
    parser.add_argument("--only", default="", help="part of a pair's name")
    options = parser.parse_args()
    lines = [
        "| pair | rows | AUC | found | label shift | label spaces | P(Y given X) differs | overlap | points |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    more = []
    for name, (source, target, labels) in pairs(options.shared).items():
        if options.only not in name:
            continue
        found = diagnose_data(source, target, target_labels=labels)
        lines.append(row(name, found))
        more.append(f"* {name}: {' '.join(one.sentence for one in found.findings)}")
        print(found.headline(), found.label_space.to_frame(), found.warnings, sep="\n")
    publish("\n".join([*lines, "", *more]), options.write, "real")
    publish("\n".join(made(options.shared, options.draws)), options.write, "made")


if __name__ == "__main__":
    main()

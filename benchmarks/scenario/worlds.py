"""The diagnosis on worlds in which it is known what differs; they are defined in docs/diagnose.md.

python benchmarks/scenario/worlds.py --write docs/diagnose.md
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import publish

from headstart.scenario import diagnose

CENTRES = np.array([[1.2, 0.0, 0.5, 0.0, 0.0], [-0.6, 1.0, 0.5, 0.0, 0.0], [-0.6, -1.0, -1.0, 0.0, 0.0]])
PRIORS = {"balanced": np.array([1, 1, 1]) / 3, "imbalanced": np.array([0.8, 0.15, 0.05])}
MOVED = {"balanced": np.array([0.6, 0.25, 0.15]), "imbalanced": np.array([0.5, 0.15, 0.35])}
STEP = np.array([0.5, 0.5, 0.0, 0.5, 0.0])
NAMES = np.array(["ant", "bee", "cat"], dtype=object)
EXPECTED = {
    "none": set(),
    "covariate shift": {"covariate"},
    "concept change": {"conditional"},
    "label shift": {"label"},
    "class renamed": {"label_space"},
    "class removed": {"label_space"},
    "columns": {"feature_space"},
}
WITHOUT_LABELS = {world: EXPECTED[world] for world in ("none", "covariate shift", "label shift", "columns")}
SIZES = (200, 600, 2000)


@dataclass(frozen=True)
class Draw:
    """Source and target of one draw of a world."""

    Xs: pd.DataFrame
    ys: np.ndarray
    Xt: pd.DataFrame
    yt: np.ndarray


def draw(world: str, balance: str, n: int, rng: np.random.Generator) -> Draw:
    """Draw n rows a side."""
    priors = PRIORS[balance]
    Zs, ys = classes(priors, n, rng)
    Zt, yt = classes(MOVED[balance] if world == "label shift" else priors, n, rng)
    if world == "covariate shift":
        Zt = Zt + STEP
        yt = says(Zt, priors, rng)
    if world == "concept change":
        yt = says(Zt * [1, -1, 1, 1, 1], priors, rng)
    if world == "class removed":
        shares = np.append(priors[:2], 0) / priors[:2].sum()
        Zt, yt = classes(shares, n, rng)
    Xs, Xt = frame(Zs, rng), frame(Zt, rng)
    names = NAMES.copy()
    if world == "class renamed":
        names[1] = "wasp"
    if world == "columns":
        Xt = Xt.drop(columns=["height"]).rename(columns={"weight": "mass"})
    return Draw(Xs, NAMES[ys], Xt, names[yt])


def classes(priors: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw from P(Y) and P(X given Y)."""
    y = rng.choice(3, n, p=priors)
    return rng.normal(CENTRES[y]), y


def says(Z: np.ndarray, priors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from the source's P(Y given X), by Bayes' rule."""
    joint = priors * np.exp(-0.5 * ((Z[:, None] - CENTRES) ** 2).sum(axis=2))
    return (joint.cumsum(axis=1) < rng.random((len(Z), 1)) * joint.sum(axis=1, keepdims=True)).sum(axis=1)


def frame(Z: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Return the same rows in the columns of a table: two are skewed, one is a category that tells nothing."""
    table = pd.DataFrame(Z, columns=["length", "weight", "price", "height", "year"])
    table["price"], table["year"] = np.exp(table["price"]), np.exp(table["year"])
    table["colour"] = rng.choice(["red", "green", "blue"], len(Z), p=[0.5, 0.3, 0.2])
    return table


def run(labels: bool, balance: str, world: str, size: int, seed: int) -> dict:
    """Return what the diagnosis of one draw named, and how long it took."""
    one = draw(world, balance, size, np.random.default_rng([seed, size]))
    started = time.perf_counter()
    found = diagnose(one.Xs, one.ys, one.Xt, one.yt if labels else None, random_state=seed)
    seconds = time.perf_counter() - started
    return {"labels": labels, "balance": balance, "world": world, "size": size, "seed": seed,
            "named": sorted(found.differences), "seconds": seconds}  # fmt: skip


def plan(sizes: tuple[int, ...], repeats: int, none: list[int]) -> list[tuple]:
    """Return all draws, such that the first part of them is a smaller study of the same worlds."""
    return [
        (labels, balance, world, size, seed)
        for seed in range(max(repeats, *none))
        for labels, worlds in ((True, EXPECTED), (False, WITHOUT_LABELS))
        for balance in PRIORS
        for world in worlds
        for size in sizes
        if seed < (none[sizes.index(size)] if world == "none" else repeats)
    ]


def report(table: list[dict], sizes: tuple[int, ...]) -> str:
    """Return the shares of the draws that were named right, and what else was said."""
    frame = pd.DataFrame(table)
    lines = []
    for labels, mine in frame.groupby("labels", sort=False):
        expected = EXPECTED if labels else WITHOUT_LABELS
        lines += [
            f"{'With' if labels else 'Without'} target labels, share named exactly right, rows a side across:",
            "",
            f"| world | classes | draws | {' | '.join(f'{size:,}' for size in sizes)} | else said, at {sizes[-1]:,} |",
            f"|---|---|---|{'---|' * len(sizes)}---|",
        ]
        for (balance, world), rows in mine.groupby(["balance", "world"], sort=False):
            right = rows.assign(right=[set(named) == expected[world] for named in rows["named"]])
            shares = right.groupby("size")["right"].mean()
            draws = " / ".join(map(str, dict.fromkeys(right.groupby("size").size())))
            last = right[(right["size"] == sizes[-1]) & ~right["right"]]["named"]
            wrong = Counter(" + ".join(sorted(named)) or "nothing" for named in last)
            cells = " | ".join(f"{shares[size]:.1%}" for size in sizes)
            others = ", ".join(f"{name} {n}" for name, n in wrong.most_common(3))
            lines.append(f"| {world} | {balance} | {draws} | {cells} | {others} |")
        alarms = mine[mine["world"] == "none"].assign(alarm=lambda one: [bool(named) for named in one["named"]])
        counts = alarms.groupby("size")["alarm"].agg(["sum", "size", "mean"])
        text = ", ".join(
            f"{one['mean']:.1%} at {size:,} ({one['sum']:.0f} of {one['size']:.0f})" for size, one in counts.iterrows()
        )
        lines += ["", f"False alarms where nothing differs: {text}.", ""]
    seconds = frame.groupby("size")["seconds"].median()
    lines.append("Median seconds a diagnosis: " + ", ".join(f"{s:.1f} at {n:,}" for n, s in seconds.items()) + ".")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--repeats", type=int, default=12, help="draws of each world, size and balance")
    parser.add_argument(
        "--none", type=int, nargs="+", default=[350, 100, 100], help="draws of the world without a difference, a size"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--done", type=Path, help="file of finished draws, to go on where it was left")
    options = parser.parse_args()
    sizes = tuple(options.sizes)
    table = [json.loads(line) for line in options.done.read_text().splitlines()] if options.done else []
    done = {(one["labels"], one["balance"], one["world"], one["size"], one["seed"]) for one in table}
    for key in plan(sizes, options.repeats, options.none):
        if key not in done:
            table.append(run(*key))
            if options.done:
                with options.done.open("a") as file:
                    file.write(json.dumps(table[-1]) + "\n")
    publish(report(table, sizes), options.write, "worlds")


if __name__ == "__main__":
    main()

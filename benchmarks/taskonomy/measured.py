"""Which tasks help which, measured on emoji and on solar cells, and whether the taxonomy beats a random choice.

    python benchmarks/taskonomy/measured.py SHARED emoji docs/taskonomy.md
    python benchmarks/taskonomy/measured.py SHARED elpv docs/taskonomy.md
    python benchmarks/taskonomy/measured.py SHARED elpv-lite0 docs/taskonomy.md

At most 2,000 pictures, 200 few pictures, pairs of a target's three best sources; emojis three repetitions and 60 steps
a network, solar cells five and 200. SHARED holds data/emoji; ELPV is the package ``elpv-dataset``. Without the page
the tables are only printed. What is computed is kept in the cache: given again, a command ends at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish, solar_cells

from headstart.results.terminal import cell
from headstart.taskonomy import MeasuredTasks, Recipe, measure, read_tasks

MOST = 2000
SETTINGS = {"seeds": 3, "few": 200, "beam": 3, "recipe": Recipe(steps=60)}
LONGER = {**SETTINGS, "seeds": 5, "recipe": Recipe()}


def emoji(shared: Path) -> MeasuredTasks:
    """Three styles of the same codepoints; a codepoint is a group."""
    paths = sorted((shared / "data" / "emoji").glob("*/*/*.png"))
    rows = [(str(path), path.parent.name, path.parent.parent.name, path.stem) for path in paths]
    table = pd.DataFrame(rows, columns=["image", "category", "style", "codepoint"])
    names = ["category", "style", "mask", "edges", "colour", "rotation"]
    return measure(read_tasks(table, names, group="codepoint", most=MOST, quiet=False), quiet=False, **SETTINGS)


def elpv(encoder: str = "network") -> MeasuredTasks:
    """Solar cells: the probability of a defect, the kind of cell, and tasks made from the pictures."""
    table = solar_cells(0).drop(columns=["label", "split"]).rename(columns={"probability": "defect", "kind": "cell"})
    names = ["defect", "cell", "edges", "rotation", "denoising", "inpainting"]
    tasks = read_tasks(table, names, size=64 if encoder == "network" else 128, most=MOST, quiet=False)
    return measure(tasks, encoder=encoder, quiet=False, **LONGER)


def text(found: MeasuredTasks) -> str:
    """Return the tables in Markdown."""
    two = found.at(2)
    pairs = found.affinity[found.affinity["sources"].str.contains("+", regex=False)]
    singles = found.affinity[~found.affinity["sources"].isin(["self", "random", *pairs["sources"]])]
    better = [
        target
        for target, mine in pairs.groupby("target")
        if mine["loss"].min() < singles.loc[singles["target"] == target, "loss"].min()
    ]
    transfers = "; ".join(f"{target} from {'+'.join(one)}" for target, one in found.taxonomy(2).transfers.items())
    lines = [
        f"{found.n_pictures:,} pictures, {found.seeds} repetitions, encoder: {found.encoder}; {found.n_encode:,} train "
        f"encoders, {found.n_few} decoders, {found.n_compare} compare, {found.n_judge} judge.",
        "",
        markdown(found.references()),
        "",
        "Affinities (a row a target, intervals over repetitions; a row sums to 1 with the pairs that are not shown):",
        "",
        markdown(found.matrix()),
        "",
        markdown(found.by_budget()),
        "",
        f"Budget 2: {found.headline()} The same difference over the judging pictures: {two.pictures.value:+.3f} "
        f"({two.pictures.low:+.3f} to {two.pictures.high:+.3f}). Better than {two.place:.0%} of all choices. "
        f"Transfers: {transfers}. A pair has a lower loss than the best single source on {len(better)} of "
        f"{len(found.tasks)} targets ({', '.join(better)}).",
    ]
    if found.tree is not None:
        lines += ["", f"Task tree: {found.tree.headline()}"]
    lines += [f"\nWarning: {one}." for one in found.warnings]
    return "\n".join(lines)


def markdown(frame: pd.DataFrame) -> str:
    """Return a table in Markdown, its index first."""
    rows = [[frame.index.name or "", *map(str, frame.columns)], ["---"] * (frame.shape[1] + 1)]
    rows += [[cell(value) for value in row] for row in frame.itertuples()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in {"emoji", "elpv", "elpv-lite0"}:
        sys.exit("name the folder with data/emoji, and emoji, elpv or elpv-lite0")
    which = sys.argv[2]
    result = emoji(Path(sys.argv[1])) if which == "emoji" else elpv("lite0" if which == "elpv-lite0" else "network")
    page = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    publish(text(result), page, f"measured {which}")
    print(f"{result.seconds:.0f} s", file=sys.stderr)

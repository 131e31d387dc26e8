"""The published task affinities, put through AHP, source selection and the task tree.

    python benchmarks/taskonomy/published.py SHARED/data/taskonomy

Prints, for each target, how the order of its sources by AHP on the published win rates agrees with the published
affinities; the time and the value of the best taxonomy of every budget; and the task tree against the paper's groups,
for every way to scale and to join, so that nobody has to trust the one that is the default.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

from headstart.taskonomy import ahp, from_references, select_sources, single_sources, task_tree
from headstart.taskonomy.tree import TaskTree

SOLID = ("rgb2sfnorm", "rgb2depth", "rgb2mist", "reshade", "curvature", "edge3d", "keypoint3d", "segment25d")
# The colours of figure 14. Denoising is grey there, a branch of its own; it is counted among the tasks in the plane.
GROUPS = {
    "3-d": SOLID,
    "2-d": ("autoencoder", "colorization", "denoise", "edge2d", "impainting_whole", "keypoint2d", "segment2d"),
    "geometric": ("ego_motion", "fix_pose", "jigsaw", "non_fixated_pose", "point_match", "room_layout",
                  "vanishing_point_well_defined"),
    "semantic": ("class_1000", "class_places", "class_selected", "segmentsemantic_rb"),
}  # fmt: skip
INDEX = ["target", "sources"]


def agreement(folder: Path) -> None:
    """Print Spearman's correlation for each target, and how many sources never win."""
    from scipy.stats import spearmanr

    truth = pd.read_csv(folder / "all_affinities.csv").set_index(INDEX)["value"]
    wins = [pd.read_csv(folder / f"wins_vs_{name}.csv").set_index(INDEX)["value"] for name in ("task", "pixels")]
    rates = pd.concat(wins, axis=1).loc[truth.index]
    print(f"{'target':30s} Spearman, sources that win on less than 1 in 1,000 against both references")
    for target in truth.index.unique("target"):
        mine = rates.loc[target].to_numpy()
        found = spearmanr(ahp(from_references(mine)), truth.loc[target]).statistic
        print(f"{target:30s} {found:.3f} {(mine < 0.001).all(axis=1).sum():3d} of {len(mine)}")


def budgets(folder: Path) -> None:
    """Print the best taxonomy of every budget, with two alternatives and the next unit: four programs each."""
    for name, order in (("all_affinities", 1), ("all_affinities", None), ("all_affinities_16k", None)):
        table = pd.read_csv(folder / f"{name}.csv")
        print(f"\n{name}, {'first order' if order == 1 else 'all orders'}, {len(table):,} rows")
        slowest = 0.0
        for budget in range(1, 23):
            start = time.perf_counter()
            found = select_sources(table, budget, order=order)
            took = time.perf_counter() - start
            slowest = max(slowest, took)
            gap = (found.bound - found.value) / found.value
            others = ", ".join(f"{one.value:.4f}" for one in found.alternatives)
            print(
                f"{budget:2d} {took:5.2f} s value {found.value:.4f} (gap {gap:.0e}) next best {others}; "
                f"one more +{found.gain_of_next_unit:.4f}; {', '.join(found.sources)}"
            )
        print(f"slowest {slowest:.2f} s")


def trees(folder: Path) -> None:
    """Print whether the 3-d tasks are one branch, and the adjusted Rand index of four clusters, for every setting."""
    for name in ("all_affinities", "all_affinities_16k"):
        table = pd.read_csv(folder / f"{name}.csv")
        print(f"\n{name}: {task_tree(table).headline()}")
        print(single_sources(table, [task for task in SOLID if task in set(table["target"])]).head(4).round(4))
        for scale in ("log", "exponential", "linear"):
            for linkage in ("average", "complete", "single", "ward"):
                tree = task_tree(table, 4, scale=scale, linkage=linkage)
                largest = max(len(branch) for branch in tree.branches() if branch <= set(SOLID))
                print(
                    f"{scale:12s} {linkage:9s} {largest} of 8 3-d tasks are a branch, adjusted Rand index "
                    f"{rand(tree):.2f}, without denoising {rand(tree, without=('denoise',)):.2f}"
                )


def rand(tree: TaskTree, without: tuple[str, ...] = ()) -> float:
    """Return the adjusted Rand index of a tree cut in four against the paper's groups."""
    from sklearn.metrics import adjusted_rand_score

    truth = {task: name for name, tasks in GROUPS.items() for task in tasks}
    found = {task: k for k, tasks in enumerate(tree.cut(4)) for task in tasks}
    tasks = [task for task in tree.tasks if task not in without]
    return float(adjusted_rand_score([truth[task] for task in tasks], [found[task] for task in tasks]))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "all_affinities.csv").is_file():
        sys.exit("name the folder that holds all_affinities.csv")
    agreement(Path(sys.argv[1]))
    budgets(Path(sys.argv[1]))
    trees(Path(sys.argv[1]))

"""What the truth table says of every score, and the weights of the combined one; each target judged by the others.

Weighted Kendall τ and regret of the first pick, means over targets; intervals by a bootstrap over targets. Everything
that is learned is learned without the target that it is judged on. The ceiling is what the truth of one seed says of
the truth of the two others. Static baselines: number of weights, published accuracy, mean rank on the other targets.

    python benchmarks/ranking/learn.py [--truth tuned] [--ship FILE] [--write docs/rank.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

from headstart.transferability import agreement
from headstart.transferability.combine import combined, learn_weights
from headstart.transferability.evidence import SCORES

STATIC: dict[str, Mapping[str, float]] = {
    "published accuracy": {"lite0": 0.751, "lite1": 0.767, "lite2": 0.776, "mobilenetv2": 0.719},
    "number of weights": {
        "lite0": 4.65, "lite1": 5.42, "lite2": 6.09, "mobilenetv2": 3.5, "fashion": 4.65, "emoji": 4.65,
        "clothing": 4.65, "random": 4.65,
    },
}  # fmt: skip
_TRUTHS = {"frozen": "a head on frozen features", "tuned": "fine-tuning"}
Cells = dict[tuple[str, str, int], dict[str, Any]]


class Table:
    """The truth table, by target: scores and truths of its sources, means over the seeds."""

    def __init__(self, cells: Cells, what: str) -> None:
        self.targets = sorted({target for target, _, _ in cells})
        self.sources = sorted({source for _, source, _ in cells})
        self.seeds = sorted({seed for _, _, seed in cells})
        self.truth = {
            target: np.array(
                [[cells[target, one, seed][what]["accuracy"] for one in self.sources] for seed in self.seeds]
            )
            for target in self.targets
        }
        self.scores = {
            target: [self._mean([cells[target, one, seed]["scores"] for seed in self.seeds]) for one in self.sources]
            for target in self.targets
        }

    @staticmethod
    def _mean(found: list[dict[str, float]]) -> dict[str, float]:
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def others(self, target: str) -> list[str]:
        """Return the other targets."""
        return [one for one in self.targets if one != target]

    def judged(self, ranking: Any) -> np.ndarray:
        """Return τ and regret, (targets, 2), of what ``ranking`` says of each target's sources."""
        found = [agreement(ranking(target), self.truth[target].mean(axis=0)) for target in self.targets]
        return np.array([[0.0 if np.isnan(one.tau) else one.tau, 100 * one.regret] for one in found])

    def ceiling(self) -> np.ndarray:
        """Return τ and regret of one seed's truth against the mean of the others, (targets, 2)."""
        rows = []
        for target in self.targets:
            truth = self.truth[target]
            found = [agreement(truth[k], np.delete(truth, k, axis=0).mean(axis=0)) for k in range(len(truth))]
            rows.append(np.mean([[one.tau, 100 * one.regret] for one in found], axis=0))
        return np.array(rows)


def weights_without(table: Table, target: str | None) -> dict[str, float]:
    """Return the weights that the other targets teach, or all where ``target`` is None."""
    used = table.targets if target is None else table.others(target)
    return learn_weights([table.scores[one] for one in used], [table.truth[one].mean(axis=0) for one in used], SCORES)


def rankings(table: Table) -> dict[str, Any]:
    """Return every way to rank the sources of a target, by name."""
    worst = -1e30

    def single(name: str) -> Any:
        return lambda target: [one.get(name, worst) for one in table.scores[target]]

    def static(known: Mapping[str, float]) -> Any:
        return lambda target: [known.get(one, worst) for one in table.sources]

    def mean_rank(target: str) -> np.ndarray:
        ranks = [table.truth[one].mean(axis=0).argsort().argsort() for one in table.others(target)]
        return np.mean(ranks, axis=0)

    found: dict[str, Any] = {"combined": lambda target: combined(table.scores[target], weights_without(table, target))}
    found |= {name: single(name) for name in SCORES}
    return {**found, "mean rank elsewhere": mean_rank, **{name: static(known) for name, known in STATIC.items()}}


def truths(cells: Cells) -> list[str]:
    """Return the table itself: frozen and fine-tuned accuracy of each source on each target, means over the seeds."""
    frozen, tuned = (Table(cells, what) for what in ("frozen", "tuned"))
    lines = [f"| target | {' | '.join(frozen.sources)} |", "|---|" + "---|" * len(frozen.sources)]
    for target in frozen.targets:
        pairs = zip(frozen.truth[target].mean(axis=0), tuned.truth[target].mean(axis=0), strict=True)
        lines.append(f"| {target} | {' | '.join(f'{100 * one:.1f} / {100 * other:.1f}' for one, other in pairs)} |")
    return lines


def cost(cells: Cells) -> str:
    """Return a sentence on what the scores cost beside fine-tuning."""
    spent = [one["seconds"] for one in cells.values()]
    shares = [one["n"] / (one["n"] + one["n_test"]) for one in cells.values()]
    scores = sum(one["features"] * share + one["scores"] for one, share in zip(spent, shares, strict=True))
    tuned = sum(one["tuned"] for one in spent)
    return f"One pass and all scores took {scores / tuned:.1%} of the time of fine-tuning every source."


def interval(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 95 % ends of the mean over targets, by a bootstrap over targets."""
    rng = np.random.default_rng(0)
    drawn = rows[rng.integers(0, len(rows), (5000, len(rows)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, high


def main() -> None:
    """Print the table, and write and ship where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "truth.json")
    parser.add_argument("--truth", choices=["frozen", "tuned"], default="tuned")
    parser.add_argument("--ship", type=Path, help="write the weights to this file")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    cells: Cells = {}
    for key, value in json.loads(options.keep.read_text()).items():
        target, source, seed = key.split(" | ")
        cells[target, source, int(seed)] = value
    table = Table(cells, options.truth)
    found = {"the truth of another seed": table.ceiling()}
    found |= {name: table.judged(ranking) for name, ranking in rankings(table).items()}
    size = f"{len(table.sources)} sources, {len(table.targets)} targets, {len(table.seeds)} seeds"
    publish("\n".join([*truths(cells), "", cost(cells)]), options.write, "truth")
    lines = [
        f"{size}; truth: {options.truth}.",
        "",
        "| ranked by | weighted τ | less than combined | regret, points |",
        "|---|---|---|---|",
    ]
    for name, rows in sorted(found.items(), key=lambda item: -item[1][:, 0].mean()):
        low, high = interval(rows)
        less_low, less_high = interval(found["combined"] - rows)
        mean = rows.mean(axis=0)
        lines.append(
            f"| {name} | {mean[0]:.2f} ({low[0]:.2f}–{high[0]:.2f}) | "
            f"{(found['combined'] - rows)[:, 0].mean():+.2f} ({less_low[0]:+.2f} to {less_high[0]:+.2f}) | "
            f"{mean[1]:.1f} ({low[1]:.1f}–{high[1]:.1f}) |"
        )
    weights = weights_without(table, None)
    lines += [
        "",
        "Weights: " + ", ".join(f"{name} {value:.2f}" for name, value in weights.items() if value > 0.005) + ".",
    ]
    publish("\n".join(lines), options.write, f"ranking-{options.truth}")
    if options.ship:
        ranks = [len(table.sources) - table.truth[one].mean(axis=0).argsort().argsort() for one in table.targets]
        places = dict(zip(table.sources, np.mean(ranks, axis=0).round(2).tolist(), strict=True))
        about = f"learned from {size}, where {_TRUTHS[options.truth]} was measured"
        kept = {name: round(value, 4) for name, value in weights.items() if value > 0}
        kept = {name: value / sum(kept.values()) for name, value in kept.items()}
        options.ship.write_text(json.dumps({"weights": kept, "places": places, "about": about}, indent=1) + "\n")


if __name__ == "__main__":
    main()

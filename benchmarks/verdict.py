"""How often the verdict is wrong where there is no difference, and how often it finds one, on simulated pairs.

Each picture has a difficulty of its own for either side, drawn together, so that what is hard for one is mostly hard
for the other. Each seed of a side is right or wrong on a picture by chance, and better or worse than its side on all
pictures alike. Unless said otherwise two runs differ on a tenth of the pictures, and both sides have 85 % accuracy.

    python benchmarks/verdict.py [--pairs 200] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from common import replace_section
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binomtest

from headstart.evaluation.verdict import transfer_verdict

Floats = NDArray[np.float64]

TIED = 0.9  # correlation of the two sides' difficulties


@dataclasses.dataclass(frozen=True)
class World:
    """Two methods on pictures, in log-odds: ``centre`` and ``width`` of the difficulties, what transfer adds."""

    centre: float
    width: float
    seed: float
    added: float

    @classmethod
    def of(cls, discordant: float, gain: float, seed: float, accuracy: float = 0.85) -> World:
        """Find the world in which two runs differ on a share ``discordant``; ``seed`` is that of a seed's log-odds."""
        rng = np.random.default_rng(0)
        one, two = _difficulties(rng, 100_000)
        mine, yours = seed * rng.standard_normal((2, 100_000))

        def right(centre: float, width: float) -> Floats:
            return expit(centre + width * one + mine)

        def centre_of(width: float, goal: float) -> float:
            return float(brentq(lambda centre: right(centre, width).mean() - goal, -60, 60, xtol=1e-4))

        def excess(width: float) -> float:
            ours = right(centre_of(width, accuracy + gain), width)
            theirs = expit(centre_of(width, accuracy) + width * two + yours)
            return float((ours * (1 - theirs) + theirs * (1 - ours)).mean() - discordant)

        width = float(brentq(excess, 0.1, 40, xtol=1e-3))
        centre = centre_of(width, accuracy)
        return cls(centre, width, seed, centre_of(width, accuracy + gain) - centre)

    def runs(
        self, rng: np.random.Generator, n: int, seeds: tuple[int, int], copies: int
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Return scores of transfer and baseline and the groups; every picture stands ``copies`` times."""
        sides = []
        for difficulty, more, many in zip(_difficulties(rng, n // copies), (self.added, 0.0), seeds, strict=True):
            luck = self.seed * rng.standard_normal((many, 1))
            chance = expit(self.centre + more + self.width * difficulty + luck)
            sides.append(np.repeat(rng.random(chance.shape) < chance, copies, axis=1).astype(float))
        return sides[0], sides[1], np.repeat(np.arange(n // copies), copies)


def _difficulties(rng: np.random.Generator, n: int) -> Floats:
    shared, own = rng.standard_normal(n), rng.standard_normal((2, n))
    return np.asarray(np.sqrt(TIED) * shared + np.sqrt(1 - TIED) * own)


def mcnemar(transfer: Floats, baseline: Floats) -> bool:
    """Whether McNemar's exact test rejects at 5 %, on the first seed of either side."""
    wins, losses = int((transfer[0] > baseline[0]).sum()), int((transfer[0] < baseline[0]).sum())
    return wins + losses > 0 and bool(binomtest(wins, wins + losses).pvalue < 0.05)


def percentile(transfer: Floats, baseline: Floats, rng: np.random.Generator) -> bool:
    """Whether plain bootstrap percentiles of the pictures, copies and seeds not minded, exclude 0."""
    difference = transfer.mean(axis=0) - baseline.mean(axis=0)
    n = len(difference)
    low, high = np.quantile(difference[rng.integers(0, n, (1000, n))].mean(axis=1), [0.025, 0.975])
    return bool(low > 0 or high < 0)


def table(
    kind: list[tuple[World, int, tuple[int, int], int]], pairs: int, gain: float, rng: np.random.Generator
) -> str:
    """Return rows of Markdown: what the verdict says of ``pairs`` pairs of each kind, and others beside it."""
    lines = [
        "| pictures | seeds | copies | spread of seeds | helps | hurts | covered | McNemar | plain percentiles |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for world, n, seeds, copies in kind:
        said = {"helps": 0, "no evidence": 0, "hurts": 0}
        covered = exact = plain = 0
        for _ in range(pairs):
            ours, theirs, groups = world.runs(rng, n, seeds, copies)
            found = transfer_verdict(ours, theirs, groups=groups, random_state=rng)
            said[found.answer] += 1
            covered += found.gain.low <= gain <= found.gain.high
            exact += mcnemar(ours[:, ::copies], theirs[:, ::copies])
            plain += percentile(ours, theirs, rng)
        luck = world.seed * rng.standard_normal((200, 1))
        accuracy = expit(world.centre + world.width * _difficulties(rng, 5_000)[0] + luck).mean(axis=1)
        lines.append(
            f"| {n:,} | {seeds[0]} + {seeds[1]} | {copies if copies > 1 else ''} | {100 * accuracy.std():.1f} "
            f"| {said['helps']} | {said['hurts']} | {covered / pairs:.2f} | {exact} | {plain} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Simulate, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    steady, shifting = 0.0, 0.4
    null = {seed: World.of(0.1, 0.0, seed) for seed in (steady, shifting)}
    found = {seed: World.of(0.1, 0.03, seed) for seed in (steady, shifting)}
    sizes = (60, 200, 1000)
    alike = [(null[steady], n, (1, 1), copies) for n in sizes for copies in (1, 4)]
    alike += [(null[seed], n, seeds, 1) for n in sizes for seeds in ((3, 3), (5, 3)) for seed in (steady, shifting)]
    alike += [(null[shifting], 1000, seeds, 1) for seeds in ((2, 2), (10, 10), (1, 5))]
    alike += [(null[shifting], n, (3, 3), 4) for n in sizes]
    better = [(found[steady], n, (1, 1), 1) for n in sizes]
    better += [(found[seed], 1000, seeds, 1) for seeds in ((3, 3), (5, 5)) for seed in (steady, shifting)]
    blind = [(null[shifting], 1000, (1, 1), 1)]
    first = table(alike, options.pairs, 0.0, rng)
    second = table(better, options.pairs, 0.03, rng)
    third = table(blind, options.pairs, 0.0, rng)
    text = (
        f"{options.pairs} simulated pairs a row; two runs differ on a tenth of the pictures; the spread of seeds is "
        "the standard deviation of their true accuracy, in points. *Covered*: share of the intervals that hold the "
        "true gain. McNemar's exact test sees the first seed of either side and each picture once; the plain "
        "percentiles average the seeds and resample pictures.\n\n"
        f'No difference (each "helps" or "hurts" is a false alarm; nominal {options.pairs // 20}):\n\n{first}\n\n'
        f"A true gain of 3 points:\n\n{second}\n\n"
        "What no method can know from one seed a side: no difference between the methods, but between these two runs, "
        f"which is why the verdict then warns:\n\n{third}"
    )
    if options.write:
        replace_section(options.write, "verdict", text)


if __name__ == "__main__":
    main()

"""Is a taxonomy better than labelling as many tasks at random? Judged on pictures that affinities have not seen."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.metrics.intervals import Interval, paired_bootstrap
from headstart.taskonomy.measured.seeds import over_seeds
from headstart.taskonomy.table import Transfer, affinity_matrix, read_transfers
from headstart.taskonomy.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Points = Mapping[tuple[str, str], Floats]


@dataclasses.dataclass(frozen=True)
class AgainstRandom:
    """What a choice of tasks reaches, and what as many tasks at random reach.

    Attributes
    ----------
    budget : int
    sources : tuple of str
        The chosen tasks.
    chosen, random : Interval
        Mean quality over targets, with intervals over repetitions; ``random`` is the mean over all choices of as many
        tasks, each target using its best transfer from them.
    difference : Interval
        Paired, over repetitions.
    pictures : Interval
        The same difference, of the mean over repetitions, with an interval over the judging pictures.
    place : float
        Share of the choices that are worse (half of those that are as good counted): 1 would be better than all.
    """

    budget: int
    sources: tuple[str, ...]
    chosen: Interval
    random: Interval
    difference: Interval
    pictures: Interval
    place: float


def against_random(
    affinity: pd.DataFrame,
    taxonomy: Taxonomy,
    points: Points,
    groups: NDArray[np.int64],
    *,
    most: int = 500,
    seed: int = 0,
) -> AgainstRandom:
    """Compare a taxonomy with random choices of as many tasks.

    Parameters
    ----------
    affinity : DataFrame
        Columns ``sources``, ``target``, ``value``: what a random choice picks its transfers by, too.
    taxonomy : Taxonomy
        The choice; its budget is a number of tasks.
    points : mapping of (str, str) to ndarray, shape (k, m)
        By sources (joined with +) and target: 1, 0.5 or 0 for each of k repetitions and m judging pictures, whether
        the transfer beats full supervision.
    groups : ndarray of int64, shape (m,)
        Pictures that are resampled together.
    most : int
        Choices that are looked at; of more, a sample.
    seed : int
        Of sample and resamples.

    Raises
    ------
    DataError
        If the table cannot be used.
    """
    transfers = read_transfers(affinity)
    tasks = tuple(affinity_matrix(affinity).columns)
    targets = tuple(taxonomy.transfers)
    budget = min(int(taxonomy.budget), len(tasks))
    weights = np.array([taxonomy.importance[target] for target in targets])

    def quality(chosen: Mapping[str, Sequence[str]]) -> Floats:
        each = [points["+".join(chosen[target]), target] for target in targets]
        return np.asarray(np.average(each, axis=0, weights=weights))

    mine = quality(taxonomy.transfers)
    others = np.stack([quality(best_from(transfers, one)) for one in _choices(tasks, budget, most, seed)])
    rest = others.mean(axis=0)
    gap = (mine - rest).mean(axis=0)
    levels = others.mean(axis=(1, 2))
    level = float(mine.mean())
    return AgainstRandom(
        budget=budget,
        sources=taxonomy.sources,
        chosen=over_seeds(mine.mean(axis=1)),
        random=over_seeds(rest.mean(axis=1)),
        difference=over_seeds((mine - rest).mean(axis=1)),
        pictures=paired_bootstrap(lambda drawn: drawn @ gap / drawn.sum(axis=1), groups, random_state=seed),
        place=float(((levels < level - 1e-12) + 0.5 * (np.abs(levels - level) <= 1e-12)).mean()),
    )


def best_from(transfers: Sequence[Transfer], tasks: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return, by target, the sources of the transfer with the highest affinity among those that read ``tasks`` only."""
    available = set(tasks)
    best: dict[str, Transfer] = {}
    for one in transfers:
        if one.needs <= available and (one.target not in best or one.value > best[one.target].value):
            best[one.target] = one
    return {target: one.sources for target, one in best.items()}


def _choices(tasks: Sequence[str], budget: int, most: int, seed: int) -> list[tuple[str, ...]]:
    if math.comb(len(tasks), budget) <= most:
        return list(itertools.combinations(tasks, budget))
    rng = np.random.default_rng(seed)
    return [tuple(tasks[k] for k in np.sort(rng.permutation(len(tasks))[:budget])) for _ in range(most)]

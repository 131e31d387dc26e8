"""The functions of X that the tests of this room look through, and ridge regression on them out of fold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_DIRECTIONS = 100
N_WAVES = 150
N_FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """Rows of source and target, one after the other, seen through fixed functions.

    Attributes
    ----------
    linear : ndarray, shape (n, m)
        The features, or where there are more than 100 their leading principal components.
    wide : ndarray, shape (n, m + 150)
        The same and random Fourier features of a Gaussian kernel as wide as the median distance.
    """

    linear: Floats
    wide: Floats

    def take(self, rows: NDArray[np.int64]) -> Basis:
        """Return some rows."""
        return Basis(self.linear[rows], self.wide[rows])


def basis(table: Floats, rng: np.random.Generator) -> Basis:
    """Return functions of the rows (n, d) that know nothing of where a row is from.

    References
    ----------
    Rahimi and Recht (2007), Random features for large-scale kernel machines, algorithm 1.
    """
    n, d = table.shape
    linear = table - table.mean(axis=0)
    if d > MOST_DIRECTIONS:
        gram = linear.T @ linear if d <= n else linear @ linear.T
        values, vectors = np.linalg.eigh(gram)
        top = np.argsort(values)[::-1][: min(MOST_DIRECTIONS, n - 1)]
        linear = linear @ vectors[:, top] if d <= n else vectors[:, top] * np.sqrt(np.clip(values[top], 0, None))
        linear = linear / max(float(linear.std()), 1e-12)
    width = median_distance(linear, rng)
    directions = rng.normal(size=(linear.shape[1], N_WAVES)) / width
    waves = np.sqrt(2.0) * np.cos(linear @ directions + rng.uniform(0, 2 * np.pi, N_WAVES))
    return Basis(linear, np.column_stack([linear, waves - waves.mean(axis=0)]))


def median_distance(table: Floats, rng: np.random.Generator, most: int = 500) -> float:
    """Return the median distance between two rows, from a sample of ``most``; 1 where there is none."""
    from scipy.spatial.distance import pdist

    if len(table) > most:
        table = table[rng.choice(len(table), most, replace=False)]
    distances = pdist(table) if len(table) > 1 and table.shape[1] else np.zeros(0)
    apart = distances[distances > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def folds_of(codes: NDArray[np.int64], rng: np.random.Generator, n_folds: int = N_FOLDS) -> NDArray[np.int64]:
    """Return the fold of each row, (n,), such that each code is spread evenly."""
    fold = np.empty(len(codes), dtype=np.int64)
    start = 0
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        fold[rows] = (start + np.arange(len(rows))) % n_folds
        start += len(rows)
    return fold


def ridge_out_of_fold(
    table: Floats, wanted: Floats, fold: NDArray[np.int64], penalties: Sequence[float]
) -> NDArray[np.float64]:
    """Return out-of-fold predictions of ridge regression, (len(penalties), n, r), for all ``wanted`` (n, r) at once.

    ``|wanted - a - table b|^2 + penalty n |b|^2`` is minimized over the rows of the other folds.
    """
    found = np.zeros((len(penalties), *wanted.shape))
    for number in np.unique(fold):
        test = fold == number
        rows, values = table[~test], wanted[~test]
        if not len(rows):
            continue
        centre, mean = rows.mean(axis=0), values.mean(axis=0)
        rows = rows - centre
        spectrum, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        cross = vectors.T @ (rows.T @ (values - mean) / len(rows))
        seen = (table[test] - centre) @ vectors
        for position, penalty in enumerate(penalties):
            found[position, test] = mean + seen @ (cross / (np.clip(spectrum, 0, None) + penalty)[:, None])
    return found

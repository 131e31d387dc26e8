"""Can a classifier tell source from target? With the null distribution of the classifier that was used."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError
from headstart.scenario.basis import Basis, Floats, basis, folds_of, ridge_out_of_fold

_PENALTIES = (0.03, 0.3, 3.0)
_LEAST = 5  # rows of each side that a class needs to be looked at by itself


@dataclasses.dataclass(frozen=True)
class Told:
    """How well source and target can be told apart.

    Attributes
    ----------
    auc : float
        Of rows that the classifier was not fitted on: 0.5 is a coin, 1 a clean cut. With strata, the mean over them.
    p_value : float
    n_source, n_target : int
        Rows that were looked at.
    """

    auc: float
    p_value: float
    n_source: int
    n_target: int


def classifier_test(
    Xs: ArrayLike,
    Xt: ArrayLike,
    *,
    strata: tuple[ArrayLike, ArrayLike] | None = None,
    n_permutations: int = 199,
    random_state: int | np.random.Generator | None = 0,
) -> Told:
    """Test whether two samples come from one distribution, by a classifier that tries to tell them apart.

    The classifier is ridge regression on the features and on random Fourier features of them, with several
    penalties; its predictions are out of fold. Each permutation of the rows' origins goes through all of that anew,
    and the statistic is the best correlation of prediction and origin. So the p-value is exact: neither the overlap
    of the training sides of the folds nor the choice of the penalty makes it too small.

    Parameters
    ----------
    Xs, Xt : array_like, shapes (ns, d) and (nt, d)
    strata : pair of array_like, shapes (ns,) and (nt,), optional
        Classes. Then the hypothesis is that X is distributed alike *within each class*, whatever the classes' shares:
        origins are permuted within a class only.
    n_permutations : int
        The p-value is at least 1 / (n_permutations + 1).
    random_state : int, Generator or None

    Returns
    -------
    Told

    Raises
    ------
    DataError
        If a side has fewer than two rows, or no class is on both sides.

    References
    ----------
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, arXiv:1610.06545, section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = classifier_test(rng.normal(size=(200, 3)), rng.normal(0.7, 1, size=(200, 3)))
    >>> found.auc > 0.7, found.p_value
    (True, 0.005)
    """
    source, target = np.asarray(Xs, np.float64), np.asarray(Xt, np.float64)
    rng = np.random.default_rng(random_state)
    both = checked_rows(np.concatenate([source, target]), len(source) + len(target), "features").astype(np.float64)
    scale = both.std(axis=0)
    seen = basis((both - both.mean(axis=0)) / np.where(scale > 0, scale, 1.0), rng)
    codes = None
    if strata is not None:
        labels = np.concatenate([np.asarray(strata[0]), np.asarray(strata[1])])
        if labels.shape != (len(both),):
            raise DataError(f"{len(both)} rows but strata of shape {labels.shape}: give one class each")
        codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return told_apart(seen, len(source), codes, n_permutations, rng)


def told_apart(
    seen: Basis, ns: int, codes: NDArray[np.int64] | None, n_permutations: int, rng: np.random.Generator
) -> Told:
    """Run :func:`classifier_test` on a basis, of whose rows the first ``ns`` are the source's."""
    origin = (np.arange(len(seen.linear)) >= ns).astype(np.int64)
    strata = np.zeros(len(origin), np.int64) if codes is None else codes
    counts = np.zeros((int(strata.max(initial=0)) + 1, 2), dtype=np.int64)
    np.add.at(counts, (strata, origin), 1)
    kept = counts.min(axis=1)[strata] > 0
    if codes is None and counts.min() < 2:
        raise DataError(f"{ns} source rows and {len(origin) - ns} target rows: give at least two of each")
    if not kept.any():
        raise DataError("no class is in source and target: there is nothing to compare within")
    seen, origin, strata = seen.take(np.flatnonzero(kept)), origin[kept], strata[kept]
    share = counts[:, 1] / np.maximum(counts.sum(axis=1), 1)
    origins = np.empty((len(origin), n_permutations + 1))
    origins[:, 0] = origin
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        origins[np.ix_(rows, np.arange(1, n_permutations + 1))] = rng.permuted(
            np.repeat(origin[rows][:, None], n_permutations, axis=1), axis=0
        )
    surplus = origins - share[strata][:, None]
    # Folds are drawn without a look at the origins, which would not be exchangeable otherwise.
    fold = folds_of(strata, rng)
    tables = [ridge_out_of_fold(table, surplus, fold, _PENALTIES) for table in (seen.linear, seen.wide)]
    if codes is not None:
        tables += [_by_class(table, surplus, strata, counts, fold) for table in (seen.linear, seen.wide)]
    candidates = np.concatenate(tables)
    statistics = np.stack([_correlation(table, surplus, strata) for table in candidates])
    best = statistics.max(axis=0)
    p_value = (1 + int((best[1:] >= best[0] - 1e-12).sum())) / (n_permutations + 1)
    chosen = candidates[int(statistics[:, 0].argmax()), :, 0]
    n_target = int(origin.sum())
    return Told(_auc(chosen, origin, strata), p_value, len(origin) - n_target, n_target)


def _by_class(
    table: Floats, surplus: Floats, strata: NDArray[np.int64], counts: NDArray[np.int64], fold: NDArray[np.int64]
) -> Floats:
    """Return the predictions of a regression for each class: a class may move as no other does."""
    found = np.zeros((len(_PENALTIES), *surplus.shape))
    for code in np.flatnonzero(counts.min(axis=1) >= _LEAST):
        rows = np.flatnonzero(strata == code)
        found[:, rows] = ridge_out_of_fold(table[rows], surplus[rows], fold[rows], _PENALTIES)
    return found


def _correlation(predicted: Floats, surplus: Floats, strata: NDArray[np.int64]) -> Floats:
    """Return the correlation of each column with its prediction, both centred within the strata."""
    sums = np.zeros((int(strata.max()) + 1, predicted.shape[1]))
    np.add.at(sums, strata, predicted)
    centred = predicted - (sums / np.maximum(np.bincount(strata), 1)[:, None])[strata]
    size = np.sqrt((centred**2).sum(axis=0) * (surplus**2).sum(axis=0))
    found: Floats = np.divide((centred * surplus).sum(axis=0), size, out=np.zeros(len(size)), where=size > 0)
    return found


def _auc(scores: Floats, origin: NDArray[np.int64], strata: NDArray[np.int64]) -> float:
    """Return the AUC within the strata, weighted as by van Elteren (1960)."""
    from scipy.stats import rankdata

    total = weight = 0.0
    for code in np.unique(strata):
        mine = strata == code
        there = origin[mine] == 1
        n1, n0 = int(there.sum()), int((~there).sum())
        wins = rankdata(scores[mine])[there].sum() - n1 * (n1 + 1) / 2
        total += wins / (n0 + n1 + 1)
        weight += n0 * n1 / (n0 + n1 + 1)
    return float(total / weight)

"""A model of the source that predicts no row it was fitted on, and every target row as well as those."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from headstart.scenario.basis import Floats, folds_of

_GRID = (1e-3, 1e-2, 1e-1, 1.0)
_LEAST = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class SourceModel:
    """What logistic regression on the source says.

    Attributes
    ----------
    source : ndarray, shape (ns, k)
        Probabilities of the source's rows, out of fold, with the temperature that fits them best.
    target : ndarray, shape (folds, nt, k)
        Probabilities of the target's rows by the model of each fold. A model of all rows would be a better one than
        those that judge the source, and its lower loss would look like a difference.
    """

    source: Floats
    target: Floats


def source_model(
    rows_s: Floats, codes: NDArray[np.int64], rows_t: Floats, n_classes: int, rng: np.random.Generator
) -> SourceModel:
    """Fit it: the penalty and the temperature are chosen on the source, out of fold, by the log loss."""
    from headstart.training.path import logistic_path
    from headstart.training.temperature import best_sharpness, sharpen

    ns = len(codes)
    n_folds = int(min(5, max(2, ns // 2)))
    fold = folds_of(codes, rng, n_folds)
    theirs = np.arange(ns, ns + len(rows_t))
    folds = [
        (np.flatnonzero(fold != number), np.concatenate([np.flatnonzero(fold == number), theirs]))
        for number in range(n_folds)
    ]
    best, lowest = None, np.inf
    for found in logistic_path(np.concatenate([rows_s, rows_t]), codes, folds, _GRID, n_classes=n_classes):
        held = np.empty((ns, n_classes))
        for (_, test), table in zip(folds, found, strict=True):
            held[test[test < ns]] = table[: (test < ns).sum()]
        loss = float(-np.log(np.maximum(held[np.arange(ns), codes], _LEAST)).mean())
        if loss < lowest:
            lowest, best = loss, (held, np.stack([table[len(table) - len(theirs) :] for table in found]))
    assert best is not None
    sharpness = best_sharpness(best[0], codes)
    return SourceModel(sharpen(best[0], sharpness), np.stack([sharpen(one, sharpness) for one in best[1]]))

"""The balance of a fit: how its imbalance is corrected, if that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from headstart.imbalance import Balance
    from headstart.imbalance._labels import Floats
    from headstart.imbalance.balance import Tried
    from headstart.pipeline.findings import Findings
    from headstart.training import LogisticHead
    from headstart.training.path import Folds


def balanced_head(
    found: Findings, X: NDArray[np.floating], head: LogisticHead, C: float
) -> tuple[LogisticHead, Floats | None]:
    """Return the head (n, d) and the offsets of its decisions (k,); ``None`` where nothing was asked for.

    Parameters
    ----------
    found : Findings
        Its ``balance`` is set.
    X : ndarray, shape (n, d)
        Of the development part.
    head : LogisticHead
        Fitted on it, nothing corrected.
    C : float
    """
    from headstart.imbalance.balance import BOTH, DECIDED, NONE, fit_balanced, refitted
    from headstart.pipeline.contest import bench_of

    settings, target = found.settings, found.target
    if settings.balance == NONE:
        return head, None
    bench, k = bench_of(target, seed=settings.seed), len(target.classes)

    def refit(way: str) -> Tried:
        return refitted(X, bench.y, bench.folds, way, k, C=C, seed=settings.seed)

    with found.timed("balance"):
        answer = _compare(found, refit(NONE).probabilities, np.arange(len(bench.y)), bench.folds, refit)
        if answer.taken in DECIDED:
            return head, np.array(answer.offsets)
        fitted, offsets = fit_balanced(X, bench.y, answer.taken, k, C=C, seed=settings.seed)
        return fitted, np.array(answer.offsets) if answer.taken == BOTH else offsets


def balanced_decisions(found: Findings, probabilities: Floats) -> Floats | None:
    """Return the offsets of decisions (k,) on out-of-fold probabilities of the development part, (n, k).

    Rows without a prediction are NaN and play no role; the model stays as it is.
    """
    from headstart.data.splits import stratified_group_folds
    from headstart.imbalance.balance import NONE
    from headstart.pipeline.contest import FOLDS

    settings, target = found.settings, found.target
    if settings.balance == NONE:
        return None
    development = target.rows("train", "val")
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    y, groups = target.y[development][rows], target.groups[development][rows]
    n_folds = min(FOLDS, len(np.unique(groups)))
    folds = stratified_group_folds(y, groups, n_folds=n_folds, random_state=settings.seed, classes=target.classes)
    with found.timed("balance"):
        return np.array(_compare(found, probabilities[rows], rows, folds, None).offsets)


def _compare(
    found: Findings, probabilities: Floats, rows: NDArray[np.int64], folds: Folds, refit: Callable[[str], Tried] | None
) -> Balance:
    from headstart.imbalance import balance

    target, settings = found.target, found.settings
    development = target.rows("train", "val")[rows]
    assert found.metric is not None
    found.balance = balance(
        target.y[development], probabilities, folds, found.metric, target.groups[development],
        classes=target.classes, refit=refit, way=settings.balance, random_state=settings.seed,
    )  # fmt: skip
    return found.balance

"""The density ratio as the odds of a classifier that tells target rows from source rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError
from headstart.transfer.instance._rows import Floats, Rows, contents

_FOLDS = 5


def classifier_weights(
    Xs: ArrayLike, Xt: ArrayLike, *, C: float | None = None, highest: float = 1e3, random_state: int = 0
) -> Floats:
    """Return a weight for each source row: ``ns/nt p(target | x) / p(source | x)``.

    p is the logistic head's. Each row is asked of a head that was trained without it and its copies (five folds), for a
    head that tells its own training rows apart well says nothing about densities; the penalty is chosen out of fold
    too. Where there are fewer than two different rows on a side, one strongly penalized head is asked of its own
    rows. Memory and time are linear in the rows.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, d) and (nt, d)
    C : float, optional
        Inverse penalty, instead of the choice.
    highest : float
        Largest odds relative to ``nt/ns``, above 1: where the sides do not overlap, the odds have no bound.
    random_state : int
        Seed of the folds.

    Returns
    -------
    ndarray, shape (ns,)
        0 or more, mean 1.

    Raises
    ------
    DataError
        If features do not fit or an option is out of its range.

    References
    ----------
    Bickel, Brückner and Scheffer (2009), Discriminative learning under covariate shift, JMLR 10, eq. 8; out-of-fold
    predictions as in Chernozhukov et al. (2018), arXiv:1608.00060, definition 3.1.

    Examples
    --------
    >>> Xs = np.linspace(-2, 2, 41)[:, None]
    >>> w = classifier_weights(Xs, Xs[25:] + 0.1)
    >>> bool(w[:20].mean() < 0.3 < w[25:].mean()), round(float(w.mean()), 6)
    (True, 1.0)
    """
    if not highest > 1:
        raise DataError(f"highest={highest}: give a number above 1")
    if C is not None and C <= 0:
        raise DataError(f"C={C}: give a number above 0, or None to choose it")
    rows = Rows.of(Xs, Xt)
    ns, nt = len(rows.source), len(rows.target)
    odds = _odds(rows, C, random_state) * (ns / nt)
    return rows.weights(np.clip(odds, 1 / highest, highest))


def _odds(rows: Rows, C: float | None, random_state: int) -> Floats:
    from headstart.data.splits import stratified_group_folds
    from headstart.training import CS, LogisticHead, choose

    ns, X = len(rows.source), np.vstack([rows.source, rows.target])
    domain = np.repeat([0, 1], [ns, len(rows.target)])
    groups = np.unique(contents(X), return_inverse=True)[1]
    try:
        folds = stratified_group_folds(domain, groups, n_folds=_FOLDS, random_state=random_state)
    except DataError:  # a side has one row, or copies of it, only
        p = LogisticHead(C or CS[0]).fit(X, domain).predict_proba(rows.source)
    else:
        choice = choose(X, domain, folds, CS if C is None else [C], n_classes=2, metric="roc_auc")
        p = choice.probabilities[choice.best, :ns]
    return np.asarray(p[:, 1] / np.maximum(p[:, 0], np.finfo(np.float64).tiny))

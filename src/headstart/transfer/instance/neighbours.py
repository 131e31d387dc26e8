"""Nearest-neighbour weights: how many target rows fall to each source row."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError
from headstart.transfer.instance._rows import Floats, Rows, blocks


def neighbour_weights(Xs: ArrayLike, Xt: ArrayLike, *, smoothing: float = 1.0) -> Floats:
    """Return a weight for each source row: the number of target rows that lie nearest to it, plus ``smoothing``.

    Source rows that are the same share what falls to them. Features are standardized by the rows of both sides.
    Memory is linear in the rows.

    Parameters
    ----------
    Xs, Xt : array_like, shape (ns, d) and (nt, d)
    smoothing : float
        0 or more. At 0 a source row that is nearest to none weighs nothing; 1 is Laplace's.

    Returns
    -------
    ndarray, shape (ns,)
        0 or more, mean 1.

    Raises
    ------
    DataError
        If features do not fit or ``smoothing`` is negative.

    References
    ----------
    Loog (2012), Nearest neighbor-based importance weighting, IEEE MLSP, section 3.

    Examples
    --------
    >>> neighbour_weights([[0.0], [1.0], [2.0]], [[1.9], [2.2], [0.8]], smoothing=0).tolist()
    [0.0, 1.0, 2.0]
    """
    from sklearn.metrics.pairwise import euclidean_distances

    if smoothing < 0:
        raise DataError(f"smoothing={smoothing}: give 0 or more")
    rows = Rows.of(Xs, Xt)
    lengths = (rows.source**2).sum(axis=1)[None]
    fallen = np.zeros(len(rows.source))
    for part in blocks(len(rows.target), len(fallen)):
        squares = euclidean_distances(rows.target[part], rows.source, Y_norm_squared=lengths, squared=True)
        fallen += np.bincount(squares.argmin(axis=1), minlength=len(fallen))
    return rows.weights(fallen + smoothing)

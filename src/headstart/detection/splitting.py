"""Which pictures with boxes train, choose and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.splits import split_parts
from headstart.detection.boxes import Boxes

Rows = NDArray[np.int64]


def set_apart(
    boxes: Sequence[Boxes],
    groups: ArrayLike,
    n_classes: int,
    share: float,
    random_state: int | np.random.Generator | None,
) -> NDArray[np.bool_]:
    """Return which pictures are set apart: about ``share`` of them, no group torn, rare classes on both sides.

    A picture holds several classes, so it is dealt by its rarest one (that which the fewest pictures hold); those
    without objects are a kind of their own. What all stands in a single group is not set apart: it is needed where
    the detector learns.

    Parameters
    ----------
    boxes : sequence of Boxes, length n
    groups : array_like of int, shape (n,)
        Pictures with equal values stay together.
    n_classes : int
    share : float
        Between 0 and 1.
    random_state : int or Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> one = Boxes(np.array([[0.0, 0, 1, 1]]), np.array([0]))
    >>> set_apart([one] * 10, range(10), 1, 0.2, 0).sum()
    np.int64(2)
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    holds = np.zeros((len(boxes), n_classes), dtype=bool)
    for row, one in enumerate(boxes):
        counted = one.labels if one.ignore is None else one.labels[~one.ignore]
        holds[row, counted] = True
    common = holds.sum(axis=0)
    rarest = np.where(holds, common, len(boxes) + 1).argmin(axis=1) if n_classes else np.zeros(len(boxes), np.int64)
    kind = np.where(holds.any(axis=1), rarest, n_classes)
    # A group goes as one, so it is of the kind of its rarest picture.
    order = np.lexsort((np.append(common, len(boxes) + 1)[kind], group))
    first = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    kind = kind[first][group]
    groups_of_kind = np.bincount(kind[first], minlength=n_classes + 1)
    apart = np.zeros(len(boxes), dtype=bool)
    dealt = np.flatnonzero(groups_of_kind[kind] > 1)
    if len(dealt):
        parts = split_parts(kind[dealt], group[dealt], test_size=share, random_state=random_state)
        apart[dealt] = parts == "test"
    return apart

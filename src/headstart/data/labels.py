"""Which rows have a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def labelled(y: NDArray[Any], known: NDArray[Any] | None = None) -> NDArray[np.bool_]:
    """Return which rows have a label: not -1 (integers), NaN (floats) or ``None`` (objects).

    Where -1 is one of the ``known`` labels, it is a label.

    >>> labelled(np.array([0, -1, 2])).tolist(), labelled(np.array(["a", None], dtype=object)).tolist()
    ([True, False, True], [True, False])
    >>> labelled(np.array([1, -1]), known=np.array([-1, 1])).tolist()
    [True, True]
    """
    if y.dtype.kind == "f":
        return np.asarray(~np.isnan(y))
    if y.dtype.kind in "iu":
        return np.asarray(y != -1) if known is None or -1 not in known else np.ones(len(y), dtype=bool)
    return np.array([one is not None and one == one for one in y.tolist()], dtype=bool)

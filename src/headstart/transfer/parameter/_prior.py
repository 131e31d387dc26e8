"""What ridge and logistic regression with a prior share: shapes that fit, and rows seen in the prior's own scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]


def shaped(value: Any, shape: tuple[int, ...], name: str) -> Floats:
    """Return a prior's numbers in ``shape``; zeros where there are none."""
    if value is None:
        return np.zeros(shape)
    found = np.asarray(value, dtype=np.float64)
    if found.shape != shape and found.size == int(np.prod(shape)) and 1 in (found.ndim, len(shape)):
        found = found.reshape(shape)
    if found.shape != shape:
        raise DataError(f"{name} has shape {found.shape}, but the model has {shape}: give one number a coefficient")
    if not np.isfinite(found).all():
        raise DataError(f"{name} holds NaN or infinities: give finite numbers")
    return found


def positive(value: Any, shape: tuple[int, ...], name: str) -> Floats:
    """Return precisions in ``shape``, all above 0; ones where there are none."""
    found = np.ones(shape) if value is None else shaped(value, shape, name)
    if not (found > 0).all():
        raise DataError(f"{name} must be above 0 everywhere: add what the prior knows of all alike")
    return found


def narrowed(rows: Floats) -> tuple[Floats, Floats | None]:
    """Return rows (n, d) in the space that they span, (n, r), and its basis (r, d); as they are where n >= d.

    A quadratic penalty keeps the solution in that span, and a rotation does not change its length.
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    left, lengths, basis = np.linalg.svd(rows, full_matrices=False)
    return left * lengths, basis

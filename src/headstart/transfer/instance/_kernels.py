"""Gaussian kernels at centres among the target's rows, for the two direct estimates of a density ratio."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from headstart.results import DataError
from headstart.transfer.instance._rows import Floats, Rows
from headstart.transfer.instance.kmm import width

WIDTHS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Centres:
    """Target rows at which kernels stand, and how far rows lie apart.

    Attributes
    ----------
    at_rows : ndarray, shape (m, d)
        The centres.
    scale : float
        1 over the median squared distance of rows of both sides.
    """

    at_rows: Floats
    scale: float

    @classmethod
    def drawn(cls, rows: Rows, most: int, random_state: int) -> Centres:
        """Draw at most ``most`` different ones."""
        if most < 1:
            raise DataError(f"n_centres={most}: give at least 1")
        different = np.unique(rows.target, axis=0)
        chosen = np.random.default_rng(random_state).permutation(len(different))[:most]
        return cls(different[np.sort(chosen)], width(rows))

    def at(self, X: Floats, gamma: float) -> Floats:
        """Return the kernel's values, (n, m)."""
        from sklearn.metrics.pairwise import rbf_kernel

        return np.asarray(rbf_kernel(X, self.at_rows, gamma=gamma))


def checked_widths(centres: Centres, widths: Sequence[float], gamma: float | None) -> list[float]:
    """Return the values of gamma to choose from; the first is what is taken where nothing can be chosen."""
    if gamma is not None:
        if gamma <= 0:
            raise DataError(f"gamma={gamma}: give a number above 0, or None to choose it")
        return [gamma]
    if not len(widths) or min(widths) <= 0:
        raise DataError(f"widths={tuple(widths)}: give numbers above 0, such as {WIDTHS}")
    middle = sorted(widths, key=lambda one: abs(np.log(one)))
    return [centres.scale * one for one in middle]

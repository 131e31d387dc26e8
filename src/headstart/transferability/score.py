"""What a transferability score is given and what it returns."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
ClassWeight = Literal["balanced"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Score(float):
    """A float, higher is better, that remembers how it was found. Scores of different targets do not compare.

    Attributes
    ----------
    value : float
    n_iter : int
        Steps that an iterative score took; 0 where there is nothing to iterate.
    warnings : tuple of str

    Examples
    --------
    >>> max(Score(0.2), Score(0.5, n_iter=3))
    Score(value=0.5, n_iter=3, warnings=())
    """

    value: float
    n_iter: int = 0
    warnings: tuple[str, ...] = ()

    def __new__(cls, value: float, n_iter: int = 0, warnings: tuple[str, ...] = ()) -> Score:
        """Make the float."""
        return super().__new__(cls, value)


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """Classes of the examples, without gaps, and what each example weighs.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
        From 0 to ``n_classes`` - 1, in the order of the sorted labels.
    weights : ndarray of float64, shape (n,)
        Positive, of mean 1: all 1, or such that each class weighs the same.
    """

    codes: Codes
    weights: Floats

    @property
    def n_classes(self) -> int:
        """How many classes occur."""
        return int(self.codes.max()) + 1

    @property
    def shares(self) -> Floats:
        """Weight of each class, (n_classes,); they add up to 1."""
        return np.asarray(np.bincount(self.codes, self.weights) / len(self.codes))

    def sums(self, rows: Floats) -> Floats:
        """Return the weighted sum of ``rows`` (n, d) in each class, (n_classes, d)."""
        from scipy.sparse import csr_array

        n = len(self.codes)
        member = csr_array((self.weights, (self.codes, np.arange(n))), shape=(self.n_classes, n))
        return np.asarray(member @ rows)


def checked_labels(labels: ArrayLike, class_weight: ClassWeight = None) -> Labels:
    """Return the labels (n,) as codes with weights.

    Raises
    ------
    DataError
        If there are fewer than two classes, a label is missing, or ``class_weight`` is unknown.
    """
    given = np.asarray(labels)
    if given.ndim != 1 or not len(given):
        raise DataError(f"labels have shape {given.shape}: give one label for each example")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise DataError(f"the label of row {int(np.flatnonzero(~np.isfinite(given))[0])} is missing: leave the row out")
    names, codes = np.unique(given, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"all labels are {names[0]!r}: a score compares classes, give at least two")
    if class_weight not in (None, "balanced"):
        raise DataError(f"no class_weight {class_weight!r}: choose None or 'balanced'")
    weights = np.ones(len(codes))
    if class_weight:
        weights = (len(codes) / (len(names) * np.bincount(codes)))[codes]
    return Labels(codes.astype(np.int64), weights)

"""Isotonic calibration: what a probability has meant, as a rising line of a few pieces for each class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
KNOTS, VALUES = "calibration_knots", "calibration_values"
_NEAR = 1e-6  # knots closer than this are one: single precision, which the exported graph has, could not hold both


@dataclasses.dataclass(frozen=True, eq=False)
class Isotonic:
    """A rising function of each class's probability, linear between knots; then the rows are made to add up to 1.

    Attributes
    ----------
    knots : ndarray, shape (k, m)
        Probabilities, ascending in each row; the last one is repeated where a class has fewer.
    values : ndarray, shape (k, m)
        What each knot becomes, above 0 and not falling. Below the first knot and above the last the line is level.
    """

    knots: Floats
    values: Floats

    def __post_init__(self) -> None:
        fits = self.knots.ndim == 2 and self.knots.shape == self.values.shape and self.knots.shape[1] > 0
        if not fits or (np.diff(self.knots) < 0).any() or (np.diff(self.values) < 0).any() or self.values.min() <= 0:
            raise DataError(
                f"knots {self.knots.shape} and values {self.values.shape} are no calibration: give (k, m) of both, "
                "ascending in each row, values above 0"
            )

    def __call__(self, probabilities: ArrayLike) -> Floats:
        """Return calibrated probabilities (n, k)."""
        table = np.asarray(probabilities, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.knots):
            raise DataError(f"probabilities have shape {table.shape}, the calibration is of {len(self.knots)} classes")
        pairs = zip(table.T, self.knots, self.values, strict=True)
        found = np.column_stack([np.interp(column, knots, values) for column, knots, values in pairs])
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def scaled(self, factors: ArrayLike) -> Isotonic:
        """Return it with each class's values times a factor (k,) above 0: a prior correction after the calibration."""
        return Isotonic(self.knots, self.values * np.asarray(factors, dtype=np.float64)[:, None])

    def to_arrays(self) -> dict[str, Floats]:
        """Return ``calibration_knots`` and ``calibration_values``, (k, m) each."""
        return {KNOTS: self.knots, VALUES: self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Isotonic:
        """Return what ``to_arrays`` gave."""
        return cls(np.asarray(arrays[KNOTS], dtype=np.float64), np.asarray(arrays[VALUES], dtype=np.float64))


def fit_isotonic(y: ArrayLike, probabilities: ArrayLike) -> Isotonic:
    """Fit an isotonic regression for each class against the rest.

    For class c the values rise with p_c and are nearest, in squares, to whether it was c:
    min over non-falling f of sum_i (f(p_ic) - [y_i = c])^2, found by pooling adjacent violators. What has always or
    never been right in n examples is not called certain: values stay between 1 / (n + 2) and 1 - 1 / (n + 2), as
    Laplace's rule has it. With two classes one map mirrors the other, and nothing is left to be made to add up.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Of a model that was not fitted on these rows.

    Raises
    ------
    DataError
        If there is no row or shapes do not fit.

    References
    ----------
    Zadrozny and Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates, KDD,
    sections 3.1 and 4.

    Examples
    --------
    >>> p = np.array([0.1, 0.2, 0.8, 0.9])
    >>> found = fit_isotonic([0, 1, 0, 1], np.column_stack([1 - p, p]))
    >>> found([[0.5, 0.5], [0.0, 1.0]]).round(3).tolist()  # 0.2 to 0.8 has meant a half
    [[0.5, 0.5], [0.167, 0.833]]
    """
    from sklearn.isotonic import IsotonicRegression

    from headstart.metrics._arrays import checked

    codes, table = checked(y, probabilities)
    least = 1 / (len(codes) + 2)
    lines = []
    for code, column in enumerate(table.T):
        line = IsotonicRegression().fit(column, codes == code)
        lines.append(_apart(line.X_thresholds_, np.clip(line.y_thresholds_, least, 1 - least)))
    longest = max(2, *(len(knots) for knots, _ in lines))
    padded = [[np.pad(part, (0, longest - len(part)), mode="edge") for part in line] for line in lines]
    return Isotonic(np.stack([knots for knots, _ in padded]), np.stack([values for _, values in padded]))


def _apart(knots: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return a line without knots that cannot be told from the one before; such become one, at the mean value."""
    part = np.concatenate([[0], np.cumsum(np.diff(knots) > _NEAR)])
    count = np.bincount(part)
    return np.bincount(part, knots) / count, np.bincount(part, values) / count

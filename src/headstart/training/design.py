"""Standardized features in the smallest space that holds them, and the way back to the original scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import RobustScaler, StandardScaler

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """Training rows as a linear model with an L2 penalty needs them.

    With fewer rows than features the rows span at most n directions. An L2 penalty keeps the solution in that span
    (the representer theorem), and a rotation does not change its length: with X = U S V', the model on U S is the
    model on X, its coefficients seen in the basis V.

    Attributes
    ----------
    rows : ndarray, shape (n, r)
        Standardized features, or U S where n < d.
    mean, scale : ndarray, shape (d,)
        What was subtracted and divided by; constant features have scale 1.
    basis : ndarray of shape (r, d), or None
        V', where the rows were rotated.
    """

    rows: NDArray[Any]
    mean: Floats
    scale: Floats
    basis: Floats | None

    @classmethod
    def of(cls, X: NDArray[Any], sample_weight: Floats | None = None, *, robust: bool = False) -> Design:
        """Standardize ``X`` (n, d) by its own (weighted) mean and standard deviation, and rotate it if n < d.

        With ``robust`` its median and its interquartile range take their place, and there are no weights. Means and
        deviations are computed in float64; ``rows`` have the precision of ``X``.
        """
        scaler: Any = RobustScaler().fit(X) if robust else StandardScaler().fit(X, sample_weight=sample_weight)
        centre = scaler.center_ if robust else scaler.mean_
        rows = scaler.transform(X)
        basis = None
        if rows.shape[0] < rows.shape[1]:
            rows, basis = _rotate(rows.astype(np.float64))
            rows = rows.astype(X.dtype)
        return cls(rows, centre, scaler.scale_, basis)

    def principal(self) -> Design:
        """Return the design along its principal directions, so that the columns of ``rows`` are orthogonal.

        Where rows are fewer than features they are so already.
        """
        from scipy.linalg import eigh

        if self.basis is not None:
            return self
        basis = eigh(self.rows.T @ self.rows)[1].T
        return replace(self, rows=self.rows @ basis.T, basis=basis)

    def original(self, coefficients: NDArray[Any], intercepts: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return coefficients (m, d) and intercepts (m,) for unscaled features from those for ``rows``."""
        inner = coefficients.astype(np.float64)
        outer = (inner if self.basis is None else inner @ self.basis) / self.scale
        return outer, intercepts - outer @ self.mean


def _rotate(rows: Floats) -> tuple[Floats, Floats]:
    """Return U S (n, r) and V' (r, d) of ``rows`` (n, d), n < d, without the directions that hold only rounding.

    The eigenvectors of the n x n Gram matrix are several times cheaper than a singular value decomposition.
    """
    from scipy.linalg import eigh

    squares, left = eigh(rows @ rows.T)
    kept = squares > squares[-1] * len(rows) * np.finfo(np.float64).eps
    if not kept.any():  # nothing but constant features
        kept[-1] = True
        return np.zeros((len(rows), 1)), np.zeros((1, rows.shape[1]))
    lengths, left = np.sqrt(squares[kept]), left[:, kept]
    return left * lengths, (left / lengths).T @ rows

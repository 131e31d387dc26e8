"""The singular values of centred, weighted features, found once for all scores that are linear in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK = 4096  # rows that are held in double precision at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values s and left vectors U of ``A = diag(√w) (X - mean)``, where the mean is weighted too.

    They come from the smaller of AᵀA and AAᵀ, a chunk of rows at a time: the features are never copied whole. What
    is smaller than rounding in that product counts as zero.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    roots : ndarray of float64, shape (n,)
        √w.
    mean : ndarray of float64, shape (d,)
    squares : ndarray of float64, shape (r,)
        s², descending, all positive.
    vectors : ndarray of float64
        U (n, r) where n < d, else V diag(1/s) (d, r), so that U = A @ vectors.
    """

    X: NDArray[np.floating]
    roots: Floats
    mean: Floats
    squares: Floats
    vectors: Floats

    def project(self, Y: Any) -> Floats:
        """Return Yᵀ U, (c, r), for Y (n, c), dense or sparse by rows."""
        if self._tall:
            return np.asarray(sum(Y[rows].T @ A for rows, A in _chunks(self.X, self.roots, self.mean)) @ self.vectors)
        return np.asarray(Y.T @ self.vectors)

    def left(self) -> Iterator[tuple[slice, Floats]]:
        """Yield slices of the rows with their part of U, (rows, r)."""
        if self._tall:
            for rows, A in _chunks(self.X, self.roots, self.mean):
                yield rows, A @ self.vectors
        else:
            yield slice(0, len(self.X)), self.vectors

    @property
    def _tall(self) -> bool:
        n, d = self.X.shape
        return bool(n >= d)


def spectrum(X: NDArray[np.floating], weights: Floats) -> Spectrum:
    """Return the spectrum of features (n, d) with positive weights (n,)."""
    n, d = X.shape
    roots = np.sqrt(weights)
    mean = np.asarray(sum(weights[rows] @ X[rows].astype(np.float64) for rows in _slices(n)) / weights.sum())
    if n < d:
        A = np.concatenate([A for _, A in _chunks(X, roots, mean)])
        squares, vectors = np.linalg.eigh(A @ A.T)
    else:
        squares, vectors = np.linalg.eigh(sum(A.T @ A for _, A in _chunks(X, roots, mean)))
    eps = np.finfo(np.float64).eps
    # The mean is rounded too, which leaves something of a constant feature.
    least = max(max(n, d) * eps * squares[-1], d * (n * eps * np.abs(mean).max()) ** 2)
    kept = np.flatnonzero(squares > least)[::-1]
    squares, vectors = squares[kept], vectors[:, kept]
    return Spectrum(X, roots, mean, squares, vectors if n < d else vectors / np.sqrt(squares))


def _slices(n: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]


def _chunks(X: NDArray[np.floating], roots: Floats, mean: Floats) -> Iterator[tuple[slice, Floats]]:
    for rows in _slices(len(X)):
        yield rows, roots[rows, None] * (X[rows] - mean)

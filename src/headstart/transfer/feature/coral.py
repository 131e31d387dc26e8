"""CORAL: the source's covariance made that of the target."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError, HeadstartWarning
from headstart.transfer.adapter import Floats
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter, varies

_NOTHING = 1e-12  # of the largest eigenvalue: a direction in which nothing varies is left as it is


class CORAL(FeatureAdapter):
    """Correlation alignment: source rows are whitened, then given the covariance and mean of the target.

    ``x -> (x - m_s) C_s^(-1/2) C_t^(1/2) + m_t``; target rows stay as they are. With as many features as rows or more
    the sample covariances cannot be inverted, so they are shrunk.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
    source : Domain, optional
    shrinkage : float or "auto"
        Share of the covariance that is replaced by a multiple of the identity, on standardized features; by default
        what Ledoit and Wolf find best, for source and target each.
    random_state : int

    Attributes
    ----------
    mean_source_, mean_target_ : ndarray, shape (d,)
    map_ : ndarray, shape (d, d)

    References
    ----------
    Sun, Feng and Saenko (2016), Return of frustratingly easy domain adaptation, arXiv:1511.05547, algorithm 1. There
    the identity is added to both covariances.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ys, Xt = np.arange(200) % 2, rng.normal(size=(300, 2))
    >>> Xs = rng.normal(size=(200, 2)) @ [[3.0, 1.0], [0.0, 0.5]] + 7
    >>> moved = CORAL(shrinkage=0.0).fit(Xs, ys, Xt).transform_source(Xs)
    >>> bool(np.allclose(np.cov(moved.T), np.cov(Xt.T)) and np.allclose(moved.mean(axis=0), Xt.mean(axis=0)))
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        shrinkage: float | Literal["auto"] = "auto",
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.shrinkage = shrinkage

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        self.mean_source_, self.mean_target_ = Xs.mean(axis=0), Xt.mean(axis=0)
        if not (varies(Xs) and varies(Xt)):
            which = "target" if varies(Xs) else "source"
            message = f"CORAL: the {which} does not vary, so that only the mean of the source is moved"
            warnings.warn(message, HeadstartWarning, stacklevel=3)
            self.map_ = np.eye(Xs.shape[1])
            return
        whitening = _power(covariance(Xs, self.shrinkage), -0.5)
        self.map_ = whitening @ _power(covariance(Xt, self.shrinkage), 0.5)

    def _map_source(self, X: Floats) -> Floats:
        return np.asarray((X - self.mean_source_) @ self.map_ + self.mean_target_)

    def _map_target(self, X: Floats) -> Floats:
        return X


def covariance(X: Floats, shrinkage: float | str = "auto") -> Floats:
    """Return the covariance of the rows, its correlations shrunk towards those of unrelated features.

    Shrinking standardized features makes the result move with the unit of each feature. A constant one counts as one of
    unit 1.

    >>> covariance(np.array([[0.0, 0.0], [2.0, 20.0]]), 0.5).tolist()
    [[2.0, 10.0], [10.0, 200.0]]
    """
    if shrinkage != "auto" if isinstance(shrinkage, str) else not 0 <= shrinkage <= 1:
        raise DataError(f"shrinkage={shrinkage!r}: give a share from 0 to 1, or 'auto'")
    from sklearn.covariance import ledoit_wolf_shrinkage
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    rows = scaler.transform(X)
    share = ledoit_wolf_shrinkage(rows, assume_centered=True) if isinstance(shrinkage, str) else shrinkage
    found = rows.T @ rows / (len(X) - 1)
    size = np.trace(found) / len(found)
    found *= 1 - share
    found.flat[:: len(found) + 1] += share * size
    return np.asarray(found * scaler.scale_ * scaler.scale_[:, None])


def _power(matrix: Floats, exponent: float) -> Floats:
    """Return a power of a covariance; of directions without variance, 0."""
    from scipy.linalg import eigh

    values, vectors = eigh(matrix)
    there = values > _NOTHING * values[-1]
    kept = vectors[:, there]
    return np.asarray((kept * values[there] ** exponent) @ kept.T)

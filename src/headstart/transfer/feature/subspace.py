"""Subspace alignment: the source's principal axes turned onto those of the target."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError, HeadstartWarning
from headstart.transfer.adapter import Floats
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter, varies

_NOTHING = 1e-10  # of the largest singular value: an axis without spread


class SubspaceAlignment(FeatureAdapter):
    """Source rows in their principal axes, turned onto those of the target by ``M = P_s^T P_t``.

    Source rows become ``(x - m_s) P_s M``, target rows ``(x - m_t) P_t``: M is the linear map that brings the one basis
    nearest to the other.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
    source : Domain, optional
    n_components : int or float
        Dimension of the subspaces, or, from 0 to 1, the share of the variance that they keep, of the domain that needs
        fewer axes for it. Never more than either has.
    random_state : int

    Attributes
    ----------
    n_components_ : int
    mean_source_, mean_target_ : ndarray, shape (d,)
    axes_source_, axes_target_ : ndarray, shape (d, k)
        Of the source, P_s M.

    References
    ----------
    Fernando et al. (2013), Unsupervised visual domain adaptation using subspace alignment, ICCV, eq. 1 to 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(40, 5))
    >>> SubspaceAlignment(n_components=2).fit(Xs, np.arange(40) % 2, Xs[:20] + 1).transform_source(Xs).shape
    (40, 2)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        n_components: int | float = 0.95,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.n_components = n_components

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        asked = self.n_components
        if not (0 < asked < 1 or (asked >= 1 and asked == int(asked))):
            raise DataError(f"n_components={asked!r}: give a whole number from 1 on, or a share between 0 and 1")
        self.mean_source_, self.mean_target_ = Xs.mean(axis=0), Xt.mean(axis=0)
        if not varies(Xs):
            raise DataError("the source is one sample, or its rows are all the same: there is nothing to learn from")
        axes_s, values_s = _principal(Xs - self.mean_source_)
        if varies(Xt):
            axes_t, values_t = _principal(Xt - self.mean_target_)
        else:
            message = "SubspaceAlignment: the target does not vary, so that the source's subspace is taken for its own"
            warnings.warn(message, HeadstartWarning, stacklevel=3)
            axes_t, values_t, self.mean_target_ = axes_s, values_s, self.mean_source_
        if asked < 1:
            needed = [int(np.searchsorted(np.cumsum(v**2), asked * (v**2).sum())) + 1 for v in (values_s, values_t)]
            asked = min(needed)
        self.n_components_ = int(min(asked, len(values_s), len(values_t)))
        source, self.axes_target_ = axes_s[:, : self.n_components_], axes_t[:, : self.n_components_]
        self.axes_source_ = source @ (source.T @ self.axes_target_)

    def _map_source(self, X: Floats) -> Floats:
        return np.asarray((X - self.mean_source_) @ self.axes_source_)

    def _map_target(self, X: Floats) -> Floats:
        return np.asarray((X - self.mean_target_) @ self.axes_target_)


def _principal(centred: Floats) -> tuple[Floats, Floats]:
    """Return principal axes (d, r), each with its largest entry positive, and their singular values (r,)."""
    from scipy.linalg import svd

    _, values, axes = svd(centred, full_matrices=False)
    there = values > _NOTHING * values[0]
    values, axes = values[there], axes[there].T
    return axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(values))]), values

"""A latent space that source and target share, where their features are different ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array

from headstart.data.labels import labelled
from headstart.results import DataError
from headstart.transfer.adapter import Difference, Floats
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter
from headstart.transfer.feature.coral import covariance

_NOTHING = 1e-9  # strength below which a pair of directions has nothing in common


class SharedLatentSpace(FeatureAdapter):
    """Directions of the source's features and of the target's in which the same things lie in the same place.

    Canonical correlation analysis: ``max tr(W_s^T B W_t)`` subject to ``W_s^T C_s W_s = W_t^T C_t W_t = I``. B is the
    cross-covariance of rows that belong together, and C_s and C_t are shrunk covariances.

    * ``paired``: the same things measured with both kinds of features. B is that of the pairs, as are the covariances.
    * without: rows of source and target with the same label belong together. B is then the cross-covariance of the
      class means, each shared class counting the same, and the covariances are those of all rows. With k classes there
      are at most k - 1 directions.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
    source : Domain, optional
    paired : tuple of array_like, optional
        Rows (p, ds) in the source's features and the same things (p, d) in the target's.
    n_components : int, optional
        Directions; by default as many as have anything in common, at most 50.
    shrinkage : float or "auto"
        As of :class:`CORAL`.
    random_state : int

    Attributes
    ----------
    strengths_ : ndarray, shape (k,)
        Singular values: the canonical correlations where rows were paired. Without pairs the covariances are those of
        other rows, so that one may exceed 1.
    axes_source_, axes_target_ : ndarray, shape (ds, k) and (d, k)
    mean_source_, mean_target_ : ndarray, shape (ds,) and (d,)
        Of the paired rows, or of the shared classes' means.

    References
    ----------
    Hotelling (1936), Relations between two sets of variates; regularized by Vinod (1976), Canonical ridge and
    econometrics of joint production; with rows paired by label, Kimura et al. (2013), SemiCCA, and Wang and Mahadevan
    (2011), Heterogeneous domain adaptation using manifold alignment.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(60) % 2, np.arange(20) % 2
    >>> Xs, Xt = np.eye(2, 5)[ys] * 9 + rng.normal(size=(60, 5)), np.eye(2)[1 - yt] * 9 + rng.normal(size=(20, 2))
    >>> known = np.where(np.arange(20) < 4, yt, -1)
    >>> SharedLatentSpace().fit(Xs, ys, Xt, known).score(Xt, yt)
    0.95
    """

    mends: ClassVar[frozenset[Difference]] = frozenset({"feature_space"})
    needs_labels: ClassVar[bool] = True

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        paired: tuple[ArrayLike, ArrayLike] | None = None,
        n_components: int | None = None,
        shrinkage: float | str = "auto",
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.paired = paired
        self.n_components = n_components
        self.shrinkage = shrinkage

    def _needs_labels(self) -> bool:
        return self.paired is None

    def _check_spaces(self, source: int, target: int) -> None:
        """Take any."""

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        if self.n_components is not None and self.n_components < 1:
            raise DataError(f"n_components={self.n_components}: give at least 1")
        if self.paired is not None:
            As, At = self._pairs(Xs.shape[1], Xt.shape[1])
            self.mean_source_, self.mean_target_ = As.mean(axis=0), At.mean(axis=0)
            together = (As - self.mean_source_).T @ (At - self.mean_target_) / (len(As) - 1)
            Xs, Xt = As, At
        else:
            assert yt is not None
            means_s, means_t = class_means(Xs, ys, Xt, yt)
            self.mean_source_, self.mean_target_ = means_s.mean(axis=0), means_t.mean(axis=0)
            together = (means_s - self.mean_source_).T @ (means_t - self.mean_target_) / len(means_s)
        roots = _whitening(Xs, self.shrinkage), _whitening(Xt, self.shrinkage)
        left, strengths, right = np.linalg.svd(roots[0].T @ together @ roots[1], full_matrices=False)
        there = int((strengths > _NOTHING * max(1.0, strengths.max(initial=0.0))).sum())
        if not there:
            raise DataError("source and target have nothing in common in the rows that belong together")
        kept = min(there, 50 if self.n_components is None else self.n_components)
        signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])[:kept]
        self.strengths_ = strengths[:kept]
        self.axes_source_ = roots[0] @ left[:, :kept] * signs
        self.axes_target_ = roots[1] @ right[:kept].T * signs

    def _pairs(self, source: int, target: int) -> tuple[Floats, Floats]:
        assert self.paired is not None
        As, At = (check_array(rows, dtype=np.float64) for rows in self.paired)
        if len(As) != len(At) or len(As) < 2 or As.shape[1] != source or At.shape[1] != target:
            raise DataError(
                f"paired rows have shapes {As.shape} and {At.shape}: give at least two pairs, (p, {source}) and "
                f"(p, {target})"
            )
        return As, At

    def _map_source(self, X: Floats) -> Floats:
        return np.asarray((X - self.mean_source_) @ self.axes_source_)

    def _map_target(self, X: Floats) -> Floats:
        return np.asarray((X - self.mean_target_) @ self.axes_target_)


def class_means(Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the means (c, ds) and (c, d) of the c classes that both have, in the same order.

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    there = labelled(yt, ys)
    known, rows = yt[there], Xt[there]
    both = [label for label in np.unique(ys).tolist() if (known == label).any()]
    if len(both) < 2:
        raise DataError(f"source and labelled target share the classes {both}: a latent space needs at least two")
    means_s = np.array([Xs[ys == label].mean(axis=0) for label in both])
    return means_s, np.array([rows[known == label].mean(axis=0) for label in both])


def _whitening(X: Floats, shrinkage: float | str) -> Floats:
    """Return W (d, r) with ``W^T C W = I``, C the covariance of the rows; a single row has that of the identity."""
    if len(X) < 2:
        return np.eye(X.shape[1])
    values, vectors = np.linalg.eigh(covariance(X, shrinkage))
    kept = values > 1e-12 * max(values[-1], np.finfo(np.float64).tiny)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))

"""Transfer component analysis: components of a kernel on which source and target have the same mean."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError
from headstart.training.nystroem import median_distance
from headstart.transfer.adapter import Floats
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter, varies

_NOTHING = 1e-10  # of the kernel's largest eigenvalue


class TCA(FeatureAdapter):
    """Transfer component analysis, exact on few rows and by the Nyström method on many.

    With K the kernel on the rows of both, L that of the squared distance of the two means (MMD) and H what centres,
    ``min_W tr(W^T K L K W) + mu tr(W^T W)`` subject to ``W^T K H K W = n I``: components of unit variance that tell
    source and target little apart. A row becomes ``k(x, .) W``.

    It is solved in the eigenbasis of the kernel on the landmarks. Where every row is a landmark that is the method
    itself; with m landmarks, half of them of the target if it has so many, it costs n m² in place of n³.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
    source : Domain, optional
    n_components : int
        Components, the most varied first.
    mu : float
        Weight of the norm; the larger, the smoother the components.
    kernel : {"rbf", "linear"}
    gamma : float, optional
        Of the kernel ``exp(-gamma |x - x'|²)``; by default one over the median squared distance.
    n_landmarks : int
        Most landmarks of the kernel.
    random_state : int
        Seed of the choice of landmarks.

    Attributes
    ----------
    landmarks_ : ndarray, shape (m, d)
    weights_ : ndarray, shape (m, k)
        Rows become ``k(x, landmarks_) @ weights_``.
    gamma_ : float

    References
    ----------
    Pan et al. (2011), Domain adaptation via transfer component analysis, IEEE Transactions on Neural Networks 22,
    eq. 9 to 12; Williams and Seeger (2001), Using the Nyström method to speed up kernel machines, NIPS 13.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ys = np.arange(60) % 2
    >>> Xs = rng.normal(size=(60, 2)) + 3 * ys[:, None]
    >>> Xt = rng.normal(size=(40, 2)) + 3 * (np.arange(40) % 2)[:, None] + [1.0, -1.0]
    >>> TCA(n_components=2).fit(Xs, ys, Xt).transform(Xt).shape
    (40, 2)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        n_components: int = 30,
        mu: float = 1.0,
        kernel: Literal["rbf", "linear"] = "rbf",
        gamma: float | None = None,
        n_landmarks: int = 1000,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.n_components = n_components
        self.mu = mu
        self.kernel = kernel
        self.gamma = gamma
        self.n_landmarks = n_landmarks

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        if self.n_components < 1 or self.mu <= 0 or self.n_landmarks < 2:
            given = f"n_components={self.n_components}, mu={self.mu}, n_landmarks={self.n_landmarks}"
            raise DataError(f"{given}: give at least 1 component, a mu above 0 and at least 2 landmarks")
        if self.kernel not in ("rbf", "linear"):
            raise DataError(f"no kernel {self.kernel!r}: choose rbf or linear")
        rows = np.vstack([Xs, Xt])
        self.landmarks_ = np.vstack(self._chosen(Xs, Xt))
        self.gamma_ = 1 / median_distance(self.landmarks_) if self.gamma is None else float(self.gamma)
        if not varies(rows):
            raise DataError("source and target are one sample, or all the same: there is nothing to learn from")
        values, vectors = np.linalg.eigh(self._kernel(self.landmarks_))
        there = values > _NOTHING * values[-1]
        basis = vectors[:, there] / np.sqrt(values[there])
        left, sizes, right = np.linalg.svd(self._kernel(rows) @ basis, full_matrices=False)
        kept = sizes > np.sqrt(_NOTHING) * sizes[0]
        left, sizes, right = left[:, kept], sizes[kept], right[kept]
        apart = np.concatenate([np.full(len(Xs), 1 / len(Xs)), np.full(len(Xt), -1 / len(Xt))])
        found = _components(left, sizes, apart, self.mu)[:, : self.n_components]
        self.weights_ = basis @ (right.T * sizes) @ found

    def _chosen(self, Xs: Floats, Xt: Floats) -> tuple[Floats, Floats]:
        """Return the landmarks of source and target: all rows, if they are few enough."""
        if len(Xs) + len(Xt) <= self.n_landmarks:
            return Xs, Xt
        rng = np.random.default_rng(self.random_state)
        of_target = min(len(Xt), max(self.n_landmarks // 2, self.n_landmarks - len(Xs)))
        counts = (self.n_landmarks - of_target, of_target)
        drawn = [rng.permutation(len(X))[:count] for X, count in zip((Xs, Xt), counts, strict=True)]
        return Xs[np.sort(drawn[0])], Xt[np.sort(drawn[1])]

    def _kernel(self, X: Floats) -> Floats:
        from sklearn.metrics.pairwise import rbf_kernel

        if self.kernel == "linear":
            return np.asarray(X @ self.landmarks_.T)
        return np.asarray(rbf_kernel(X, self.landmarks_, gamma=self.gamma_))

    def _map_source(self, X: Floats) -> Floats:
        return np.asarray(self._kernel(X) @ self.weights_)

    def _map_target(self, X: Floats) -> Floats:
        return np.asarray(self._kernel(X) @ self.weights_)


def _components(left: Floats, sizes: Floats, apart: Floats, mu: float) -> Floats:
    """Return the leading solutions Q of ``S² U^T H U S² Q = (mu I + b b^T) Q Λ``, b = S² U^T ``apart``, scaled.

    The kernel is ``U S² U^T`` and W = U Q, so that ``K W = U S² Q``; each column of that has variance 1.
    """
    from scipy.linalg import eigh

    squares = sizes**2
    between = squares * (left.T @ apart)
    centred = left - left.mean(axis=0)
    scatter = (centred.T @ centred) * squares * squares[:, None]
    penalty = np.outer(between, between)
    penalty.flat[:: len(penalty) + 1] += mu
    _, found = eigh(scatter, penalty)
    found = found[:, ::-1]
    variances = (found * (scatter @ found)).sum(axis=0) / len(left)
    there = variances > _NOTHING * variances.max(initial=0.0)
    found = found[:, there] / np.sqrt(variances[there])
    shown = (left * squares) @ found
    return np.asarray(found * np.sign(shown[np.abs(shown).argmax(axis=0), np.arange(found.shape[1])]))

"""An RBF kernel as an explicit feature map, so that a kernel machine ends as a few arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
_PAIRED = 500  # rows whose distances give the median


@dataclass(frozen=True, eq=False)
class KernelMap:
    """Features as they come to their kernel values at landmarks: ``exp(-|(x - centre) * scale - landmark|^2)``.

    Attributes
    ----------
    centre, scale : ndarray, shape (d,)
        Standardization and kernel width in one.
    landmarks : ndarray, shape (m, d)
        In that scale.
    """

    centre: Floats
    scale: Floats
    landmarks: Floats

    def __call__(self, X: NDArray[Any]) -> Floats:
        """Return the kernel values (n, m), in 0..1, of features (n, d)."""
        return np.asarray(rbf_kernel((X - self.centre) * self.scale, self.landmarks, gamma=1.0))

    def to_arrays(self) -> dict[str, Floats]:
        """Return the three arrays by name."""
        return {"centre": self.centre, "scale": self.scale, "landmarks": self.landmarks}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> KernelMap:
        """Return what ``to_arrays`` was called on; other names are left alone."""
        return cls(*(np.asarray(arrays[name], dtype=np.float64) for name in ("centre", "scale", "landmarks")))


@dataclass(frozen=True, eq=False)
class KernelDesign:
    """Training rows in the feature space of an RBF kernel, as :class:`headstart.training.design.Design` is for none.

    A linear model with an L2 penalty on ``rows`` is the kernel machine whose functions are spanned by the landmarks;
    where every training row is one, the machine itself.

    Attributes
    ----------
    rows : ndarray, shape (n, m)
        Nyström features, centred.
    map : KernelMap
        Features to kernel values.
    basis : ndarray, shape (m, m)
        Kernel values to Nyström features.
    mean : ndarray, shape (m,)
        What was subtracted.

    References
    ----------
    Williams and Seeger (2001), Using the Nyström method to speed up kernel machines, NIPS 13; the median distance as
    the width: Gretton et al. (2012), A kernel two-sample test, JMLR 13, sec. 8.
    """

    rows: NDArray[Any]
    map: KernelMap
    basis: Floats
    mean: Floats

    @classmethod
    def of(
        cls,
        X: NDArray[Any],
        sample_weight: Floats | None = None,
        *,
        gamma_factor: float = 1.0,
        n_components: int = 1000,
        random_state: int | None = 0,
    ) -> KernelDesign:
        """Standardize ``X`` (n, d) and map it by the kernel ``exp(-gamma * |x - x'|^2)``.

        gamma is ``gamma_factor`` over the median squared distance between rows. ``rows`` have the precision of ``X``.
        """
        scaler = StandardScaler().fit(X, sample_weight=sample_weight)
        rows = scaler.transform(X.astype(np.float64))
        gamma = gamma_factor / median_distance(rows)
        nystroem = Nystroem(gamma=gamma, n_components=min(n_components, len(rows)), random_state=random_state)
        features = nystroem.fit_transform(rows)
        mean = np.average(features, axis=0, weights=sample_weight)
        width = np.sqrt(gamma)
        where = KernelMap(scaler.mean_, width / scaler.scale_, width * nystroem.components_)
        return cls((features - mean).astype(X.dtype), where, nystroem.normalization_, mean)

    def original(self, coefficients: NDArray[Any], intercepts: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return coefficients (k, m) and intercepts (k,) for kernel values from those for ``rows``."""
        inner = coefficients.astype(np.float64)
        return inner @ self.basis, intercepts - inner @ self.mean


def median_distance(rows: NDArray[Any]) -> float:
    """Return the median squared distance between different rows, 500 taken evenly; 1 where all are the same."""
    some = rows[np.unique(np.linspace(0, len(rows) - 1, _PAIRED).astype(int))]
    squares = euclidean_distances(some, squared=True)[np.triu_indices(len(some), 1)]
    different = squares[squares > 1e-12 * max(1.0, float(np.square(some).sum(axis=1).mean()))]
    return float(np.median(different)) if len(different) else 1.0

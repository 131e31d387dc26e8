"""What one normalization layer saw of the source and of the target, and how much of the two is the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """What one normalization layer saw of the source and of the target, channel by channel.

    Attributes
    ----------
    layer, tap : str
        Its name, and the tap that its stage leads to.
    mean, variance : ndarray, shape (c,)
        Of the target, over pictures and positions.
    source_mean, source_variance : ndarray, shape (c,)
        What the layer carries.
    eps : float
        What the layer adds to a variance.
    """

    layer: str
    tap: str
    mean: Floats
    variance: Floats
    source_mean: Floats
    source_variance: Floats
    eps: float

    def overlap(self) -> Floats:
        """Return :func:`overlap` of each channel."""
        return overlap(self.mean, self.variance + self.eps, self.source_mean, self.source_variance + self.eps)

    def shift(self) -> Floats:
        """Return how far each channel's mean has moved, in standard deviations of the source."""
        return np.asarray(np.abs(self.mean - self.source_mean) / np.sqrt(self.source_variance + self.eps))

    @classmethod
    def of(cls, layer: str, module: Any, mean: Floats, variance: Floats, tap: str = "") -> Statistics:
        """Return what ``module`` saw of the target beside the running statistics that it carries."""
        carried, spread = (tensor.double().cpu().numpy() for tensor in (module.running_mean, module.running_var))
        return cls(layer, tap, mean, variance, carried, spread, float(module.eps))


def overlap(mean: Floats, variance: Floats, other_mean: Floats, other_variance: Floats) -> Floats:
    """Return the Bhattacharyya coefficient of two normal distributions, channel by channel.

    ``sqrt(2 s t / (s² + t²)) exp(-(m - n)² / (4 (s² + t²)))`` for N(m, s²) and N(n, t²): the integral of the root of
    the product of their densities, 1 where they are the same and 0 where they have nothing in common. It is symmetric
    and does not change when a channel is scaled, and it is bounded: a channel that the target leaves dead (a white
    ground does that to many) counts as one channel that has nothing in common, where a Kullback-Leibler or a
    standardized Wasserstein distance lets a few such channels drown the others. A mean shift alone sees no change of
    contrast: it found solar cells, blood cells and emojis equally far from ImageNet.

    Parameters
    ----------
    mean, variance, other_mean, other_variance : ndarray, shape (c,)
        Variances are positive.

    References
    ----------
    Bhattacharyya (1943); Kailath (1967), The divergence and Bhattacharyya distance measures in signal selection,
    eq. 6 for normal distributions.

    Examples
    --------
    >>> zero, one = np.zeros(1), np.ones(1)
    >>> overlap(zero, one, zero, one), overlap(zero, one, 2 * one, one).round(3), overlap(zero, one, zero, 1e-12 * one)
    (array([1.]), array([0.607]), array([0.00141421]))
    """
    total = variance + other_variance
    spread = np.sqrt(2 * np.sqrt(variance) * np.sqrt(other_variance) / total)
    return np.asarray(spread * np.exp(-((mean - other_mean) ** 2) / (4 * total)))

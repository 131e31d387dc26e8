"""A convex quadratic over a box and a slab, by accelerated projections that know how far they are from the optimum."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]
_CHECKED = 10  # steps between two looks at the gap


@dataclasses.dataclass(frozen=True)
class Bounds:
    """``0 <= x <= upper`` and ``low <= sum(x) <= high``.

    Attributes
    ----------
    upper, low, high : float
    """

    upper: float
    low: float
    high: float

    def nearest(self, x: Floats) -> Floats:
        """Return the point within the bounds that is nearest to ``x``: ``clip(x - t, 0, upper)`` for some t."""
        inside = np.clip(x, 0, self.upper)
        total = inside.sum()
        if self.low <= total <= self.high:
            return np.asarray(inside)
        goal = self.high if total > self.high else self.low
        left, right = float(x.min()) - self.upper, float(x.max())
        for _ in range(100):
            middle = (left + right) / 2
            if middle in (left, right):
                break
            if np.clip(x - middle, 0, self.upper).sum() > goal:
                left = middle
            else:
                right = middle
        return np.asarray(np.clip(x - right, 0, self.upper))

    def lowest(self, slope: Floats) -> float:
        """Return the least value of ``slope @ x`` within the bounds."""
        rising = np.sort(slope)
        full = np.arange(1, len(rising) + 1) * self.upper
        # The cheapest rows are filled first, up to `high` while that lowers the value, and to `low` in any case.
        room = np.where(rising < 0, self.high, self.low)
        taken = np.clip(room - (full - self.upper), 0, self.upper)
        return float(rising @ taken)


@dataclasses.dataclass(frozen=True, eq=False)
class Optimum:
    """What was found.

    Attributes
    ----------
    x : ndarray, shape (n,)
    objective : float
        ``x @ K x / 2 - linear @ x``.
    gap : float
        No point within the bounds has an objective that is lower by more than this.
    n_iter : int
    """

    x: Floats
    objective: float
    gap: float
    n_iter: int


def least_quadratic(
    product: Product, linear: Floats, bounds: Bounds, *, tol: float = 1e-3, max_iter: int = 5000
) -> Optimum:
    """Minimize ``x @ K x / 2 - linear @ x`` within ``bounds``, K being positive semi-definite.

    Projected gradients with momentum, which starts anew where it leads upwards. As the objective is convex, it lies at
    most ``g @ x - min_s g @ s`` above the optimum, g being the slope at x (the gap of Frank and Wolfe): that is
    what ends the search, not a small step.

    Parameters
    ----------
    product : callable
        x (n,) to ``K x`` (n,): K itself need not exist.
    linear : ndarray, shape (n,)
    bounds : Bounds
    tol : float
        Gap to end at, relative to the objective. What is left to gain is a small part of the gap, for the bound takes
        all of the weight to the few rows with the lowest slope.
    max_iter : int

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sci. 2, eq. 4.1 to 4.3;
    O'Donoghue and Candès (2015), Adaptive restart for accelerated gradient schemes, arXiv:1204.3982, section 3.2;
    Jaggi (2013), Revisiting Frank-Wolfe, ICML, eq. 2.
    """
    n = len(linear)
    step = 1 / _largest_eigenvalue(product, n)
    x = bounds.nearest(np.full(n, min(max(1.0, bounds.low / n), bounds.high / n)))
    Kx = product(x)
    ahead, Kahead, momentum, done = x, Kx, 1.0, 0
    objective, gap = _objective(x, Kx, linear), np.inf
    for done in range(1, max_iter + 1):
        new = bounds.nearest(ahead - step * (Kahead - linear))
        Knew = product(new)
        if (ahead - new) @ (new - x) > 0:
            momentum, ahead, Kahead = 1.0, x, Kx
            new = bounds.nearest(x - step * (Kx - linear))
            Knew = product(new)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pace = (momentum - 1) / following
        ahead, Kahead, momentum = new + pace * (new - x), Knew + pace * (Knew - Kx), following
        x, Kx = new, Knew
        if done % _CHECKED == 0:
            objective, slope = _objective(x, Kx, linear), Kx - linear
            gap = max(0.0, float(slope @ x) - bounds.lowest(slope))
            if gap <= tol * abs(objective):
                break
    return Optimum(x, objective, gap, done)


def _objective(x: Floats, Kx: Floats, linear: Floats) -> float:
    return float(x @ Kx / 2 - linear @ x)


def _largest_eigenvalue(product: Product, n: int) -> float:
    """Return the largest eigenvalue by power iteration, and 5 % more, for the iteration comes from below."""
    x = np.full(n, 1 / np.sqrt(n))
    value = 0.0
    for _ in range(50):
        y = product(x)
        before, value = value, float(np.linalg.norm(y))
        if value == 0:
            return 1.0
        x = y / value
        if abs(value - before) <= 1e-3 * value:
            break
    return 1.05 * value

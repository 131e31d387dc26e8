"""Optimal transport between two sets of weighted points: entropic, with classes kept together, and exact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
_BLOCK = 20  # scalings between two steps in the log domain
_REACH = 1e80  # a scaling beyond which the potentials take it up
_EXACT_CELLS = 250_000  # of a linear program


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How much mass goes from where to where.

    Attributes
    ----------
    plan : ndarray, shape (n, m)
        Its rows sum to ``a``, its columns to ``b``.
    cost : float
        ``sum(plan * cost)``.
    n_iter : int
        Iterations; 0 for an exact plan.
    error : float
        Sum of the absolute errors of the rows' sums.
    """

    plan: Floats = dataclasses.field(repr=False)
    cost: float
    n_iter: int
    error: float


def sinkhorn(
    cost: ArrayLike,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    *,
    reg: float,
    max_iter: int = 2000,
    tol: float = 1e-6,
) -> Plan:
    """Return ``argmin_T <T, cost> + reg * sum(T log T)`` among the plans with the sums ``a`` and ``b``.

    The potentials live in the log domain, so that no ``reg`` is too small; between two steps there the plan itself is
    scaled, which costs a product of matrix and vector only.

    Parameters
    ----------
    cost : array_like, shape (n, m)
    a, b : array_like, shape (n,) and (m,), optional
        Masses, above 0 and of the same sum; by default all the same, 1 in all.
    reg : float
        Above 0, in the unit of ``cost``.
    max_iter : int
    tol : float
        Ends where the rows' sums are off by no more than this in all, relative to the mass.

    Raises
    ------
    DataError
        If shapes, masses or ``reg`` do not fit.

    References
    ----------
    Cuturi (2013), Sinkhorn distances, arXiv:1306.0895; Schmitzer (2019), Stabilized sparse scaling algorithms,
    arXiv:1610.06519, section 3.1.

    Examples
    --------
    >>> sinkhorn([[0.0, 1.0], [1.0, 0.0]], reg=0.01).plan.round(3).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    C, a, b = _checked(cost, a, b)
    return _scaled(C, a, b, reg, max_iter, tol, np.zeros(len(b)))[0]


def grouped_sinkhorn(
    cost: ArrayLike,
    groups: ArrayLike,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    *,
    reg: float,
    group_reg: float,
    max_outer: int = 20,
    max_iter: int = 2000,
    tol: float = 1e-6,
) -> Plan:
    """Return the entropic plan in which each target point receives from few classes of the source.

    ``argmin_T <T, cost> + reg * sum(T log T) + group_reg * sum_j sum_c |T(I_c, j)|``, with I_c the rows of class c and
    the Euclidean norm. It is convex; generalized conditional gradient: the last term is replaced by its tangent, which
    leaves a problem of Sinkhorn's, and the best point on the way to its solution is the next one.

    Parameters
    ----------
    cost, a, b, reg, max_iter
        See :func:`sinkhorn`.
    groups : array_like, shape (n,)
        Class of each row.
    group_reg : float
    max_outer : int
        Most tangents.
    tol : float
        Ends where the objective is within this of its minimum, relative to the cost.

    References
    ----------
    Courty et al. (2017), Optimal transport for domain adaptation, arXiv:1507.00504, eq. 16 and algorithm 1.

    Examples
    --------
    >>> plan = grouped_sinkhorn([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]], [0, 0, 1], reg=0.05, group_reg=0.5).plan
    >>> plan.sum(axis=0).round(3).tolist()
    [0.5, 0.5]
    """
    C, a, b = _checked(cost, a, b)
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    if member.shape != a.shape:
        raise DataError(f"groups have shape {np.shape(groups)} for {len(a)} rows: give one group a row")
    if not group_reg >= 0:
        raise DataError(f"group_reg={group_reg!r}: give a number from 0 on")
    onehot = np.eye(member.max() + 1)[member]

    def tangent(T: Floats) -> Floats:
        norms = np.sqrt(onehot.T @ T**2)[member]
        return group_reg * np.divide(T, norms, out=np.zeros_like(T), where=norms > 0)

    found, g = _scaled(C, a, b, reg, max_iter, tol, np.zeros(len(b)))
    T, done, error = found.plan, found.n_iter, found.error
    scale = float(np.abs(C * T).sum()) + reg * float(a.sum())
    for _ in range(max_outer if group_reg else 0):
        slope = C + tangent(T)
        found, g = _scaled(slope, a, b, reg, max_iter, tol, g)
        done, error = done + found.n_iter, max(error, found.error)
        gap = float((slope * (T - found.plan)).sum()) + reg * (_negentropy(T) - _negentropy(found.plan))
        if gap <= tol * scale:
            break
        step = found.plan - T
        T = T + _best_share(T, step, C, reg, tangent) * step
    return Plan(T, float((T * C).sum()), done, error)


def exact_plan(cost: ArrayLike, a: ArrayLike | None = None, b: ArrayLike | None = None) -> Plan:
    """Return the plan of least cost, from a linear program; of equally many equal masses, from an assignment.

    Parameters
    ----------
    cost, a, b
        See :func:`sinkhorn`.

    Raises
    ------
    DataError
        If the linear program would have more than 250,000 unknowns.

    Examples
    --------
    >>> exact_plan([[0.0, 1.0, 5.0], [1.0, 0.0, 0.5]]).plan.round(3).tolist()
    [[0.333, 0.167, 0.0], [0.0, 0.167, 0.333]]
    """
    from scipy.optimize import linear_sum_assignment, linprog
    from scipy.sparse import eye_array, kron, vstack

    C, a, b = _checked(cost, a, b)
    n, m = C.shape
    plan = np.zeros((n, m))
    if n == m and np.ptp(a) == np.ptp(b) == 0:
        plan[linear_sum_assignment(C)] = a[0]
        return Plan(plan, float((plan * C).sum()), 0, 0.0)
    if n * m > _EXACT_CELLS:
        raise DataError(f"an exact plan of {n:,} to {m:,} points is too large: take fewer points, or reg above 0")
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))]).tocsr()
    # One equation follows from the others; rounding of the masses would make them contradict one another.
    found = linprog(C.ravel(), A_eq=sums[:-1], b_eq=np.concatenate([a, b])[:-1], method="highs")
    if not found.success:
        raise DataError(f"no exact plan was found ({found.message}): take reg above 0")
    plan = found.x.reshape(n, m)
    return Plan(plan, float(found.fun), 0, float(np.abs(plan.sum(axis=1) - a).sum()))


def _scaled(C: Floats, a: Floats, b: Floats, reg: float, max_iter: int, tol: float, g: Floats) -> tuple[Plan, Floats]:
    """Return the entropic plan and the target's potentials, from those that it starts with, over ``reg``."""
    from scipy.special import logsumexp

    if not reg > 0 or max_iter < 1:
        raise DataError(f"reg={reg!r}, max_iter={max_iter!r}: both are above 0; exact_plan needs neither")
    log_a, log_b, mass = np.log(a), np.log(b), a.sum()
    scaled = -C / reg
    done, error = 0, np.inf
    while done < max_iter and error > tol * mass:
        f = log_a - logsumexp(scaled + g, axis=1)
        g = log_b - logsumexp(scaled + f[:, None], axis=0)
        plan = np.exp(scaled + f[:, None] + g)
        done += 1
        u, v = np.ones(len(a)), np.ones(len(b))
        rows = plan.sum(axis=1)
        error = float(np.abs(rows - a).sum())
        for _ in range(min(_BLOCK, max_iter - done)):
            if error <= tol * mass:
                break
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                next_u = a / rows
                next_v = b / (next_u @ plan)
            if not _within(next_u) or not _within(next_v):
                break
            u, v = next_u, next_v
            done += 1
            rows = plan @ v
            error = float(np.abs(u * rows - a).sum())
        g = g + np.log(v)
        plan *= u[:, None]
        plan *= v
    return Plan(plan, float((plan * C).sum()), done, error), g


def _checked(cost: ArrayLike, a: ArrayLike | None, b: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    C = np.asarray(cost, dtype=np.float64)
    if C.ndim != 2 or not C.size or not np.isfinite(C).all():
        raise DataError(f"cost has shape {C.shape}: give finite numbers, one row a source point, (n, m)")
    masses = []
    for name, given, n in (("a", a, C.shape[0]), ("b", b, C.shape[1])):
        found = np.full(n, 1 / n) if given is None else np.asarray(given, dtype=np.float64)
        if found.shape != (n,) or not (found > 0).all() or not np.isfinite(found).all():
            raise DataError(f"{name} has shape {found.shape}: give {n} masses above 0")
        masses.append(found)
    if not np.isclose(masses[0].sum(), masses[1].sum(), rtol=1e-9):
        raise DataError(f"a sums to {masses[0].sum():g}, b to {masses[1].sum():g}: give the same mass")
    return C, masses[0], masses[1]


def _within(scaling: Floats) -> bool:
    return bool(np.isfinite(scaling).all() and scaling.max() < _REACH and scaling.min() > 1 / _REACH)


def _negentropy(T: Floats) -> float:
    from scipy.special import xlogy

    return float(xlogy(T, T).sum())


def _best_share(T: Floats, step: Floats, C: Floats, reg: float, tangent: Callable[[Floats], Floats]) -> float:
    """Return which share of the step lowers the convex objective most, 0 to 1."""
    from scipy.optimize import brentq

    tiny = np.finfo(np.float64).tiny

    def slope(share: float) -> float:
        point = np.maximum(T + share * step, tiny)
        return float((step * (C + reg * np.log(point) + tangent(point))).sum())

    if slope(1.0) <= 0:
        return 1.0
    return float(brentq(slope, 0.0, 1.0, xtol=1e-4)) if slope(0.0) < 0 else 0.0

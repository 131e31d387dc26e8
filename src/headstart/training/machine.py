"""Support vector machines with squared hinge loss, and their decision values turned into probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import logsumexp

if TYPE_CHECKING:
    from headstart.training.design import Design
    from headstart.training.nystroem import KernelDesign

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_INSIDE = 0.2  # share of the rows inside their margin; the solution does not depend on it


class Machine:
    """The machines of every class against the rest on one set of training rows, for one C after another.

    Each minimizes ``C * sum_i w_i * max(0, 1 - s_i f(x_i))^2 + |f|^2 / 2``, s_i = ±1, over coefficients and a free
    intercept. scikit-learn's ``LinearSVC`` penalizes the intercept: at the C of about 1e-3 that 1,280 standardized
    features need, the penalty outweighs the loss.

    Parameters
    ----------
    design : Design or KernelDesign
        The training rows.
    codes : ndarray of int, shape (n,)
        Their classes, from 0 to ``n_classes`` - 1. With two classes there is one machine, for the second.
    weight : ndarray, shape (n,)
        Their weights w.

    References
    ----------
    Chapelle (2007), Training a support vector machine in the primal, Neural Computation 19, sec. 2 (the L2 loss).
    """

    def __init__(self, design: Design | KernelDesign, codes: Rows, weight: Floats, n_classes: int) -> None:
        self.design, self.weight = design, weight.astype(design.rows.dtype)[:, None]
        columns = np.arange(n_classes) if n_classes > 2 else np.array([1])
        self.signs = np.where(codes[:, None] == columns, 1, -1).astype(design.rows.dtype)
        # Along the principal axes the curvature is known but for the share of rows inside their margin: steps that
        # allow for it make L-BFGS three to four times as fast.
        squares, self.axes = eigh((design.rows.T @ (self.weight * design.rows)).astype(np.float64))
        self.rows = design.rows @ self.axes.astype(design.rows.dtype)
        self.squares = np.append(squares.clip(0), weight.sum())[:, None]
        self.solution = np.zeros((len(self.squares), len(columns)))
        self.n_iter = 0

    def solve(self, C: float, *, tol: float, max_iter: int) -> tuple[Floats, Floats]:
        """Return coefficients and intercepts in the design's original scale, starting from those for the C before.

        ``tol`` is about the precision of the decision values.
        """
        rows, signs, weight, shape = self.rows, self.signs, self.weight, self.solution.shape
        curvature = 2 * C * _INSIDE * self.squares
        curvature[:-1] += 1
        step = 1 / np.sqrt(curvature)
        unit = max(1e-12, float(np.sqrt(self.squares[:-1].sum() / self.squares[-1, 0])))  # length of a row

        def objective(flat: Floats) -> tuple[float, Floats]:
            solution = flat.reshape(shape) * step
            inner = solution.astype(rows.dtype)
            slack = np.maximum(0, 1 - signs * (rows @ inner[:-1] + inner[-1]))
            pull = weight * slack
            loss = C * float((pull * slack).sum()) + 0.5 * float(np.square(solution[:-1]).sum())
            force = -2 * C * signs * pull
            gradient = np.vstack([rows.T @ force + solution[:-1], force.sum(axis=0)]) * step
            return loss * unit, gradient.ravel() * unit

        options = {"gtol": tol, "ftol": 64 * np.finfo(np.float64).eps, "maxiter": max_iter, "maxfun": 10 * max_iter}
        found = minimize(objective, (self.solution / step).ravel(), jac=True, method="L-BFGS-B", options=options)
        self.solution, self.n_iter = found.x.reshape(shape) * step, int(found.nit)
        return self.design.original((self.axes @ self.solution[:-1]).T, self.solution[-1])


def calibrate(values: NDArray[Any], codes: Rows, weight: Floats) -> tuple[float, float]:
    """Return slope a >= 0 and intercept b that turn decision values into scores whose softmax are probabilities.

    With two classes, whose one column of values speaks for the second, the log-odds are a * value + b (Platt). With
    more the scores are a * values and b is 0 (temperature scaling): an intercept a class lowered the log loss on 200
    and 300 photos by 3 and 1 % but raised it on 732 by 9 % (Grocery-14 and Clothing-10, Lite0). Both maximize the
    likelihood of the classes as if one row more than there are had been wrong, so that there is a solution where the
    values separate the classes.

    Parameters
    ----------
    values : ndarray, shape (n, k), with two classes (n, 1)
        Decision values of rows that the machine has not seen. Without any, a is 1.
    codes : ndarray of int, shape (n,)
        Their classes.
    weight : ndarray, shape (n,)
        Their weights.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines, sec. 2.2; Guo et al. (2017), On calibration of
    modern neural networks, eq. 9.
    """
    n, columns = values.shape
    total = float(weight.sum())
    if not n or not total:
        return 1.0, 0.0
    k = max(2, columns)
    targets = np.full((n, k), 1 / (total + 2) / (k - 1))
    targets[np.arange(n), codes] = (total + 1) / (total + 2)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        scores = parameters[0] * values + (parameters[1] if columns == 1 else 0)
        if columns == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        residual = (weight[:, None] * (np.exp(logs) - targets))[:, -columns:]
        gradient = np.array([(residual * values).sum(), residual.sum()])[: len(parameters)]
        return -float(weight @ (targets * logs).sum(axis=1)) / total, gradient / total

    start = np.array([1.0, 0.0] if columns == 1 else [1.0])
    bounds = [(0, None), (None, None)][: len(start)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"gtol": 1e-8}).x
    return float(found[0]), float(found[1]) if columns == 1 else 0.0

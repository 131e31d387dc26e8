"""Out-of-fold probabilities of support vector machines along grids of penalties and widths, and the choice."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.head import probabilities
from headstart.training.machine import Machine, calibrate
from headstart.training.nystroem import KernelDesign
from headstart.training.path import Choice, Floats, Folds, Rows, Trace, rate, select
from headstart.training.svm import SVMHead

# Half decades of C for rows whose squared length is 1 on average: for d standardized features, over d.
SVM_CS = tuple(float(f"{10 ** (step / 2):.1e}") for step in range(-4, 7))
GAMMA_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_TOL = 3e-3  # of decision values: enough to choose
_MAX_ITER = 1000


@dataclass(frozen=True, eq=False)
class SVMChoice(Choice):
    """A penalty and, with a kernel, a width chosen by cross-validation.

    Attributes
    ----------
    Cs, scores, losses, probabilities, best
        As in :class:`headstart.training.path.Choice`, for every pair of C and width; ``Cs`` ascend for each width.
    gamma_factors : tuple of float
        The width of each.
    kernel : {"linear", "rbf"}
    n_components : int
        Most landmarks.
    random_state : int
        Their seed.
    """

    gamma_factors: tuple[float, ...]
    kernel: str
    n_components: int
    random_state: int

    def head(self, **more: Any) -> SVMHead:
        """Return the chosen head, not fitted; ``more`` goes to its constructor."""
        return SVMHead(
            self.C,
            kernel=self.kernel,
            gamma_factor=self.gamma_factors[self.best],
            n_components=self.n_components,
            random_state=self.random_state,
            **more,
        )


def svm_out_of_fold(
    X: ArrayLike,
    y: ArrayLike,
    folds: Folds,
    *,
    kernel: str,
    n_classes: int,
    metric: str = "macro_f1",
    Cs: Sequence[float] = SVM_CS,
    gamma_factors: Sequence[float] = GAMMA_FACTORS,
    n_components: int = 1000,
    random_state: int = 0,
    advance: Callable[[int], None] | None = None,
) -> SVMChoice:
    """Choose C and the kernel's width by out-of-fold predictions, as :func:`headstart.training.path.select` does.

    Each fold is standardized, mapped and solved by its own training rows, from one C to the next, in threads with one
    BLAS thread each. The decision values of a fold are calibrated on those of the other folds, which takes no fit
    more; :meth:`SVMHead.fit` calibrates on folds of its own. A path over C ends once the log loss has risen twice and
    its lowest would be taken, or three times whatever the score does; the kernels end, growing narrower, once a
    path's lowest log loss is above that of the path before.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Features; float32 stays float32.
    y : array_like of int, shape (n,)
        Classes, from 0 to ``n_classes`` - 1.
    folds : sequence of (ndarray, ndarray)
        Training rows and test rows, two folds or more; the test sides are disjoint.
    kernel : {"linear", "rbf"}
        Shape of the decision function.
    n_classes : int
        Number of columns of the probabilities.
    metric : str
        macro_f1, balanced_accuracy, accuracy, roc_auc or pr_auc.
    Cs : sequence of float
        Grid, ascending, for rows of squared length 1: it is divided by the number of features for the linear kernel.
    gamma_factors : sequence of float
        Grid, ascending; only for ``kernel="rbf"``, see :class:`SVMHead`.
    n_components : int
        Most landmarks of the kernel's map.
    random_state : int
        Their seed.
    advance : callable, optional
        Called with 1 after each fit.

    Raises
    ------
    DataError
        If there are fewer than two folds, no such kernel or no such metric.
    """
    if kernel not in {"linear", "rbf"}:
        raise DataError(f"no kernel {kernel!r}: choose linear or rbf")
    if len(folds) < 2:
        raise DataError(f"{len(folds)} fold cannot calibrate itself: give two or more")
    features, codes = np.asarray(X), np.asarray(y)
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float64)
    unit = features.shape[1] if kernel == "linear" else 1
    rows = np.concatenate([test for _, test in folds])
    tried: list[tuple[float, float]] = []
    tables: list[Floats] = []
    scores: list[float] = []
    losses: list[float] = []
    lowest = np.inf
    for gamma_factor in gamma_factors if kernel == "rbf" else (1.0,):

        def begin(fold: tuple[Rows, Rows], gamma_factor: float = gamma_factor) -> _Fold:
            return _Fold(features, codes, *fold, n_classes, kernel, gamma_factor, n_components, random_state)

        trace = Trace(len(rows))
        with ThreadPoolExecutor(min(len(folds), os.cpu_count() or 1)) as pool, threadpool_limits(1, user_api="blas"):
            fits = list(pool.map(begin, folds))
            for C in Cs:
                values = []
                for found in pool.map(_Fold.step, fits, [C / unit] * len(fits)):
                    values.append(found)
                    if advance:
                        advance(1)
                pooled = np.concatenate(_calibrated(values, [codes[test] for _, test in folds]))
                trace.add(*rate(codes[rows], pooled, metric))
                tables.append(np.full((len(codes), n_classes), np.nan))
                tables[-1][rows] = pooled
                tried.append((C / unit, gamma_factor))
                if trace.is_past_top() or (len(trace.losses) > 3 and (np.diff(trace.losses[-4:]) > 0).all()):
                    break
        scores += trace.scores
        losses += trace.losses
        if min(trace.losses) > lowest:
            break
        lowest = min(trace.losses)
    best = int(select(np.array(scores), np.array(losses), len(rows)))
    penalties, widths = zip(*tried, strict=True)
    return SVMChoice(
        penalties, tuple(scores), tuple(losses), best, np.stack(tables), widths, kernel, n_components, random_state
    )


class _Fold:
    """One fold on its way along the path."""

    def __init__(
        self, X: NDArray[Any], y: Rows, train: Rows, test: Rows, n_classes: int, kernel: str, gamma_factor: float,
        n_components: int, random_state: int,
    ) -> None:  # fmt: skip
        self.design: Design | KernelDesign
        self.inputs: NDArray[Any] = X[test]
        if kernel == "linear":
            self.design = Design.of(X[train])
        else:
            self.design = KernelDesign.of(
                X[train], gamma_factor=gamma_factor, n_components=n_components, random_state=random_state
            )
            self.inputs = self.design.map(self.inputs)
        self.machine = Machine(self.design, y[train], np.ones(len(train)), n_classes)

    def step(self, C: float) -> Floats:
        """Go to the solution for ``C``; return the decision values of the test rows."""
        coefficients, intercepts = self.machine.solve(C, tol=_TOL, max_iter=_MAX_ITER)
        return np.asarray(self.inputs @ coefficients.T + intercepts, dtype=np.float64)


def _calibrated(values: Sequence[Floats], codes: Sequence[Rows]) -> list[Floats]:
    """Return the probabilities of each fold, calibrated on the decision values of the others."""
    result = []
    for fold, own in enumerate(values):
        others = [part for part in range(len(values)) if part != fold]
        held = np.concatenate([codes[part] for part in others])
        slope, shift = calibrate(np.concatenate([values[part] for part in others]), held, np.ones(len(held)))
        scores = slope * own + shift
        result.append(probabilities(scores[:, 0] if scores.shape[1] == 1 else scores))
    return result

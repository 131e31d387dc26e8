"""A support vector machine as a head: linear, or with an RBF kernel through an explicit feature map."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.results import DataError, HeadstartError
from headstart.training.design import Design
from headstart.training.head import Head, LogisticHead
from headstart.training.machine import Machine, calibrate
from headstart.training.nystroem import KernelDesign, KernelMap

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_FOLDS = 5


class SVMHead(Head):
    """Support vector machine on standardized features, one class against the rest, with calibrated probabilities.

    The loss is the squared hinge (:class:`headstart.training.machine.Machine`). ``kernel="rbf"`` works in the space of
    a Nyström map (:class:`headstart.training.nystroem.KernelDesign`), which is exact up to ``n_components`` rows, so
    that this head, too, ends as a few arrays. Standardization and calibration are folded into them: the linear head
    is one linear layer on the features as they come.

    Decision values are calibrated inside ``fit`` on values out of fold, five folds
    (:func:`headstart.training.machine.calibrate`), so that the probabilities add up to 1 and mean what they say.

    Rows that are equal are merged with their weights first: copies are never on two sides of a fold, a weight of 2
    counts exactly like a row that stands twice, and the order of the rows does not matter.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty. Times the number of features (``kernel="rbf"``: as it is), the best is usually
        between 0.1 and 30.
    kernel : {"linear", "rbf"}
        Shape of the decision function.
    gamma_factor : float
        The kernel is ``exp(-gamma * |x - x'|^2)``, gamma being ``gamma_factor`` over the median squared distance
        between standardized training rows.
    n_components : int
        Most landmarks of the kernel's map.
    max_iter : int
        Most iterations of L-BFGS.
    tol : float
        About the precision of the decision values at which L-BFGS stops.
    class_weight : dict or "balanced", optional
        Weights of the classes, multiplied by ``sample_weight``, in the calibration too.
    random_state : int, optional
        Seed of the landmarks and of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    coef_ : ndarray of float64, shape (k, d), with two classes (1, d)
        In the scale of the features given to ``fit``; with a kernel for its values at m landmarks, (k, m).
    intercept_ : ndarray of float64, shape (k,), with two classes (1,)
    kernel_map_ : KernelMap or None
        Features to kernel values.
    n_iter_ : int
        Iterations used.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> head = SVMHead(kernel="rbf").fit(X, y)
    >>> head.coef_.shape, round(float(head.score(X, y)), 2)
    ((3, 149), 0.98)
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str = "linear",
        gamma_factor: float = 1.0,
        n_components: int = 1000,
        max_iter: int = 2000,
        tol: float = 1e-4,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma_factor = gamma_factor
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> SVMHead:
        """Fit the head and its calibration.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Features.
        y : array_like, shape (n,)
            Labels, of two classes or more.
        sample_weight : array_like, shape (n,), optional
            A weight of 2 counts like a row that stands twice, in the standardization too.
        groups : array_like, shape (n,), optional
            Rows with equal values are never torn apart by the folds that calibrate.

        Raises
        ------
        DataError
            If there is one class only.
        HeadstartError
            If there is no such kernel.
        """
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        weight = _check_sample_weight(sample_weight, features, dtype=np.float64)
        first, weight = merged(features, labels, weight)
        features, labels = features[first], labels[first]
        group = np.arange(len(labels)) if groups is None else np.asarray(groups)[first]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        k = len(self.classes_)
        if k < 2:
            raise DataError(f"all labels are of one class, {self.classes_.tolist()}: a classifier needs at least two")
        balance = compute_class_weight(self.class_weight, classes=self.classes_, y=labels, sample_weight=weight)[codes]

        def solve(train: Rows) -> tuple[KernelMap | None, Floats, Floats, int]:
            design = self._design(features[train], weight[train])
            machine = Machine(design, codes[train], (weight * balance)[train], k)
            layer = machine.solve(self.C, tol=self.tol, max_iter=self.max_iter)
            return (design.map if isinstance(design, KernelDesign) else None), *layer, machine.n_iter

        folds = _folds(codes, group, self.random_state)
        trains = [np.arange(len(codes)), *(train for train, _ in folds)]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            final, *others = pool.map(solve, trains)
        self.kernel_map_, coefficients, intercepts, self.n_iter_ = final
        if self.n_iter_ >= self.max_iter:
            warnings.warn(f"not converged after {self.n_iter_} iterations: raise max_iter", ConvergenceWarning, 2)
        tests = [test for _, test in folds]
        values = [_values(features[test], *other[:3]) for test, other in zip(tests, others, strict=True)]
        rows = np.concatenate([np.empty(0, dtype=np.int64), *tests])
        slope, shift = calibrate(
            np.concatenate([np.empty((0, len(intercepts))), *values]), codes[rows], (weight * balance)[rows]
        )
        self.coef_, self.intercept_ = slope * coefficients, slope * intercepts + shift
        return self

    def _design(self, features: Floats, weight: Floats) -> Design | KernelDesign:
        if self.kernel == "linear":
            return Design.of(features, weight)
        if self.kernel == "rbf":
            return KernelDesign.of(
                features,
                weight,
                gamma_factor=self.gamma_factor,
                n_components=self.n_components,
                random_state=self.random_state,
            )
        raise HeadstartError(f"no kernel {self.kernel!r}: choose linear or rbf")

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more, calibrated."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        scores = _values(features, self.kernel_map_, self.coef_, self.intercept_)
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return ``weight`` and ``bias``, as :meth:`LogisticHead.to_arrays` does; with a kernel also its map.

        Then ``weight`` (k, m) is for the kernel's values, ``exp(-|(X - centre) * scale - landmarks|^2)``, at m
        ``landmarks`` (m, d); ``centre`` and ``scale`` are (d,).
        """
        layer = super().to_arrays()
        return layer if self.kernel_map_ is None else {**layer, **self.kernel_map_.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], classes: ArrayLike | None = None) -> SVMHead:
        """Return a fitted head from what ``to_arrays`` gave and the labels of its k classes (0 to k - 1 if None)."""
        linear = LogisticHead.from_arrays(arrays, classes)
        kernel = KernelMap.from_arrays(arrays) if "landmarks" in arrays else None
        head = cls(kernel="linear" if kernel is None else "rbf")
        head.classes_, head.coef_, head.intercept_ = linear.classes_, linear.coef_, linear.intercept_
        head.kernel_map_ = kernel
        head.n_features_in_ = linear.n_features_in_ if kernel is None else len(kernel.centre)
        return head


def _values(features: NDArray[Any], kernel_map: KernelMap | None, coefficients: Floats, intercepts: Floats) -> Floats:
    inner = features if kernel_map is None else kernel_map(features)
    return np.asarray(inner @ coefficients.T + intercepts, dtype=np.float64)


def merged(features: Floats, labels: NDArray[Any], weight: Floats) -> tuple[Rows, Floats]:
    """Return a row of each kind and the weight of its kind: same features, same label, a weight above 0.

    Their order depends on what the rows hold and not on where they stand.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    there = np.flatnonzero(weight > 0)
    kinds = [blake2b((features[row] + 0.0).tobytes() + b"%d" % codes[row], digest_size=16).digest() for row in there]
    _, first, kind = np.unique(np.frombuffer(b"".join(kinds), "V16"), return_index=True, return_inverse=True)
    return there[first].astype(np.int64), np.bincount(kind, weights=weight[there]).astype(np.float64)


def _folds(codes: Rows, group: NDArray[Any], random_state: int | None) -> list[tuple[Rows, Rows]]:
    """Return (training rows, test rows) of five folds; what is the only group of its class is never tested."""
    from headstart.data.splits import stratified_group_folds

    pairs = np.unique(np.column_stack([codes, np.unique(group, return_inverse=True)[1]]), axis=0)
    testable = np.where(np.bincount(pairs[:, 0])[codes] > 1, codes, -1)
    if not (testable >= 0).any():
        return []
    every = np.arange(len(codes))
    folds = stratified_group_folds(testable, group, n_folds=_FOLDS, random_state=random_state)
    return [(np.setdiff1d(every, test), test) for _, test in folds]

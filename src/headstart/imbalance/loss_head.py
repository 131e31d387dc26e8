"""A linear head by any of the losses, so that a loss means the same for a head on features as for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from headstart.imbalance._labels import Codes, Floats
from headstart.imbalance.loss_names import loss_spec
from headstart.imbalance.loss_spec import LossSpec, value_and_gradient
from headstart.results import DataError
from headstart.training.design import Design
from headstart.training.head import Head


class LossHead(Head):
    """A linear head that minimizes one of the losses of :func:`headstart.imbalance.make_loss`.

    ``C * sum_i w_i * loss_i + |coefficients of standardized features|^2 / 2``, intercepts free, as
    :class:`headstart.training.LogisticHead` does for cross-entropy; w are the weights of classes and rows. The
    fit goes to the end, so a loss that is weighted from a late epoch on is weighted from the start. The head's
    probabilities are for the shares that the loss trains for; :func:`headstart.imbalance.prior_correction` moves them.

    Parameters
    ----------
    loss : str
        ``"cross_entropy"``, ``"class_balanced"``, ``"focal"``, ``"class_balanced_focal"``, ``"ldam"``, ``"ldam_drw"``
        or ``"logit_adjustment"``.
    C : float
        Inverse strength of the penalty.
    class_weight : {"balanced", "sqrt", "effective"}, mapping or array_like (k,), optional
        In place of the loss's own; a mapping is by label.
    options : mapping, optional
        Of the loss: ``gamma``, ``max_margin``, ``tau`` and so on.
    max_iter : int
    tol : float
        L-BFGS stops where no component of the gradient of the mean loss is larger.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    coef_ : ndarray of float64, shape (k, d), with two classes (1, d)
        In the scale of the features given to ``fit``.
    intercept_ : ndarray of float64, shape (k,), with two classes (1,)
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> round(float(LossHead("focal", C=10, options={"gamma": 1.0}).fit(X, y).score(X, y)), 2)
    0.98
    """

    def __init__(
        self,
        loss: str = "cross_entropy",
        *,
        C: float = 1.0,
        class_weight: Mapping[Any, float] | ArrayLike | str | None = None,
        options: Mapping[str, Any] | None = None,
        max_iter: int = 2000,
        tol: float = 1e-6,
    ) -> None:
        self.loss = loss
        self.C = C
        self.class_weight = class_weight
        self.options = options
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LossHead:
        """Fit the head to features (n, d) and labels (n,) of two classes or more.

        ``sample_weight`` is multiplied with the weights of the classes; margins, shares and the classes' weights are
        those of the rows that weigh anything.

        Raises
        ------
        DataError
            If there is one class only, or no such loss, option or weight.
        """
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        if not 0 < self.C < np.inf:
            raise DataError(f"C={self.C}: give a positive number")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, features)
        if weight is not None:
            features, labels, weight = features[weight > 0], labels[weight > 0], weight[weight > 0]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"all labels are of one class, {self.classes_.tolist()}: a classifier needs at least two")
        spec = self._spec(codes)
        with threadpool_limits(1, user_api="blas"):
            design = Design.of(features, weight)
            found, self.n_iter_ = _minimize(spec, design.rows, codes, weight, self.C, self.tol, self.max_iter)
        self.coef_, self.intercept_ = design.original(found[:, :-1], found[:, -1])
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return the log-odds (n,) of the second of two classes, or the scores (n, k) of more."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        scores = validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_.T + self.intercept_
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def _spec(self, codes: Codes) -> LossSpec:
        given = dict(self.options or {})
        if self.class_weight is not None:
            by_code = self.class_weight
            if isinstance(by_code, Mapping):
                places = {label: code for code, label in enumerate(self.classes_.tolist())}
                by_code = {places.get(label, label): value for label, value in by_code.items()}
            given["class_weight"] = by_code
        if str(self.loss).replace("-", "_") == "ldam_drw":
            given.setdefault("reweight_from", 0)
        return loss_spec(self.loss, np.bincount(codes), **given)


def _minimize(
    spec: LossSpec, rows: Floats, codes: Codes, weight: Floats | None, C: float, tol: float, max_iter: int
) -> tuple[Floats, int]:
    """Return coefficients and intercepts (k, r + 1), with two classes (1, r + 1), and the iterations."""
    from scipy.optimize import minimize

    n, width = rows.shape
    mass = n if weight is None else float(weight.sum())
    two = spec.n_classes == 2
    shape = (1 if two else spec.n_classes, width + 1)

    def cost(flat: Floats) -> tuple[float, Floats]:
        found = flat.reshape(shape)
        scores = rows @ found[:, :-1].T + found[:, -1]
        logits = np.column_stack([np.zeros(n), scores]) if two else scores
        value, by_logit = value_and_gradient(spec, logits, codes, weight, reduction="sum")
        by_score = by_logit[:, 1:] if two else by_logit
        slope = np.column_stack([by_score.T @ rows, by_score.sum(axis=0)])
        slope[:, :-1] += found[:, :-1] / C
        return (value + float((found[:, :-1] ** 2).sum()) / (2 * C)) / mass, slope.ravel() / mass

    options = {"gtol": tol, "ftol": 0.0, "maxiter": max_iter, "maxfun": 2 * max_iter}
    found = minimize(cost, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x).reshape(shape), max(1, int(found.nit))

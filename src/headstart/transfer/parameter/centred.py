"""Adapters that carry the source's weights over, as the centre of a prior."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from headstart.data.labels import labelled
from headstart.results import DataError
from headstart.transfer.adapter import Adapter, Difference, Floats, Kind
from headstart.transfer.domain import Domain
from headstart.transfer.parameter.fisher import logistic_fisher
from headstart.transfer.parameter.logistic import PriorLogistic
from headstart.transfer.parameter.ridge import PriorRidge

SHARES = (1.0, 0.0)  # of the source's weights, that the centre may be
_LOOSE = 1e-3  # precision of the intercepts beside 1 of the weights: they follow the target's means and class shares
_FOLDS = 5
_MIDDLING = 0.01  # the source's C where no class has two examples


class CentredPrior(Adapter):
    """A linear model of the source, corrected by the few labelled target examples.

    The source's model is fitted on the source, standardized by its own mean and deviation. The target's model, seen in
    the same scale, has a Gaussian prior around the source's weights, the same for all of them:
    :class:`PriorLogistic` for classes, :class:`PriorRidge` for numbers. How strong the prior is, the target says: by
    cross-validation for classes, by the evidence for numbers. So it says whether the centre is the source's weights or
    zero, in the target's own scale: where the source is wrong, a prior that is merely weak would leave nothing to
    regularize with. Intercepts are
    almost free: the target may lie elsewhere, and its classes may have other shares. A class that
    the source does not know starts from zero, and one that the target shows no example of stays as the source sees it.
    Target rows without a label are not used.

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
        The source's model, with ``coef_`` and ``intercept_``; by default a logistic head whose penalty is chosen on
        the source. A linear regressor makes it a regression.
    strength : float or "auto"
        ``alpha`` of the target's model.
    trust : {1, 0, "auto"}
        Whether the centre is the source's weights, or zero; by default chosen, or 1 where ``strength`` is a number.
    source : Domain, optional
    random_state : int

    Attributes
    ----------
    source_estimator_ : estimator
        The source's model, in the source's scale.
    trust_ : float
        1 where the prior is centred on the source's weights, 0 where on zero.
    scaler_ : StandardScaler
        Of the source; where it is not trusted, of the labelled target rows.
    estimator_ : PriorLogistic or PriorRidge
        The target's, in that scale.

    References
    ----------
    Chelba and Acero (2006), Adaptation of maximum entropy capitalizer, Computer Speech and Language 20.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(200, 5)), rng.normal(size=(300, 5))
    >>> w, turned = np.ones(5), np.array([1, 1, 1, 1, 0.5])
    >>> ys, yt = (Xs @ w > 0).astype(int), (Xt @ turned > 0).astype(int)
    >>> adapted = CentredPrior().fit(Xs, ys, Xt[:12], yt[:12])
    >>> bool((adapted.predict(Xt) == yt).mean() > 0.9)
    True
    """

    kind: ClassVar[Kind] = "parameters"
    mends: ClassVar[frozenset[Difference]] = frozenset({"covariate", "label", "conditional"})
    needs_labels: ClassVar[bool] = True

    def __init__(
        self,
        estimator: Any = None,
        *,
        strength: float | Literal["auto"] = "auto",
        trust: float | Literal["auto"] = "auto",
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.strength = strength
        self.trust = trust

    def settled(self) -> CentredPrior:
        """Return an unfitted one with the strength and the trust that this one chose."""
        chosen: CentredPrior = clone(self).set_params(strength=self.estimator_.alpha_, trust=self.trust_)
        return chosen

    def fit(self, Xs: ArrayLike, ys: ArrayLike | None = None, Xt: ArrayLike | None = None,
            yt: ArrayLike | None = None) -> CentredPrior:  # fmt: skip
        """Fit the source's model, then the target's around it; see :meth:`Adapter.fit`."""
        if Xt is None and self.source is None and ys is not None:
            yt = column_or_1d(ys, warn=True)  # the source is its own target, labels and all
        Xs, ys, Xt, yt = self._both(Xs, ys, Xt, yt)
        assert yt is not None
        numbers = not is_classifier(self._fresh())
        if not numbers:
            check_classification_targets(ys)
        kept = labelled(yt, ys)
        yt = np.asarray(yt[kept].tolist(), dtype=None if yt.dtype.kind == "O" else yt.dtype)
        scalers = {1.0: StandardScaler().fit(Xs), 0.0: StandardScaler().fit(Xt[kept])}
        S, seen = scalers[1.0].transform(Xs), {share: one.transform(Xt[kept]) for share, one in scalers.items()}
        self.source_estimator_ = self._source_model(S, ys)
        found: tuple[Any, float] = self._ridge(seen, yt) if numbers else self._logistic(S, seen, yt)
        self.estimator_, self.trust_ = found
        self.scaler_ = scalers[self.trust_]
        return self

    def _seen(self, X: ArrayLike) -> Floats:
        rows = super()._seen(X)
        return np.asarray(self.scaler_.transform(rows))

    def _source_model(self, S: Floats, ys: NDArray[Any]) -> Any:
        if self.estimator is None:
            from headstart.data.splits import stratified_group_folds
            from headstart.training import LogisticHead, choose

            _, codes, counts = np.unique(ys, return_inverse=True, return_counts=True)
            if len(counts) < 2:
                raise DataError(f"the source is of one class, {np.unique(ys).tolist()}: it needs at least two")
            kept = counts[codes] > 1  # an only example cannot be left out
            X, codes = S[kept], np.unique(codes[kept], return_inverse=True)[1]
            C = _MIDDLING
            if len(np.unique(codes)) > 1:
                folds = stratified_group_folds(
                    codes, np.arange(len(codes)), n_folds=min(_FOLDS, len(codes)), random_state=self.random_state
                )
                C = choose(X, codes, folds, n_classes=int(codes.max()) + 1).C
            return LogisticHead(C=C).fit(S, ys)
        fitted = self._fresh().fit(S, ys)
        if not hasattr(fitted, "coef_") or not hasattr(fitted, "intercept_"):
            raise DataError(f"{self.estimator} has no coef_ to carry over: give a linear model")
        return fitted

    def _ridge(self, seen: dict[float, Floats], yt: NDArray[Any]) -> tuple[PriorRidge, float]:
        coef = np.ravel(self.source_estimator_.coef_)
        shares = self._shares()
        alpha: Any = "evidence" if self.strength == "auto" else self.strength
        fitted = [PriorRidge(alpha, coef_prior=share * coef).fit(seen[share], yt) for share in shares]
        best = int(np.argmax([np.nan_to_num(one.log_evidence_, nan=-np.inf) for one in fitted]))
        return fitted[best], shares[best]

    def _logistic(self, S: Floats, seen: dict[float, Floats], yt: NDArray[Any]) -> tuple[PriorLogistic, float]:
        known = np.asarray(self.source_estimator_.classes_)
        classes = np.unique(np.concatenate([known, yt]))
        places = np.searchsorted(classes, known)
        coef, intercept = self._rows(places, len(classes))
        precision = self._precision(S, places, len(classes))

        alpha: Any = "cv" if self.strength == "auto" else self.strength

        def fitted(share: float) -> PriorLogistic:
            return PriorLogistic(
                alpha, coef_prior=share * coef, intercept_prior=share * intercept,
                precision=precision if share else None, intercept_precision=np.full(len(intercept), _LOOSE),
                classes=classes, random_state=self.random_state,
            ).fit(seen[share], yt)  # fmt: skip

        shares = self._shares()
        found = [fitted(share) for share in shares]
        best = int(np.argmin([one.losses_.min(initial=np.inf) for one in found]))
        return found[best], shares[best]

    def _shares(self) -> tuple[float, ...]:
        """Return which shares of the source's weights the centre may be."""
        if self.trust == "auto":
            return SHARES if self.strength == "auto" else SHARES[:1]
        if self.trust not in SHARES:
            raise DataError(f"trust={self.trust!r}: give 1 (the source's weights), 0 (zero) or 'auto'")
        return (float(self.trust),)

    def _rows(self, places: NDArray[np.int64], k: int) -> tuple[Floats, Floats]:
        """Return the source's weights and intercepts as those of all k classes; of a new class they are the mean."""
        coef, intercept = np.atleast_2d(self.source_estimator_.coef_), np.ravel(self.source_estimator_.intercept_)
        if k == 2:
            return coef, intercept
        if len(coef) == 1:
            coef, intercept = np.vstack([0 * coef, coef]), np.append(0.0, intercept)
        weights, levels = np.zeros((k, coef.shape[1])), np.zeros(k)
        weights[places], levels[places] = coef - coef.mean(axis=0), intercept - intercept.mean()
        return weights, levels

    def _precision(self, S: Floats, places: NDArray[np.int64], k: int) -> Floats | None:
        """Return how sure the source is of its weights; ``None`` where alike of all."""
        return None


class FisherPrior(CentredPrior):
    """A linear model of the source, corrected where the source was not sure of it.

    As :class:`CentredPrior`, but the prior's precision is the diagonal of the source's posterior: the Fisher
    information of its rows (:func:`logistic_fisher`) and what its own penalty adds, over all weights 1 in the mean.
    Weights that many source rows bear on move little; those of a class or a feature that it hardly saw are free to
    move. For numbers all standardized features have the same information, so that it is :class:`CentredPrior`.

    Parameters
    ----------
    estimator, strength, source, random_state
        See :class:`CentredPrior`.

    References
    ----------
    Kirkpatrick et al. (2017), Overcoming catastrophic forgetting in neural networks, arXiv:1612.00796, equation 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> rows = [0, 60, 70, 110, 120]
    >>> adapted = FisherPrior().fit(X[::2], y[::2], X[rows] + 0.2, y[rows])
    >>> bool((adapted.predict(X + 0.2) == y).mean() > 0.9)
    True
    """

    def _precision(self, S: Floats, places: NDArray[np.int64], k: int) -> Floats | None:
        told = np.zeros((len(S), k))
        told[:, places] = self.source_estimator_.predict_proba(S)
        information, _ = logistic_fisher(S, told)
        information = information[1 if k == 2 else 0 :] + 1 / float(getattr(self.source_estimator_, "C", 1.0))
        return np.asarray(information / information.mean())

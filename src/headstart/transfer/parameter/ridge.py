"""Ridge regression that shrinks towards the source's coefficients instead of towards zero."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from headstart.results import DataError
from headstart.transfer.parameter._prior import Floats, positive, shaped

_REACH = 1e8  # how far strengths are looked for beyond the largest and the smallest singular value
_PER_DECADE = 4
CHOSEN = ("evidence", "loo")


class PriorRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Linear regression with a Gaussian prior around given coefficients, in closed form (biased regularization).

    It minimizes ``sum_i s_i (y_i - x_i w - b)² + alpha * sum_j precision_j (w_j - coef_prior_j)²``; the intercept b
    is free. ``alpha`` is the ratio of the noise's variance to the prior's: at 0 the prior is forgotten, at infinity
    the coefficients are the prior's.

    Parameters
    ----------
    alpha : float, "evidence" or "loo"
        Strength of the prior. "evidence" maximizes the marginal likelihood of the n - 1 contrasts that the free
        intercept leaves, "loo" minimizes the exact leave-one-out squared error. Where a single row says nothing, the
        prior stays.
    coef_prior : array_like, shape (d,), optional
        Zeros by default: ordinary ridge regression.
    precision : array_like, shape (d,), optional
        How sure the prior is of each coefficient, beside the others; ones by default.

    Attributes
    ----------
    coef_ : ndarray, shape (d,)
    intercept_ : float
    alpha_ : float
        The strength that was used; ``inf`` where the prior was kept.
    log_evidence_ : float
        Log density of the contrasts at ``alpha_`` and the best noise, but for a constant; NaN where there are none.
    n_features_in_ : int

    References
    ----------
    Kuzborskij and Orabona (2013), Stability and hypothesis transfer learning, ICML, equation 2; the evidence as in
    Bishop (2006), equation 3.86.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, w = rng.normal(size=(8, 20)), rng.normal(size=20)
    >>> y = X @ (w + 0.1) + 0.1 * rng.normal(size=8)
    >>> errors = [np.abs(PriorRidge(coef_prior=prior).fit(X, y).coef_ - w - 0.1).mean() for prior in (w, None)]
    >>> bool(errors[0] < errors[1] / 3)
    True
    """

    def __init__(
        self,
        alpha: float | Literal["evidence", "loo"] = "evidence",
        *,
        coef_prior: ArrayLike | None = None,
        precision: ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.coef_prior = coef_prior
        self.precision = precision

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> PriorRidge:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional
            A weight of 2 counts like a row that stands twice; "loo" leaves both of these out.

        Raises
        ------
        DataError
            If a prior has another shape, a precision is not above 0, or ``alpha`` is none.
        """
        rows, values = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        d = rows.shape[1]
        centre = shaped(self.coef_prior, (d,), "coef_prior")
        scale = np.sqrt(positive(self.precision, (d,), "precision"))
        weight = np.ones(len(rows)) if sample_weight is None else _check_sample_weight(sample_weight, rows)
        rows, values, weight = rows[weight > 0], values[weight > 0], weight[weight > 0]
        mean, level = np.average(rows, axis=0, weights=weight), np.average(values, weights=weight)
        root = np.sqrt(weight)
        left = root * (values - level - (rows - mean) @ centre)
        fit = _Spectrum.of(root[:, None] * (rows - mean) / scale, left, weight)
        self.alpha_ = fit.alpha(self.alpha)
        self.log_evidence_ = -fit.minus_evidence(self.alpha_) if weight.sum() > 1 and self.alpha_ else np.nan
        self.coef_ = centre + fit.solution(self.alpha_) / scale
        self.intercept_ = float(level - mean @ self.coef_)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected value of each row, (n,)."""
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_ + self.intercept_)


@dataclasses.dataclass(frozen=True, eq=False)
class _Spectrum:
    """What the prior leaves to explain, in the singular vectors of the centred rows: ridge for every strength at once.

    ``left`` (n,) is what is to be explained, ``weight`` (n,) that of the rows.
    """

    U: Floats
    lengths: Floats
    basis: Floats
    z: Floats
    left: Floats
    weight: Floats

    @classmethod
    def of(cls, rows: Floats, left: Floats, weight: Floats) -> _Spectrum:
        U, lengths, basis = np.linalg.svd(rows, full_matrices=False)
        kept = lengths > lengths.max(initial=0.0) * max(rows.shape) * np.finfo(np.float64).eps
        U, lengths, basis = U[:, kept], lengths[kept], basis[kept]
        return cls(U, lengths, basis, U.T @ left, left, weight)

    def solution(self, alpha: float) -> Floats:
        if np.isinf(alpha) or not len(self.lengths):
            return np.zeros(self.basis.shape[1])
        return np.asarray((self.lengths / (self.lengths**2 + alpha) * self.z) @ self.basis)

    def alpha(self, wanted: Any) -> float:
        if not isinstance(wanted, str):
            if not wanted >= 0:
                raise DataError(f"alpha={wanted!r} must be a number from 0 on, or one of {', '.join(CHOSEN)}")
            return float(wanted)
        if wanted not in CHOSEN:
            raise DataError(f"no alpha {wanted!r}: give a number, or one of {', '.join(CHOSEN)}")
        if len(self.left) < 2 or self.weight.sum() <= 1 or not self.z.any():
            return np.inf  # nothing speaks against the prior
        from scipy.optimize import minimize_scalar

        cost = self.minus_evidence if wanted == "evidence" else self._left_out
        squares = self.lengths**2
        low, high = np.log(squares[-1] / _REACH), np.log(squares[0] * _REACH)
        grid = np.linspace(low, high, 2 + int(_PER_DECADE * (high - low) / np.log(10)))
        costs = [cost(np.exp(one)) for one in grid]
        best = int(np.argmin(costs))
        if best == len(grid) - 1:
            return np.inf
        ends = grid[max(best - 1, 0)], grid[best + 1]
        return float(np.exp(minimize_scalar(lambda u: cost(np.exp(u)), bounds=ends, method="bounded").x))

    def minus_evidence(self, alpha: float) -> float:
        """Return minus the log density of the contrasts at the best noise, but for a constant."""
        contrasts = float(self.weight.sum()) - 1
        total = float(self.left @ self.left)
        beyond = max(total - float(self.z @ self.z), 0.0)
        if len(self.lengths) < contrasts:
            beyond = max(beyond, total * contrasts * np.finfo(np.float64).eps)
        shrunk = 1 + self.lengths**2 / alpha
        noise = ((self.z**2 / shrunk).sum() + beyond) / contrasts
        with np.errstate(divide="ignore"):  # nothing is left to explain: there is no limit to the density
            return float(0.5 * (contrasts * np.log(noise) + np.log(shrunk).sum()))

    def _left_out(self, alpha: float) -> float:
        """Return the squared error of each row predicted from the others, in closed form, summed."""
        shrink = self.lengths**2 / (self.lengths**2 + alpha)
        own = self.weight / self.weight.sum() + self.U**2 @ shrink
        errors = (self.left - self.U @ (shrink * self.z)) / np.maximum(1 - own, np.finfo(np.float64).eps)
        return float(errors @ errors)

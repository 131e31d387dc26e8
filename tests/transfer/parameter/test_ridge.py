"""Ridge with a prior against scikit-learn, the marginal likelihood of a Gaussian, and rows left out one by one."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import check_estimator

from headstart.results import DataError
from headstart.transfer.parameter import PriorRidge


def drawn(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(n, d)) + 3, rng.normal(size=d)
    return X, X @ (w + 0.2 * rng.normal(size=d)) + 0.5 * rng.normal(size=n) + 7, w


def test_it_is_a_scikit_learn_estimator():
    check_estimator(PriorRidge())


@pytest.mark.parametrize(("n", "d"), [(40, 6), (9, 25)])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
def test_without_a_prior_it_is_ridge_and_with_one_ridge_on_what_is_left(n, d, alpha):
    X, y, w = drawn(n, d)
    precision, weight = np.random.default_rng(1).uniform(0.2, 5, d), np.random.default_rng(2).uniform(0.5, 2, n)
    plain = Ridge(alpha=alpha).fit(X, y, weight)
    found = PriorRidge(alpha).fit(X, y, weight)
    assert found.coef_ == pytest.approx(plain.coef_, abs=1e-8) and found.intercept_ == pytest.approx(plain.intercept_)
    left = Ridge(alpha=alpha).fit(X / np.sqrt(precision), y - X @ w, weight)
    found = PriorRidge(alpha, coef_prior=w, precision=precision).fit(X, y, weight)
    assert found.coef_ == pytest.approx(w + left.coef_ / np.sqrt(precision), abs=1e-8)
    assert found.predict(X) == pytest.approx(left.predict(X / np.sqrt(precision)) + X @ w)


def log_evidence(X, y, w, alpha, noise):
    """The density of the n - 1 contrasts of what the prior leaves, drawn as the model draws them."""
    n = len(X)
    contrasts = null_space(np.ones((1, n))).T
    cov = noise * (np.eye(n) + X @ X.T / alpha)
    return multivariate_normal(np.zeros(n - 1), contrasts @ cov @ contrasts.T).logpdf(contrasts @ (y - X @ w))


@pytest.mark.parametrize(("n", "d"), [(30, 4), (8, 20)])
def test_the_evidence_is_the_highest_density_of_the_contrasts(n, d):
    X, y, w = drawn(n, d)
    found = PriorRidge(coef_prior=w).fit(X, y).alpha_

    def best(alpha, share=1.0):
        options = {"bounds": (-9, 5), "method": "bounded"}
        return -minimize_scalar(lambda u: -log_evidence(X, y, share * w, alpha, np.exp(u)), **options).fun

    told = PriorRidge(coef_prior=w).fit(X, y).log_evidence_ - PriorRidge(coef_prior=0.5 * w).fit(X, y).log_evidence_
    half = PriorRidge(coef_prior=0.5 * w).fit(X, y).alpha_
    assert told == pytest.approx(best(found) - best(half, 0.5), abs=1e-4)
    there, *others = (best(found * factor) for factor in (1, 0.01, 0.3, 0.8, 1.25, 3, 100))
    assert there > max(others) and there > max(others[0], others[-1]) + 0.05


@pytest.mark.parametrize(("n", "d"), [(25, 4), (8, 20)])
def test_loo_is_what_leaving_each_row_out_finds(n, d):
    X, y, w = drawn(n, d, seed=3)
    weight = np.random.default_rng(4).uniform(0.5, 2, n)

    def error(alpha):
        kept = [np.arange(n) != row for row in range(n)]
        models = [PriorRidge(alpha, coef_prior=w).fit(X[rows], y[rows], weight[rows]) for rows in kept]
        return sum(weight[row] * (y[row] - model.predict(X[row : row + 1])[0]) ** 2 for row, model in enumerate(models))

    found = PriorRidge("loo", coef_prior=w).fit(X, y, weight).alpha_
    errors = [error(found * factor) for factor in (0.25, 0.8, 1, 1.25, 4)]
    assert min(errors) == errors[2] and errors[0] > errors[2] < errors[4]


def test_a_right_prior_is_kept_and_a_wrong_one_given_up():
    X, _, w = drawn(30, 5)
    y = X @ w + 0.1 * np.random.default_rng(5).normal(size=30)
    assert PriorRidge(coef_prior=w).fit(X, y).alpha_ > 1e3
    wrong = PriorRidge(coef_prior=-w).fit(X, y)
    assert wrong.alpha_ < 1 and wrong.coef_ == pytest.approx(w, abs=0.2)


@pytest.mark.parametrize("alpha", ["evidence", "loo"])
def test_what_says_nothing_leaves_the_prior(alpha):
    X, y, w = drawn(20, 3)
    for rows, values in ((X[:1], y[:1]), (np.ones((5, 3)), y[:5]), (X, X @ w + 1)):
        found = PriorRidge(alpha, coef_prior=w).fit(rows, values)
        assert found.coef_ == pytest.approx(w) and found.predict(rows).mean() == pytest.approx(values.mean())
    assert PriorRidge(0.0, coef_prior=w).fit(X, y).coef_ == pytest.approx(lstsq(X, y))


def lstsq(X, y):
    return np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)[0][:-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coef_prior": [1.0, 2.0]}, r"coef_prior has shape \(2,\), but the model has \(3,\)"),
        ({"coef_prior": [1.0, np.nan, 0.0]}, "coef_prior holds NaN"),
        ({"precision": [1.0, 0.0, 1.0]}, "precision must be above 0"),
        ({"alpha": "gcv"}, "no alpha 'gcv'"),
        ({"alpha": -1.0}, "alpha=-1.0 must be"),
    ],
)
def test_what_does_not_fit_is_said(options, message):
    X, y, _ = drawn(10, 3)
    with pytest.raises(DataError, match=message):
        PriorRidge(**options).fit(X, y)

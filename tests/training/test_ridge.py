"""The head for numbers against scikit-learn's ridge regression and least squares."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from headstart.results import DataError
from headstart.training import RidgeHead, ridge_path


@parametrize_with_checks([RidgeHead()])
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def data(n=40, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.1, 30, d) + rng.uniform(-9, 9, d)
    return X, X[:, 0] - 2 * X[:, -1] + rng.normal(size=n)


@pytest.mark.parametrize("shape", [(40, 8), (20, 60)])
@pytest.mark.parametrize("alpha", [1e-2, 10.0])
def test_the_usual_pipeline_gives_the_same(shape, alpha):
    X, y = data(*shape)
    reference = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X, y)
    head = RidgeHead(alpha=alpha).fit(X, y)
    assert head.predict(X) == pytest.approx(np.clip(reference.predict(X), y.min(), y.max()), abs=1e-8)
    assert head.coef_ * reference[0].scale_ == pytest.approx(reference[-1].coef_, abs=1e-8)


def test_without_a_penalty_it_is_least_squares():
    X, y = data()
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)[0]
    head = RidgeHead(alpha=1e-12).fit(X, y)
    assert [*head.coef_, head.intercept_] == pytest.approx(solution.tolist(), rel=1e-6)


@pytest.mark.parametrize("log", [False, True])
def test_the_path_gives_what_single_fits_give(log):
    X, y = data(n=30, d=12)
    y = np.exp(y / 20) if log else y
    folds = [(np.arange(10, 30), np.arange(0, 10)), (np.arange(20), np.arange(20, 30))]
    found = ridge_path(X, y, folds, [100.0, 1.0], log=log)
    for row, alpha in zip(found, [100.0, 1.0], strict=True):
        for train, test in folds:
            assert row[test] == pytest.approx(RidgeHead(alpha=alpha, log=log).fit(X[train], y[train]).predict(X[test]))
    assert np.isnan(found[:, 10:20]).all()


def test_the_logarithm_gives_the_mean_not_the_median():
    """With y = exp(normal) and features that say nothing, the best constant is exp(mean + variance / 2)."""
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(1.0, 0.8, 20_000))
    head = RidgeHead(alpha=1e9, log=True).fit(rng.normal(size=(20_000, 2)), y)
    assert head.predict(np.zeros((1, 2)))[0] == pytest.approx(np.exp(1 + 0.32), rel=0.03)
    assert head.predict(np.zeros((1, 2)))[0] == pytest.approx(y.mean(), rel=1e-3)


@pytest.mark.parametrize("log", [False, True])
def test_a_head_survives_as_arrays(log):
    X, y = data()
    head = RidgeHead(alpha=3.0, log=log).fit(X, np.exp(y / 20))
    again = RidgeHead.from_arrays(head.to_arrays())
    assert np.array_equal(again.predict(X), head.predict(X)) and again.log == log


def test_a_feature_that_hardly_varied_cannot_carry_a_prediction_away():
    X, y = data(n=60, d=3)
    X[:, 1] = 0.0
    X[0, 1] = 1e-3
    head = RidgeHead(alpha=1e-6).fit(X, y)
    far = X[:1] + [[0.0, 100.0, 0.0]]
    assert abs(far @ head.coef_ + head.intercept_) > 100 * np.abs(y).max()
    assert y.min() <= head.predict(far)[0] <= y.max()
    far = X + np.outer(np.arange(60) >= 30, [0.0, 0.0, 1e6])
    found = ridge_path(far, y, [(np.arange(30), np.arange(30, 60))], [1e-6])[0, 30:]
    assert set(found) <= {y[:30].min(), y[:30].max()}


def test_bad_input_is_named():
    X, y = data()
    with pytest.raises(DataError, match="alpha=0: give a positive number"):
        RidgeHead(alpha=0).fit(X, y)
    with pytest.raises(DataError, match="a logarithm needs all of them above 0"):
        RidgeHead(log=True).fit(X, y - y.min())
    constant = RidgeHead().fit(np.ones((5, 2)), [1.0, 2.0, 3.0, 4.0, 5.0])  # features that say nothing
    assert constant.predict(np.ones((1, 2))) == pytest.approx([3.0])

"""The ordered head against its likelihood written out, a numerical gradient and logistic regression of two classes."""

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from headstart.results import DataError
from headstart.training import LogisticHead, OrderedHead, ordered_path
from headstart.training.ordered import _loss, log_probabilities


@parametrize_with_checks([OrderedHead()])
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def data(n=80, d=3, k=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * [1, 5, 0.2][:d] + 3 if d <= 3 else rng.normal(size=(n, d))
    place = X[:, 0] + rng.logistic(0, 0.7, n)
    return X, np.digitize(place, np.quantile(place, np.linspace(0, 1, k + 1)[1:-1]))


def written_out(parameters, X, y, C):
    """Negative log likelihood of the cumulative model plus penalty, by its definition."""
    d = X.shape[1]
    w, thresholds = parameters[:d], np.concatenate([[-np.inf], np.sort(parameters[d:]), [np.inf]])
    z = (X - X.mean(axis=0)) / X.std(axis=0) @ w
    p = expit(thresholds[y + 1] - z) - expit(thresholds[y] - z)
    return -C * np.log(np.maximum(p, 1e-300)).sum() + w @ w / 2


@pytest.mark.parametrize("C", [0.05, 5.0])
def test_it_is_the_minimum_of_the_written_out_likelihood(C):
    X, y = data()
    best = minimize(written_out, [0, 0, 0, -1, 0, 1], args=(X, y, C), method="BFGS", options={"gtol": 1e-6})
    head = OrderedHead(C=C, tol=1e-9).fit(X, y)
    assert head.coef_ * X.std(axis=0) == pytest.approx(best.x[:3], abs=1e-3)
    shift = head.coef_ @ X.mean(axis=0)
    assert head.thresholds_ - shift == pytest.approx(np.sort(best.x[3:]), abs=1e-3)
    ours = written_out(np.concatenate([head.coef_ * X.std(axis=0), head.thresholds_ - shift]), X, y, C)
    assert ours <= best.fun + 1e-6


def test_the_gradient_is_the_numerical_one():
    rng = np.random.default_rng(1)
    rows, codes = rng.normal(size=(30, 4)), np.arange(30) % 5
    at = rng.normal(size=4 + 4)
    found = _loss(at, rows, codes, 3.0)[1]
    expected = approx_fprime(at, lambda x: _loss(x, rows, codes, 3.0)[0], 1e-7)
    assert found == pytest.approx(expected, abs=1e-5)


def test_with_two_classes_it_is_logistic_regression():
    X, y = data(k=2)
    ours = OrderedHead(C=0.3, tol=1e-9).fit(X, y)
    theirs = LogisticHead(C=0.3, tol=1e-9).fit(X, y)
    assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=1e-5)


def test_fewer_rows_than_features_is_the_same_model():
    """A rotation of the rows changes nothing: compared with the same data padded by columns that vary with none."""
    X, y = data(n=30, d=40, k=3)
    head = OrderedHead(C=0.1, tol=1e-9).fit(X, y)
    from headstart.training.design import Design

    design = Design.of(X)
    assert design.basis is not None
    plain = written_out(
        np.concatenate([head.coef_ * X.std(axis=0), head.thresholds_ - head.coef_ @ X.mean(axis=0)]), X, y, 0.1
    )
    rng = np.random.default_rng(0)
    at = np.concatenate([head.coef_ * X.std(axis=0), head.thresholds_ - head.coef_ @ X.mean(axis=0)])
    assert all(written_out(at + 1e-3 * rng.normal(size=len(at)), X, y, 0.1) > plain for _ in range(20))


def test_probabilities_far_in_the_tails_keep_their_digits():
    found = np.exp(log_probabilities(np.array([-50.0, 0.0, 50.0]), np.array([-1.0, 1.0])))
    assert found.sum(axis=1) == pytest.approx(1)
    assert found[0, 2] == pytest.approx(np.exp(-51.0), rel=1e-6) and found[2, 0] == pytest.approx(
        np.exp(-51.0), rel=1e-6
    )
    assert found[1, 1] == pytest.approx(expit(1.0) - expit(-1.0))


def test_the_path_gives_what_single_fits_give_and_a_missing_class_has_no_probability():
    X, y = data(n=60, k=3)
    folds = [
        (np.arange(30, 60), np.arange(0, 30)),
        (np.flatnonzero((np.arange(60) < 30) & (y != 2)), np.arange(30, 60)),
    ]
    for C, table in zip([0.1, 1.0], ordered_path(X, y, folds, [0.1, 1.0], n_classes=3), strict=True):
        train, test = folds[0]
        assert table[test] == pytest.approx(OrderedHead(C=C).fit(X[train], y[train]).predict_proba(X[test]), abs=5e-3)
        assert (table[folds[1][1], 2] == 0).all()
        assert table.sum(axis=1) == pytest.approx(1)


def test_gaps_in_label_ids_and_other_labels_keep_their_order():
    X, y = data(k=3)
    plain = OrderedHead().fit(X, y)
    gaps = OrderedHead().fit(X, np.array([2, 7, 40])[y])
    assert np.array_equal(gaps.classes_, [2, 7, 40])
    assert np.array_equal(gaps.predict_proba(X), plain.predict_proba(X))
    assert set(gaps.predict(X)) <= {2, 7, 40}


def test_a_head_survives_as_arrays():
    X, y = data()
    head = OrderedHead(C=0.5).fit(X, y)
    again = OrderedHead.from_arrays(head.to_arrays())
    assert np.array_equal(again.predict_proba(X), head.predict_proba(X))
    assert (np.diff(head.thresholds_) > 0).all()


def test_a_class_with_one_example_and_constant_features_are_learned():
    X, y = data(n=41, k=2)
    y[-1] = 2
    assert OrderedHead().fit(X, y).predict_proba(X).sum(axis=1) == pytest.approx(1)
    shares = OrderedHead().fit(np.ones((10, 2)), [0] * 5 + [1] * 3 + [2] * 2).predict_proba(np.ones((1, 2)))
    assert shares[0] == pytest.approx([0.5, 0.3, 0.2], abs=1e-4)


def test_bad_input_is_named():
    with pytest.raises(DataError, match="of one class"):
        OrderedHead().fit(np.eye(3), [1, 1, 1])
    with pytest.raises(DataError, match="C=-1: give a positive number"):
        OrderedHead(C=-1).fit(np.eye(4), [0, 1, 0, 1])

"""Logistic regression with a prior against scikit-learn, a general optimizer, and Bayes by brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import check_estimator

from headstart.results import DataError
from headstart.transfer.parameter import PriorLogistic, logistic_fisher
from headstart.transfer.parameter.logistic import ALPHAS


def drawn(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    y[:k] = np.arange(k)
    return X, y


def test_it_is_a_scikit_learn_estimator():
    check_estimator(PriorLogistic(1.0))  # "cv" divides rows, of which two copies may part: no weight does that


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize(("n", "d"), [(60, 5), (12, 30)])
def test_without_a_prior_it_is_scikit_learns(n, d, k):
    X, y = drawn(n, d, k)
    weight = np.random.default_rng(1).uniform(0.5, 2, n)
    found = PriorLogistic(2.0, tol=1e-9).fit(X, y, weight)
    plain = LogisticRegression(C=0.5, tol=1e-9, max_iter=5000).fit(X, y, weight)
    assert found.coef_ == pytest.approx(plain.coef_, abs=1e-5)
    assert found.predict_proba(X) == pytest.approx(plain.predict_proba(X), abs=1e-5)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("per", ["shared", "each"])
@pytest.mark.parametrize(("n", "d"), [(30, 3), (5, 8)])
def test_it_is_the_minimum_that_a_general_optimizer_finds(n, d, k, per):
    X, y = drawn(n, d, k)
    rng, rows = np.random.default_rng(2), 1 if k == 2 else k
    coef, intercept = rng.normal(size=(rows, d)), rng.normal(size=rows)
    precision = rng.uniform(0.2, 5, (rows, d) if per == "each" else d)
    loose = rng.uniform(0.2, 5, rows)

    def cost(flat):
        table = flat.reshape(rows, d + 1)
        scores = X @ table[:, :-1].T + table[:, -1]
        scores = scores if k > 2 else np.column_stack([np.zeros(n), scores])
        far = (precision * (table[:, :-1] - coef) ** 2).sum() + (loose * (table[:, -1] - intercept) ** 2).sum()
        return -log_softmax(scores, axis=1)[np.arange(n), y].sum() + 0.7 * far / 2

    best = minimize(cost, np.zeros(rows * (d + 1)), method="BFGS", options={"gtol": 1e-6}).x.reshape(rows, d + 1)
    found = PriorLogistic(
        0.7, coef_prior=coef, intercept_prior=intercept, precision=precision, intercept_precision=loose, tol=1e-9
    ).fit(X, y)
    assert found.coef_ == pytest.approx(best[:, :-1], abs=1e-4)
    assert found.intercept_ == pytest.approx(best[:, -1], abs=1e-4)


def test_the_strength_is_the_one_with_the_lowest_loss_out_of_fold():
    X, y = drawn(40, 6, 3)
    source = LogisticRegression().fit(*drawn(300, 6, 3))
    prior = {"coef_prior": source.coef_, "intercept_prior": source.intercept_}
    found = PriorLogistic(**prior, n_folds=40).fit(X, y)  # as many folds as rows: no division to agree on
    losses = []
    for alpha in ALPHAS[: len(found.losses_)]:
        out = np.array([
            PriorLogistic(alpha, **prior, classes=[0, 1, 2]).fit(np.delete(X, row, 0), np.delete(y, row))
            .predict_proba(X[row : row + 1])[0] for row in range(40)
        ])  # fmt: skip
        losses.append(log_loss(y, out))
    assert found.losses_ == pytest.approx(losses, abs=1e-4) and found.alpha_ == ALPHAS[int(np.argmin(losses))]


def test_a_right_prior_is_kept_and_a_wrong_one_given_up():
    X, y = drawn(200, 6, 3)
    source = LogisticRegression(C=100).fit(X, y)
    rows = np.random.default_rng(0).permutation(200)[:60]
    right = PriorLogistic(coef_prior=source.coef_, intercept_prior=source.intercept_).fit(X[rows], y[rows])
    wrong = PriorLogistic(coef_prior=-20 * source.coef_, intercept_prior=source.intercept_).fit(X[rows], y[rows])
    assert right.alpha_ > 10 and wrong.alpha_ <= 0.1 and wrong.score(X, y) > 0.6


def test_the_strongest_prior_is_the_source_and_one_row_leaves_it():
    X, y = drawn(50, 4, 3)
    prior = {"coef_prior": np.eye(3, 4), "intercept_prior": [0.3, 0.2, -0.5], "classes": [0, 1, 2]}
    for found in (PriorLogistic(1e8, **prior).fit(X, y), PriorLogistic(**prior).fit(X[:1], y[:1])):
        assert found.coef_ == pytest.approx(np.eye(3, 4), abs=1e-4)
        assert found.intercept_ == pytest.approx([0.3, 0.2, -0.5], abs=1e-4)


def test_gaps_in_labels_constants_and_a_class_with_one_example():
    X, y = drawn(30, 4, 3)
    X[:, 1] = 5.0
    y[y == 2], y[0] = 1, 2
    found = PriorLogistic().fit(X, np.array(["ape", "bee", "cow"])[y])
    assert found.predict_proba(X).sum(axis=1) == pytest.approx(1) and set(found.predict(X)) <= {"ape", "bee", "cow"}
    assert PriorLogistic(1.0).fit(X, y * 7 - 3).classes_.tolist() == [-3, 4, 11]


@pytest.mark.parametrize("k", [2, 4])
def test_the_fisher_information_is_the_expected_squared_gradient(k):
    X, y = drawn(50, 3, k)
    model = LogisticRegression().fit(X, y)
    told, rng = model.predict_proba(X), np.random.default_rng(0)
    weight = rng.uniform(0, 2, 50)
    expected = np.zeros((k, 3))
    for row in range(50):
        for label in range(k):
            gradient = np.outer(np.eye(k)[label] - told[row], X[row])
            expected += weight[row] * told[row, label] * gradient**2
    coefficients, intercepts = logistic_fisher(X, told, weight)
    assert coefficients == pytest.approx(expected)
    ones = logistic_fisher(np.ones((50, 1)), told, weight)[0]
    assert intercepts == pytest.approx(ones[:, 0])


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        ({}, [0, 0, 0], r"all labels are of one class, \[0\]"),
        ({"classes": [0, 1, 2]}, [0, 1, 1], "no example of class 2: give intercept_prior"),
        ({"classes": [0, 1]}, [0, 1, 2], r"label 2 is none of the classes \[0, 1\]"),
        ({"alpha": "evidence"}, [0, 1, 1], "no alpha 'evidence'"),
        ({"n_folds": 1}, [0, 1, 1], "n_folds=1: give 2 or more"),
        ({"alpha": 0.0}, [0, 1, 1], "alpha=0.0 must be a number above 0"),
        ({"coef_prior": np.zeros((2, 2))}, [0, 1, 1], r"coef_prior has shape \(2, 2\), but the model has \(1, 2\)"),
        ({"precision": [[1.0, -1.0]]}, [0, 1, 1], "precision must be above 0"),
    ],
)
def test_what_does_not_fit_is_said(options, labels, message):
    with pytest.raises(DataError, match=message):
        PriorLogistic(**options).fit(np.eye(3, 2), labels)


def test_the_fisher_information_wants_one_column_a_class():
    with pytest.raises(DataError, match=r"probabilities have shape \(3,\)"):
        logistic_fisher(np.eye(3), [0.1, 0.2, 0.3])

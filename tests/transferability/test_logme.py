"""LogME against the brute-force marginal likelihood of the contrasts."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from headstart.results import DataError
from headstart.transferability import logme


def brute_force(F, Y, weights=None):
    """Density of the N - 1 contrasts, evaluated by SciPy and maximized from many starts."""
    n = len(F)
    root = np.sqrt(np.ones(n) if weights is None else weights)
    Q = null_space(root[None])  # an orthonormal basis of what is orthogonal to the constant
    A = Q.T @ (root[:, None] * F)
    values = []
    for y in Y.T:
        target = Q.T @ (root * y)

        def loss(logs, target=target):
            covariance = np.exp(logs[0]) * A @ A.T + np.exp(logs[1]) * np.eye(n - 1)
            return -multivariate_normal(np.zeros(n - 1), covariance, allow_singular=False).logpdf(target) / (n - 1)

        starts = [(a, b) for a in (-8.0, -3.0, 0.0) for b in (-4.0, -1.0)]
        options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000}
        values.append(-min(minimize(loss, start, method="Nelder-Mead", options=options).fun for start in starts))
    return np.mean(values)


def data(n, d, signal, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(classes), rng.choice(classes, n - classes, p=[0.6, 0.3, 0.1][:classes])]
    F = rng.normal(size=(n, d)) * np.geomspace(1, 0.05, d) + 2.0
    return F + signal * rng.normal(size=(classes, d))[y], y


@pytest.mark.parametrize(("n", "d"), [(40, 8), (24, 24), (25, 24), (20, 45)])
@pytest.mark.parametrize("signal", [0.0, 0.6])
def test_it_equals_the_brute_force_marginal_likelihood(n, d, signal):
    F, y = data(n, d, signal)
    assert logme(F, y) == pytest.approx(brute_force(F, np.eye(3)[y]), rel=1e-6)
    weights = (n / (3 * np.bincount(y)))[y]
    assert logme(F, y, class_weight="balanced") == pytest.approx(brute_force(F, np.eye(3)[y], weights), rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (20, 45)])
def test_regression_equals_the_brute_force_too(n, d):
    F, _ = data(n, d, 0.0)
    rng = np.random.default_rng(5)
    Y = F[:, :2] @ rng.normal(size=(2, 2)) + 0.3 * rng.normal(size=(n, 2))
    assert logme(F, Y) == pytest.approx(brute_force(F, Y), rel=1e-6)
    assert logme(F, Y[:, 0]) == pytest.approx(brute_force(F, Y[:, :1]), rel=1e-6)


@pytest.mark.parametrize("d", [8, 60])
def test_order_names_and_constants_change_nothing(d):
    F, y = data(50, d, 0.5)
    expected = logme(F, y)
    assert logme(F + 100.0, y) == pytest.approx(expected, rel=1e-9)
    assert logme(F, np.array(["b", "z", "a"])[y]) == pytest.approx(expected, rel=1e-12)
    assert logme(F, np.array([70, -3, 12])[y]) == pytest.approx(expected, rel=1e-12)
    rows = np.random.default_rng(0).permutation(50)
    assert logme(F[rows], y[rows]) == pytest.approx(expected, rel=1e-9)
    assert logme(np.c_[F, np.full(50, 0.1)], y) == pytest.approx(expected, rel=1e-9)


def test_noise_never_outranks_signal_because_of_its_width():
    """60 examples: 64 columns of signal against 2,048 of noise, which the truncated evidence preferred."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    signal = rng.normal(size=(60, 64)) + rng.normal(size=(3, 64))[y]
    noise = [logme(rng.normal(size=(60, d)), y) for d in (64, 512, 2048)]
    assert logme(signal, y) > max(noise) + 0.05
    spread = 0.5 * np.log(2 * np.pi * 2 / 9) + 0.5  # of a one-hot column of three classes that nothing explains
    assert all(found == pytest.approx(-spread, abs=0.02) for found in noise)


def test_it_stops_where_the_evidence_is_highest_for_every_class_alone():
    F, y = data(60, 20, 0.4)
    alone = [logme(F, np.eye(3)[y][:, k]) for k in range(3)]
    assert logme(F, y) == pytest.approx(np.mean(alone), rel=1e-12)
    assert 0 < logme(F, y).n_iter < 20


def test_labels_that_are_exactly_linear_have_a_finite_score_and_a_warning():
    y = np.arange(40) % 2
    found = logme(np.c_[y, np.random.default_rng(0).normal(size=(40, 2))], y)
    assert np.isfinite(found) and found > 5 and "exactly linear" in found.warnings[0]


def test_regression_is_what_floats_ask_for():
    F, y = data(40, 5, 0.5)
    assert logme(F, y.astype(float), regression=False) == logme(F, y)
    assert logme(F, y, regression=True) == logme(F, y.astype(float))
    with pytest.raises(DataError, match="needs classes"):
        logme(F, y.astype(float), class_weight="balanced")
    with pytest.raises(DataError, match="do not vary"):
        logme(F, np.ones(40))

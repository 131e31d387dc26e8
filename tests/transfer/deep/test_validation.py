"""Validators against their definitions written as loops, and what they are for."""

import math

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from headstart.results import DataError
from headstart.transfer.deep.validation import (
    density_ratio,
    information,
    soft_neighbourhood_density,
    validator,
    weighted_validation,
)


def table(n=12, k=4, seed=0, spread=2.0):
    return softmax(spread * np.random.default_rng(seed).normal(size=(n, k)), axis=1)


@pytest.mark.parametrize("n", [2, 12, 1100])
def test_density_term_by_term(n):
    P = table(n)
    total = 0.0
    for i in range(n):
        s = np.delete(P @ P[i] / np.linalg.norm(P, axis=1) / np.linalg.norm(P[i]), i) / 0.05
        p = np.exp(s) / np.exp(s).sum()
        total -= (p * np.log(p)).sum()
    assert soft_neighbourhood_density(P) == pytest.approx(total / n)


def test_information_term_by_term():
    P = table()
    joint = P / len(P)
    expected = sum(
        joint[i, c] * math.log(joint[i, c] / (1 / len(P)) / joint[:, c].sum()) for i in range(12) for c in range(4)
    )
    assert information(P) == pytest.approx(expected)
    assert information(np.eye(3)[[0, 1, 2]]) == pytest.approx(math.log(3))
    assert information(np.full((5, 3), 1 / 3)) == pytest.approx(0)


def test_weighted_validation_term_by_term():
    rng = np.random.default_rng(0)
    F, G, y, P = rng.normal(size=(40, 2)), rng.normal(size=(30, 2)) + 0.5, np.arange(40) % 4, table(40)
    w = density_ratio(F, G)
    losses = [-w[i] * math.log(P[i, y[i]]) for i in range(40)]
    assert weighted_validation(y, P, F, G, control=False) == pytest.approx(-np.mean(losses))
    eta = -np.cov(losses, w, ddof=0)[0, 1] / np.var(w)
    assert weighted_validation(y, P, F, G) == pytest.approx(-(np.mean(losses) + eta * (w.mean() - 1)))


def test_weights_come_near_the_ratio_of_two_normal_densities():
    rng = np.random.default_rng(0)
    F, G = rng.normal(size=(4000, 1)), rng.normal(size=(1000, 1)) + 0.7
    expected = np.exp(0.7 * F[:, 0] - 0.7**2 / 2)
    np.testing.assert_allclose(np.log(density_ratio(F, G)), np.log(expected), atol=0.35)


def test_it_sees_that_a_model_fails_where_the_target_is():
    """Of two models, one is good for most of the source, the other for the target: the plain loss takes the former."""
    rng = np.random.default_rng(0)
    F, G = rng.normal(size=(3000, 1)), rng.normal(size=(3000, 1)) + 1.5
    y = ((F[:, 0] > 1.5) ^ (rng.random(3000) < 0.02)).astype(int)
    here = LogisticRegression().fit(F[F[:, 0] < 1], y[F[:, 0] < 1] ^ (rng.random((F[:, 0] < 1).sum()) < 0.01))
    there = LogisticRegression().fit(F, y)
    mixed = np.where(F > 0.5, there.predict_proba(F), 0.5)
    plain = [np.log(P[np.arange(3000), y]).mean() for P in (here.predict_proba(F), mixed)]
    told = [weighted_validation(y, P, F, G) for P in (here.predict_proba(F), mixed)]
    assert plain[0] > plain[1] and told[0] < told[1]


def test_degenerate_and_bad_input():
    ones, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    half = np.full((4, 2), 0.5)
    assert weighted_validation(y, half, ones, ones) == pytest.approx(math.log(0.5))
    assert np.isfinite(weighted_validation(y, np.eye(2)[[1, 0, 0, 1]], ones, ones[:1]))
    with pytest.raises(DataError, match=r"give \(m, 2\)"):
        weighted_validation(y, half, ones, np.ones((3, 5)))
    with pytest.raises(DataError, match="give 2 rows or more"):
        soft_neighbourhood_density(half[:1])
    with pytest.raises(DataError, match="give 1 rows or more"):
        information(half[:0])
    with pytest.raises(DataError, match="no validator 'luck'"):
        validator("luck")
    args = (y, half, ones, half, ones)
    assert validator("information")(*args) == information(half)
    assert validator("density")(*args) == soft_neighbourhood_density(half)
    assert validator("weighted")(*args) == weighted_validation(y, half, ones, ones)

"""Priors against Bayes' rule on densities that are known, and against a general optimizer."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from headstart.imbalance import estimate_prior, prior_correction
from headstart.results import DataError


def posterior(x, prior, centres=(-1.0, 0.5, 2.0)):
    """Bayes' rule for Gaussian classes."""
    joint = norm.pdf(x[:, None], np.asarray(centres)[: len(prior)]) * prior
    return joint / joint.sum(axis=1, keepdims=True)


def drawn(n, prior, seed=0, centres=(-1.0, 0.5, 2.0)):
    rng = np.random.default_rng(seed)
    y = rng.choice(len(prior), n, p=prior)
    return y, rng.normal(np.asarray(centres)[y])


@pytest.mark.parametrize("train", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.5, 0.3)])
def test_corrected_probabilities_are_those_of_the_new_world(train):
    x = np.linspace(-4, 4, 50)
    deployed = np.random.default_rng(0).dirichlet(np.ones(len(train)))
    assert prior_correction(posterior(x, train), train, deployed) == pytest.approx(posterior(x, deployed))


def test_no_shift_changes_nothing_and_there_and_back_is_the_same():
    p, train, other = posterior(np.linspace(-3, 3, 9), (0.2, 0.5, 0.3)), (0.2, 0.5, 0.3), (0.6, 0.3, 0.1)
    assert prior_correction(p, train, train) == pytest.approx(p)
    assert prior_correction(prior_correction(p, train, other), other, train) == pytest.approx(p)


def test_a_class_may_vanish():
    found = prior_correction([[0.5, 0.3, 0.2]], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0])
    assert found[0, 2] == 0 and found.sum() == pytest.approx(1)


@pytest.mark.parametrize("deployed", [(0.1, 0.2, 0.7), (0.34, 0.33, 0.33)])
def test_the_estimate_is_the_maximum_of_the_likelihood(deployed):
    train = np.array([0.5, 0.3, 0.2])
    _, x = drawn(400, deployed, seed=1)
    p = posterior(x, train)

    def loss(free):
        prior = np.exp(np.append(free, 0.0))
        return -np.log((p / train) @ (prior / prior.sum())).sum()

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 5000})
    found = estimate_prior(p, train)
    expected = np.exp(np.append(best.x, 0.0))
    assert found.converged and found.prior == pytest.approx(expected / expected.sum(), abs=1e-4)
    gain = 2 * (-loss(np.log(found.prior[:2] / found.prior[2])) + loss(np.log(train[:2] / train[2])))
    assert found.log_likelihood_ratio == pytest.approx(gain) and found.p_value == pytest.approx(chi2.sf(gain, 2))


def test_the_estimate_finds_the_truth_of_many_examples_and_knows_when_nothing_moved():
    truth, train = np.array([0.15, 0.85]), np.array([0.7, 0.3])
    _, x = drawn(20_000, truth)
    found = estimate_prior(posterior(x, train), train)
    assert found.prior == pytest.approx(truth, abs=0.02) and found.p_value < 1e-6
    tests = [estimate_prior(posterior(drawn(300, train, seed)[1], train), train).p_value for seed in range(200)]
    assert 0.015 < np.mean(np.array(tests) < 0.05) < 0.10


def test_sure_probabilities_give_counted_shares_and_one_step_is_said_not_to_converge():
    sure = np.eye(3)[[0, 0, 1, 2]]
    found = estimate_prior(sure, [0.2, 0.2, 0.6])
    assert found.prior == pytest.approx([0.5, 0.25, 0.25]) and found.n_iter == 2
    assert not estimate_prior([[0.9, 0.1], [0.2, 0.8]], [0.9, 0.1], max_iter=1).converged
    assert estimate_prior([[1.0]], [1.0]).p_value == 1


@pytest.mark.parametrize(
    ("p", "train", "deployed", "message"),
    [
        ([[0.5, 0.5]], [0.5, 0.5, 0.0], [0.5, 0.5], r"train_prior has shape \(3,\) for 2"),
        ([[0.5, 0.5]], [0.5, 0.5], [0.9, 0.2], "deployed_prior is .*add up to 1"),
        ([[0.5, 0.5]], [1.5, -0.5], [0.9, 0.1], "train_prior is .*none negative"),
        ([[0.5, 0.5]], [50, 50], [0.9, 0.1], "add up to 1"),
        ([[0.5, 0.5]], [1.0, 0.0], [1.0, 0.0], "class 1 a share of 0"),
        ([[1.0, 0.0]], [1.0, 0.0], [0.9, 0.1], "class 1 a share of 0"),
        ([[0.0, 1.0]], [0.5, 0.5], [1.0, 0.0], "row 0 has probability 0"),
        ([[0.5, np.nan]], [0.5, 0.5], [0.5, 0.5], "row 0"),
        ([0.5, 0.5], [0.5, 0.5], [0.5, 0.5], "one row an example"),
    ],
)
def test_priors_that_do_not_fit_are_said(p, train, deployed, message):
    with pytest.raises(DataError, match=message):
        prior_correction(p, train, deployed)


def test_nothing_to_estimate_from():
    with pytest.raises(DataError, match="at least one example"):
        estimate_prior(np.ones((0, 2)), [0.5, 0.5])

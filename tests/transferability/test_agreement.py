"""Agreement against the definition of the weighted τ, pair by pair, and picks that are counted by hand."""

import itertools

import numpy as np
import pytest

from headstart.results import DataError
from headstart.transferability.agreement import agreement


def slow_tau(x, y):
    """Vigna 2015: pairs weighed by the sum of 1 / (rank + 1), averaged over the ranking by either vector."""
    found = []
    for by in ((x, y), (y, x)):
        rank = np.argsort(np.lexsort((by[1], by[0]))[::-1])
        inner = norm_x = norm_y = 0.0
        for i, j in itertools.combinations(range(len(x)), 2):
            weight = 1 / (rank[i] + 1) + 1 / (rank[j] + 1)
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            inner, norm_x, norm_y = inner + weight * a * b, norm_x + weight * a * a, norm_y + weight * b * b
        found.append(inner / np.sqrt(norm_x * norm_y))
    return np.mean(found)


@pytest.mark.parametrize("seed", range(5))
def test_tau_is_its_definition(seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 8))
    assert agreement(x, y).tau == pytest.approx(slow_tau(x, y))


def test_errors_at_the_top_weigh_more():
    truth = np.arange(8.0)[::-1]
    top, bottom = truth.copy(), truth.copy()
    top[:2], bottom[-2:] = top[1::-1], bottom[:-3:-1]
    assert agreement(top, truth).tau < agreement(bottom, truth).tau < 1


def test_ties_are_shared_out():
    found = agreement([1, 1, 0, 1], [0.5, 0.9, 0.1, 0.7])
    assert found.regret == pytest.approx(0.9 - 0.7)
    assert found.recall == pytest.approx((1 / 3, 2 / 3, 1, 1))
    assert np.isnan(agreement([1, 1], [0.1, 0.2]).tau)


def test_bad_input():
    with pytest.raises(DataError, match="one number a source"):
        agreement([1], [1])
    with pytest.raises(DataError, match="is missing"):
        agreement([1, np.nan], [1, 2])

"""Isotonic calibration: against the quadratic program that it solves, and what it must keep."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from headstart.results import DataError
from headstart.training.isotonic import Isotonic, fit_isotonic


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def test_the_map_is_the_nearest_rising_one():
    """Against the quadratic program itself, by a solver that knows nothing of pooling."""
    rng = np.random.default_rng(0)
    p = np.sort(rng.random(25))
    y = (rng.random(25) < p**2).astype(int)
    steps = np.diff(np.eye(25), axis=0)
    solved = minimize(
        lambda f: ((f - y) ** 2).sum(), p, jac=lambda f: 2 * (f - y),
        constraints=LinearConstraint(steps, 0, np.inf), method="trust-constr", options={"maxiter": 3000, "gtol": 1e-9},
    ).x  # fmt: skip
    expected = np.clip(solved, 1 / 27, 26 / 27)
    assert np.allclose(fit_isotonic(y, two(p))(two(p))[:, 1], expected, atol=2e-3)


def test_probabilities_mean_what_they_say_afterwards_and_are_never_certain():
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p**3).astype(int)
    found = fit_isotonic(y, two(p))
    new = rng.random(2000)
    assert np.abs(found(two(new))[:, 1] - new**3).mean() < 0.02
    extreme = found(two([0.0, 1.0]))
    assert (extreme > 0).all() and (extreme < 1).all()


def test_order_is_kept_and_rows_add_up():
    rng = np.random.default_rng(2)
    table = rng.dirichlet(np.ones(4), 300)
    y = np.array([rng.choice(4, p=row) for row in table])
    found = fit_isotonic(y, table)
    assert np.allclose(found(table).sum(axis=1), 1) and (found(table) > 0).all()
    p = rng.random(200)
    pair = fit_isotonic((rng.random(200) < p).astype(int), two(p))
    assert (np.diff(pair(two(np.linspace(0, 1, 101)))[:, 1]) >= -1e-12).all()
    flipped = fit_isotonic([1, 0, 0, 1, 0], two([0.1, 0.2, 0.3, 0.8, 0.9])[:, ::-1])
    straight = fit_isotonic([0, 1, 1, 0, 1], two([0.1, 0.2, 0.3, 0.8, 0.9]))
    assert np.allclose(flipped(two([0.25, 0.7])[:, ::-1])[:, ::-1], straight(two([0.25, 0.7])))


def test_a_prior_correction_afterwards_is_a_factor():
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.ones(3), 60)
    found = fit_isotonic(rng.integers(0, 3, 60), table)
    factors = np.array([0.2, 1.0, 5.0])
    expected = found(table) * factors
    assert np.allclose(found.scaled(factors)(table), expected / expected.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 0, 0], [0.1, 0.2, 0.3]), ([1], [0.4]), ([0, 1], [0.5, 0.5]), ([0, 1, 1], [0.3, 0.3 + 1e-12, 0.9])],
)
def test_degenerate_rows(y, p):
    """One class, one row, a constant, and two probabilities that single precision cannot hold apart."""
    found = fit_isotonic(y, two(p))
    out = found(two([0.0, 0.3, 1.0]))
    assert np.isfinite(out).all() and np.allclose(out.sum(axis=1), 1)
    again = Isotonic.from_arrays(found.to_arrays())
    assert (again(two(p)) == found(two(p))).all()
    assert (np.diff(found.knots) >= 0).all() and not ((np.diff(found.knots) > 0) & (np.diff(found.knots) < 1e-7)).any()


def test_bad_input_is_said():
    good = fit_isotonic([0, 1], two([0.2, 0.7]))
    with pytest.raises(DataError, match="the calibration is of 2 classes"):
        good(np.ones((3, 3)) / 3)
    for values in ([[0.5, 0.2]], [[0.0, 0.2]], [[0.1, 0.2, 0.3]]):
        with pytest.raises(DataError, match="are no calibration"):
            Isotonic(np.array([[0.1, 0.9]]), np.array(values))

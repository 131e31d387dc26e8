"""A sketch against NumPy's mean and covariance."""

import numpy as np
import pytest

from headstart.metrics import sketch
from headstart.results import DataError

X = np.random.default_rng(0).normal(size=(200, 6)) * np.arange(1, 7) + 2


def test_a_sketch_keeps_mean_and_covariance():
    found = sketch(X)
    assert np.allclose(found.mean, X.mean(axis=0)) and np.allclose(
        found.factor.T @ found.factor, np.cov(X.T, bias=True)
    )
    assert found.n == 200 and found.kept == pytest.approx(1)
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1]
    assert sketch(X, rank=2).kept == pytest.approx(values[:2].sum() / values.sum())
    assert sketch(np.ones((3, 2))).kept == 1


def test_bad_input_is_named():
    with pytest.raises(DataError, match="row 1 are not all finite"):
        sketch([[0.0], [np.nan]])
    with pytest.raises(DataError, match="one row an example"):
        sketch([1.0, 2.0])

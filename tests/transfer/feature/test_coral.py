"""CORAL against matrix powers by SciPy, and skada where it is installed."""

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm

from headstart.results import DataError
from headstart.transfer.feature import CORAL
from headstart.transfer.feature.coral import covariance


def data(ns=50, nt=30, d=5, seed=0):
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(ns, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    return Xs, np.arange(ns) % 2, rng.normal(size=(nt, d)) @ rng.normal(size=(d, d)) * 3


def test_it_is_the_matrix_powers_of_both_covariances():
    Xs, ys, Xt = data()
    model = CORAL(shrinkage=0.0).fit(Xs, ys, Xt)
    expected = (Xs - Xs.mean(axis=0)) @ inv(sqrtm(np.cov(Xs.T))) @ sqrtm(np.cov(Xt.T)) + Xt.mean(axis=0)
    np.testing.assert_allclose(model.transform_source(Xs), expected, atol=1e-9)
    np.testing.assert_allclose(np.cov(model.transform_source(Xs).T), np.cov(Xt.T), atol=1e-9)
    np.testing.assert_array_equal(model.transform(Xt), Xt)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shrinking_term_by_term(share):
    X = data()[2]
    sample, sd = np.cov(X.T), X.std(axis=0)
    found = covariance(X, share)
    mean = np.mean([sample[i, i] / sd[i] ** 2 for i in range(5)])
    for i in range(5):
        for j in range(5):
            expected = (1 - share) * sample[i, j] + (share * mean * sd[i] ** 2 if i == j else 0)
            assert found[i, j] == pytest.approx(expected)


def test_units_move_with_the_features_and_more_features_than_rows_can_be_inverted():
    Xs, ys, Xt = data(20, 15, 40)
    units = np.geomspace(1e-3, 1e4, 40)
    one, other = CORAL().fit(Xs, ys, Xt), CORAL().fit(Xs * units, ys, Xt * units)
    np.testing.assert_allclose(covariance(Xs * units), covariance(Xs) * units * units[:, None], rtol=1e-8)
    assert np.linalg.matrix_rank(one.map_) == 40
    assert np.isfinite(other.transform_source(Xs * units)).all()


def test_a_target_that_does_not_vary_moves_the_mean_alone():
    Xs, ys, Xt = data()
    with pytest.warns(match="target does not vary"):
        model = CORAL().fit(Xs, ys, Xt[:1])
    np.testing.assert_allclose(model.transform_source(Xs), Xs - Xs.mean(axis=0) + Xt[0])


@pytest.mark.parametrize("share", [-0.1, 1.5, "much"])
def test_a_share_that_is_none(share):
    with pytest.raises(DataError, match="give a share from 0 to 1, or 'auto'"):
        CORAL(shrinkage=share).fit(*data())


def test_it_equals_skada():
    skada = pytest.importorskip("skada")
    Xs, ys, Xt = data(60, 40)
    X, domain = np.vstack([Xs, Xt]), np.r_[np.ones(60), -np.full(40, 2)]
    theirs = skada.CORALAdapter(reg=None).fit(X, sample_domain=domain)  # divides by n where we divide by n - 1
    expected = theirs.cov_source_inv_sqrt_ @ theirs.cov_target_sqrt_ * np.sqrt(40 / 39 * 59 / 60)
    np.testing.assert_allclose(CORAL(shrinkage=0.0).fit(Xs, ys, Xt).map_, expected, atol=1e-8)

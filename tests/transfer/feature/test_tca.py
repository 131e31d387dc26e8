"""TCA against its eigenproblem solved as it is printed, and the Nyström form against the exact one."""

import numpy as np
import pytest
from scipy.linalg import eig
from sklearn.metrics.pairwise import rbf_kernel

from headstart.results import DataError
from headstart.transfer.feature import TCA


def data(ns=30, nt=20, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ns, d)), np.arange(ns) % 2, rng.normal(size=(nt, d)) * 1.5 + 0.5


def by_the_paper(K, ns, nt, mu, k):
    """Leading eigenvectors of (K L K + mu I)^-1 K H K, components of unit variance."""
    n = ns + nt
    L = np.zeros((n, n))
    L[:ns, :ns], L[ns:, ns:], L[:ns, ns:], L[ns:, :ns] = 1 / ns**2, 1 / nt**2, -1 / ns / nt, -1 / ns / nt
    H = np.eye(n) - np.ones((n, n)) / n
    values, vectors = eig(np.linalg.solve(K @ L @ K + mu * np.eye(n), K @ H @ K))
    found = K @ vectors[:, np.argsort(-values.real)[:k]].real
    return found / found.std(axis=0)


def same_up_to_sign(ours, theirs, atol):
    np.testing.assert_allclose(ours * np.sign((ours * theirs).sum(axis=0)), theirs, atol=atol)


@pytest.mark.parametrize("mu", [0.1, 10.0])
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_it_solves_the_papers_eigenproblem(mu, kernel):
    Xs, ys, Xt = data()
    model = TCA(n_components=3, mu=mu, kernel=kernel, gamma=0.4).fit(Xs, ys, Xt)
    X = np.vstack([Xs, Xt])
    K = rbf_kernel(X, gamma=0.4) if kernel == "rbf" else X @ X.T
    ours = np.vstack([model.transform_source(Xs), model.transform(Xt)])
    same_up_to_sign(ours, by_the_paper(K, 30, 20, mu, 3), 1e-6)
    np.testing.assert_allclose(ours.var(axis=0), 1, rtol=1e-8)


def test_no_other_components_do_better():
    Xs, ys, Xt = data()
    model = TCA(n_components=2, mu=0.5, gamma=0.4).fit(Xs, ys, Xt)
    K = rbf_kernel(np.vstack([Xs, Xt]), gamma=0.4)

    def objective(W):
        Z = K @ W
        W = W @ np.linalg.inv(np.linalg.cholesky(np.cov(Z.T, ddof=0))).T  # to unit variances
        Z = K @ W
        return ((Z[:30].mean(axis=0) - Z[30:].mean(axis=0)) ** 2).sum() + 0.5 * (W**2).sum()

    least = objective(model.weights_)
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=model.weights_.shape)
        assert objective(model.weights_ + 0.02 * noise * np.abs(model.weights_).mean()) > least


def test_landmarks_that_span_the_kernel_give_the_exact_method():
    rng = np.random.default_rng(3)
    Xs, ys, Xt = rng.normal(size=(60, 3)), np.arange(60) % 2, rng.normal(size=(50, 3)) + 1
    exact = TCA(n_components=3, kernel="linear").fit(Xs, ys, Xt)
    few = TCA(n_components=3, kernel="linear", n_landmarks=12).fit(Xs, ys, Xt)
    assert len(few.landmarks_) == 12
    same_up_to_sign(few.transform(Xt), exact.transform(Xt), 1e-8)


def test_more_landmarks_come_nearer():
    Xs, ys, Xt = data(150, 120)
    exact = TCA(n_components=2, gamma=0.05).fit(Xs, ys, Xt).transform(Xt)

    def off(m):
        found = TCA(n_components=2, gamma=0.05, n_landmarks=m).fit(Xs, ys, Xt).transform(Xt)
        return np.abs(np.abs(found) - np.abs(exact)).max()

    assert off(80) < 0.02 < off(4)


def test_half_of_the_landmarks_are_the_targets_where_it_has_so_many():
    Xs, ys, Xt = data(200, 10)
    found = TCA(n_landmarks=40).fit(Xs, ys, Xt).landmarks_
    assert len(found) == 40 and sum((row == Xt).all(axis=1).any() for row in found) == 10
    found = TCA(n_landmarks=40).fit(Xt, np.arange(10) % 2, Xs).landmarks_
    assert len(found) == 40 and sum((row == Xt).all(axis=1).any() for row in found) == 10


def test_bad_settings():
    Xs, ys, Xt = data()
    for wrong in ({"n_components": 0}, {"mu": 0.0}, {"n_landmarks": 1}):
        with pytest.raises(DataError, match="give at least 1 component, a mu above 0"):
            TCA(**wrong).fit(Xs, ys, Xt)
    with pytest.raises(DataError, match="no kernel 'cubic'"):
        TCA(kernel="cubic").fit(Xs, ys, Xt)
    with pytest.raises(DataError, match="one sample, or all the same"):
        TCA().fit(np.ones((4, 2)), [0, 1, 0, 1], np.ones((3, 2)))

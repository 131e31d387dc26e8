"""Subspace alignment against its paper's equations on eigenvectors, and skada where it is installed."""

import numpy as np
import pytest

from headstart.results import DataError
from headstart.transfer.feature import SubspaceAlignment


def data(ns=40, nt=30, d=6, seed=0):
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(ns, d)) * np.geomspace(5, 0.3, d)
    return (
        Xs,
        np.arange(ns) % 2,
        rng.normal(size=(nt, d)) * np.geomspace(4, 0.2, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0],
    )


def axes(X, k):
    values, vectors = np.linalg.eigh(np.cov(X.T))
    return vectors[:, np.argsort(-values)[:k]]


def test_it_is_the_papers_map():
    Xs, ys, Xt = data()
    model = SubspaceAlignment(n_components=3).fit(Xs, ys, Xt)
    Ps, Pt = axes(Xs, 3), axes(Xt, 3)
    ours, theirs = model.transform_source(Xs), (Xs - Xs.mean(axis=0)) @ Ps @ Ps.T @ Pt
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-9)
    both = model.transform_source(Xs) @ model.transform(Xt).T
    np.testing.assert_allclose(both, theirs @ ((Xt - Xt.mean(axis=0)) @ Pt).T, atol=1e-9)


def test_the_map_is_the_nearest_of_all():
    Xs, ys, Xt = data()
    model = SubspaceAlignment(n_components=2).fit(Xs, ys, Xt)
    Ps, Pt = axes(Xs, 2), model.axes_target_
    least = np.linalg.norm(model.axes_source_ - Pt)
    for seed in range(50):
        other = Ps.T @ Pt + 0.1 * np.random.default_rng(seed).normal(size=(2, 2))
        assert np.linalg.norm(Ps @ other - Pt) > least


def test_all_axes_of_both_are_a_change_of_basis():
    Xs, ys, Xt = data()
    model = SubspaceAlignment(n_components=6).fit(Xs, ys, Xt)
    np.testing.assert_allclose(model.axes_source_, model.axes_target_, atol=1e-9)


def test_how_many_axes():
    Xs, ys, Xt = data()
    shares = [np.cumsum(np.sort(np.linalg.eigvalsh(np.cov(X.T)))[::-1]) / np.trace(np.cov(X.T)) for X in (Xs, Xt)]
    expected = min(int((share < 0.9).sum()) + 1 for share in shares)
    assert SubspaceAlignment(n_components=0.9).fit(Xs, ys, Xt).n_components_ == expected
    assert SubspaceAlignment(n_components=5).fit(Xs, ys, Xt[:3]).n_components_ == 2
    for wrong in (0, -1, 1.5):
        with pytest.raises(DataError, match="give a whole number from 1 on, or a share"):
            SubspaceAlignment(n_components=wrong).fit(Xs, ys, Xt)
    with pytest.raises(DataError, match="its rows are all the same"):
        SubspaceAlignment().fit(np.ones((4, 2)), [0, 1, 0, 1], Xt[:, :2])


def test_it_equals_skada():
    skada = pytest.importorskip("skada")
    Xs, ys, Xt = data()
    X, domain = np.vstack([Xs, Xt]), np.r_[np.ones(40), -np.full(30, 2)].astype(int)
    theirs = skada.SubspaceAlignmentAdapter(n_components=3).fit_transform(X, sample_domain=domain)
    model = SubspaceAlignment(n_components=3).fit(Xs, ys, Xt)
    ours = np.vstack([model.transform_source(Xs), model.transform(Xt)])
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-8)

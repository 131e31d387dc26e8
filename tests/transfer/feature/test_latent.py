"""The shared latent space against CCA by scikit-learn, a generalized eigenproblem, and pairs counted one by one."""

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA

from headstart.results import DataError
from headstart.transfer.feature import SharedLatentSpace


def paired(p=200, seed=0):
    """Two measurements, of 5 and of 3 features, of two hidden things."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(p, 2))
    A = np.column_stack([hidden, rng.normal(size=(p, 3))]) @ rng.normal(size=(5, 5)) + 3
    return (
        A,
        np.column_stack([hidden + 0.3 * rng.normal(size=(p, 2)), rng.normal(size=p)]) @ rng.normal(size=(3, 3)),
        hidden,
    )


def test_pairs_without_shrinking_are_canonical_correlation_analysis():
    A, B, hidden = paired()
    y = (hidden[:, 0] > 0).astype(int)
    model = SharedLatentSpace(paired=(A, B), n_components=2, shrinkage=0.0).fit(A, y, B)
    left, right = CCA(n_components=2, max_iter=5000, tol=1e-12, scale=False).fit_transform(A, B)
    expected = [np.corrcoef(left[:, k], right[:, k])[0, 1] for k in range(2)]
    np.testing.assert_allclose(model.strengths_, expected, atol=1e-6)
    ours, theirs = model.transform_source(A), left / left.std(axis=0, ddof=1)
    np.testing.assert_allclose(np.abs((ours * theirs).sum(axis=0)) / 199, 1, atol=1e-6)
    np.testing.assert_allclose(np.cov(model.transform(B).T), np.eye(2), atol=1e-9)


def test_pairs_against_the_generalized_eigenproblem():
    A, B, hidden = paired(60, 1)
    model = SharedLatentSpace(paired=(A, B), shrinkage=0.0).fit(A, (hidden[:, 0] > 0).astype(int), B)
    joint = np.cov(np.hstack([A, B]).T)
    own, cross = np.zeros((8, 8)), np.zeros((8, 8))
    own[:5, :5], own[5:, 5:] = joint[:5, :5], joint[5:, 5:]
    cross[:5, 5:], cross[5:, :5] = joint[:5, 5:], joint[5:, :5]
    np.testing.assert_allclose(model.strengths_, eigh(cross, own, eigvals_only=True)[::-1][:3], atol=1e-9)


def test_what_one_space_taught_serves_in_the_other_without_a_target_label():
    A, B, hidden = paired(400)
    y = (hidden.sum(axis=1) > 0).astype(int)
    model = SharedLatentSpace(paired=(A[:100], B[:100])).fit(A[100:250], y[100:250], B[250:])
    assert model.score(B[250:], y[250:]) > 0.85


def test_rows_paired_by_label_are_all_pairs_of_a_class():
    rng = np.random.default_rng(2)
    ys, yt = (
        rng.permutation(np.r_[np.zeros(9), np.ones(6), 2, 2, 4]).astype(int),
        np.array([0, 0, 1, 2, 2, 2, 1, 7, -1, -1]),
    )
    Xs, Xt = rng.normal(size=(18, 4)) + np.eye(8, 4)[ys], rng.normal(size=(10, 3)) + np.eye(10, 3)[yt]
    model = SharedLatentSpace(shrinkage=0.0).fit(Xs, ys, Xt, yt)
    weights, lefts, rights = [], [], []
    for i in range(18):
        for j in range(10):
            if ys[i] == yt[j] in (0, 1, 2):
                weights.append(1 / (3 * (ys == ys[i]).sum() * (yt == yt[j]).sum()))
                lefts.append(Xs[i])
                rights.append(Xt[j])
    weights, lefts, rights = np.array(weights), np.array(lefts), np.array(rights)
    assert weights.sum() == pytest.approx(1)
    lefts, rights = lefts - weights @ lefts, rights - weights @ rights
    cross = (weights[:, None] * lefts).T @ rights
    np.testing.assert_allclose(model.axes_source_.T @ cross @ model.axes_target_, np.diag(model.strengths_), atol=1e-9)
    np.testing.assert_allclose(model.axes_source_.T @ np.cov(Xs.T) @ model.axes_source_, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(model.axes_target_.T @ np.cov(Xt.T) @ model.axes_target_, np.eye(2), atol=1e-9)
    best = np.linalg.svd(np.linalg.inv(np.linalg.cholesky(np.cov(Xs.T))) @ cross
                         @ np.linalg.inv(np.linalg.cholesky(np.cov(Xt.T))).T, compute_uv=False)  # fmt: skip
    np.testing.assert_allclose(model.strengths_, best[:2], atol=1e-9)


def test_bad_pairs_and_labels_are_named():
    A, B, _ = paired(20)
    y = np.arange(20) % 2
    with pytest.raises(DataError, match="SharedLatentSpace needs some labelled target rows"):
        SharedLatentSpace().fit(A, y, B)
    with pytest.raises(DataError, match=r"share the classes \[1\]"):
        SharedLatentSpace().fit(A, y, B, np.where(y, 1, -1))
    for wrong in ((A, B[:5]), (A[:1], B[:1]), (B, A)):
        with pytest.raises(DataError, match=r"give at least two pairs, \(p, 5\) and \(p, 3\)"):
            SharedLatentSpace(paired=wrong).fit(A, y, B)
    with pytest.raises(DataError, match="nothing in common"):
        SharedLatentSpace(paired=(A, np.ones((20, 3)))).fit(A, y, B)
    with pytest.raises(DataError, match="give at least 1"):
        SharedLatentSpace(n_components=0).fit(A, y, B, y)

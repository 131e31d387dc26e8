"""Distances against SciPy's matrix root, the kernel written out, and a plain transport problem."""

import itertools

import numpy as np
import pytest
from scipy.linalg import sqrtm

from headstart.metrics import sketch
from headstart.results import DataError
from headstart.transferability import class_distance, frechet_distance, mean_similarity, mmd

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)) * np.arange(1, 7) + 2
Y = RNG.normal(size=(150, 6)) + np.arange(6)


def test_means_are_compared_by_angle_distance_and_spread():
    a, b = X.mean(axis=0), Y.mean(axis=0)
    found = mean_similarity(sketch(X), sketch(Y))
    assert found.cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert found.euclidean == pytest.approx(np.linalg.norm(a - b))
    assert found.relative == pytest.approx(np.linalg.norm(a - b) / np.sqrt((X.var(0).sum() + Y.var(0).sum()) / 2))
    assert mean_similarity(sketch(5 * X), sketch(5 * Y)).relative == pytest.approx(found.relative)


@pytest.mark.parametrize("n", [150, 5])
def test_frechet_distance_has_the_matrix_root_of_the_product(n):
    S, T = np.cov(X.T, bias=True), np.cov(Y[:n].T, bias=True)
    root = np.real(np.trace(sqrtm(S @ T + 1e-13 * np.eye(6))))
    expected = ((X.mean(0) - Y[:n].mean(0)) ** 2).sum() + np.trace(S + T) - 2 * root
    assert frechet_distance(sketch(X), sketch(Y[:n])) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(sketch(X), sketch(X)) == pytest.approx(0, abs=1e-9)


def test_mmd_is_the_kernel_mean_over_all_pairs():
    scale = (X**2).sum(axis=1).mean()

    def mean(a, b):
        return ((1 + a @ b.T / scale) ** 2).mean()

    expected = 2 * (mean(X, X) + mean(Y, Y) - 2 * mean(X, Y)) / (mean(X, X) + mean(Y, Y))
    assert mmd(sketch(X), sketch(Y)) == pytest.approx(expected)
    assert mmd(sketch(7 * X), sketch(7 * Y)) == pytest.approx(expected), "the unit of the features does not matter"
    assert mmd(sketch(X), sketch(X)) == pytest.approx(0, abs=1e-12)


def test_classes_are_moved_at_the_lowest_cost():
    a, b = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    cost = np.linalg.norm(
        (a / np.linalg.norm(a, axis=1)[:, None])[:, None] - b / np.linalg.norm(b, axis=1)[:, None], axis=2
    )
    best = min(sum(cost[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(5))) / 5
    assert class_distance(a, b) == pytest.approx(-best)
    split = class_distance(a, np.r_[b, b], target_weights=np.r_[np.full(5, 0.25), np.full(5, 0.75)])
    assert split == pytest.approx(-best), "a class in two halves is one class"
    one = class_distance(a, b[:1], source_weights=[1, 2, 0, 0, 1])
    assert one == pytest.approx(-np.average(cost[:, 0], weights=[1, 2, 0, 0, 1]))


def test_bad_input():
    with pytest.raises(DataError, match="6 features and the target 3: use the same tap"):
        mmd(sketch(X), sketch(Y[:, :3]))
    with pytest.raises(DataError, match="use one network"):
        class_distance(X, Y[:, :3])
    with pytest.raises(DataError, match="give 200 numbers of 0 or more"):
        class_distance(X, Y, source_weights=[1, -1])

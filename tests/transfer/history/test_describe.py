"""Meta-features against scikit-learn's classifiers, each row left out in turn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from headstart.results import DataError
from headstart.transfer.history import describe


def drawn(n=60, d=4, k=3):
    rng = np.random.default_rng(0)
    y = np.sort(rng.choice(k, n, p=[0.6, 0.3, 0.1][:k]))
    return rng.normal(size=(k, d))[y] + rng.normal(size=(n, d)) * [1, 2, 3, 4], y


def test_landmarks_are_those_of_scikit_learn():
    X, y = drawn()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    found = describe(X, y * 10)
    near = cross_val_predict(KNeighborsClassifier(5, weights=ranks), Z, y, cv=LeaveOneOut())
    centre = cross_val_predict(NearestCentroid(), Z, y, cv=LeaveOneOut())
    assert found["neighbours"] == pytest.approx(f1_score(y, near, average="macro"))
    assert found["centroids"] == pytest.approx(f1_score(y, centre, average="macro"))
    assert found["curved"] == pytest.approx(found["neighbours"] - found["centroids"])
    counts = np.bincount(y)
    sizes = [np.log(60), np.log(3), np.log(4), np.log(20), np.log(counts.max() / counts.min()), np.log(counts.min())]
    assert list(found.values())[:6] == pytest.approx(sizes)


def ranks(distances):
    return 1 - np.arange(distances.shape[1]) * 1e-3 + np.zeros_like(distances)


def test_rows_of_a_group_are_no_neighbours():
    X, y = np.random.default_rng(1).normal(size=(40, 6)), np.arange(40) % 2
    X, y, groups = np.vstack([X, X]), np.r_[y, y], np.tile(np.arange(40), 2)
    assert describe(X, y)["neighbours"] > describe(X, y, groups)["neighbours"] + 0.1


@pytest.mark.parametrize("n", [2, 3, 1500])
def test_little_many_and_constant(n):
    y = np.r_[0, np.ones(n - 1, dtype=int)]
    for X in (np.ones((n, 3)), np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)):
        assert np.isfinite(list(describe(X, y).values())).all()


def test_what_does_not_fit_is_said():
    with pytest.raises(DataError, match="all labels are of one class"):
        describe(np.eye(3), [1, 1, 1])
    with pytest.raises(DataError, match="X"):
        describe(np.eye(3), [1, 2])

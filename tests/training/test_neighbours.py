"""Neighbours and their votes against scikit-learn and brute force."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from headstart.training.neighbours import nearest, votes


def test_nearest_equals_scikit_learn_where_every_row_is_its_own_group():
    X = np.random.default_rng(0).normal(size=(200, 7))
    _, expected = NearestNeighbors(metric="cosine", n_neighbors=6).fit(X).kneighbors()
    assert np.array_equal(nearest(X, np.arange(200), 6), expected)


def test_nearest_skips_its_group_in_every_chunk(monkeypatch):
    rng = np.random.default_rng(1)
    X, groups = rng.normal(size=(60, 4)), rng.integers(0, 12, 60)
    monkeypatch.setattr("headstart.training.neighbours._CELLS", 60 * 7)
    found = nearest(X, groups, 5)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for row in range(60):
        others = [other for other in range(60) if groups[other] != groups[row]]
        assert found[row].tolist() == sorted(others, key=lambda other: -(unit[row] @ unit[other]))[:5]


def test_a_row_without_rows_of_other_groups_votes_for_nothing():
    found = nearest(np.eye(3), [0, 0, 1], 2)
    assert found.tolist() == [[2, -1], [2, -1], found[2].tolist()] and set(found[2]) == {0, 1}
    assert votes(np.array([[-1, -1]]), np.array([0]), 2, 4).tolist() == [[0.25] * 4]


def test_votes_are_shares_and_the_nearer_breaks_a_tie():
    y = np.array([0, 1, 2])
    neighbours = np.array([[2, 1], [1, 2], [1, 1]])
    found = votes(neighbours, y, 2, 3)
    assert found.argmax(axis=1).tolist() == [2, 1, 1]
    assert np.allclose(found.sum(axis=1), 1) and found[2].tolist() == [0, 1, 0]
    crowd = votes(np.array([[0, 1, 1, 1, 0]]), np.array([0, 1]), 5, 2)
    assert crowd.argmax() == 1, "nearness decides nothing but ties"

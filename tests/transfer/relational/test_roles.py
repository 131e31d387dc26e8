"""Structural roles against NetworkX and counts by hand, heat against the matrix exponential."""

import networkx
import numpy as np
import pytest
from scipy.linalg import expm

from headstart.results import DataError
from headstart.transfer.relational import Graph, StructuralRoles, heat_signature, operator, recursive_features
from headstart.transfer.relational.roles import log_bins

KARATE = networkx.karate_club_graph()
GRAPH = Graph.from_networkx(KARATE, "club")


def test_local_features_are_those_of_the_circle_around_a_node():
    found = recursive_features(GRAPH, 0)
    for node in KARATE:
        circle = set(KARATE[node]) | {node}
        inside = sum(a in circle and b in circle for a, b in KARATE.edges)
        leaving = sum((a in circle) != (b in circle) for a, b in KARATE.edges)
        told = [found[name][node] for name in ("degree", "inside", "leaving", "clustering")]
        assert told == pytest.approx([KARATE.degree(node), inside, leaving, networkx.clustering(KARATE, node)])


def test_neighbours_are_asked():
    found = recursive_features(GRAPH, 2)
    assert len(found) == 4 + 8 + 16
    means = [np.mean([KARATE.degree(other) for other in KARATE[node]]) for node in KARATE]
    assert found["mean of degree"] == pytest.approx(means)
    sums = [sum(means[other] for other in KARATE[node]) for node in KARATE]
    assert found["sum of mean of degree"] == pytest.approx(sums)


def test_bins_halve_what_is_left():
    values = np.random.default_rng(0).permutation(16)
    expected = np.zeros(16, dtype=int)
    expected[values >= 8], expected[values >= 12], expected[values >= 14], expected[values >= 15] = 1, 2, 3, 4
    assert (log_bins(values) == expected).all()
    assert (log_bins(np.exp(values)) == expected).all(), "only the order counts"
    assert log_bins([7, 7, 7]).tolist() == [0, 0, 0]
    assert log_bins([]).tolist() == []


def test_what_says_the_same_is_left_out():
    roles = StructuralRoles(n_levels=1).fit(GRAPH)
    bins = [log_bins(recursive_features(GRAPH, 1)[name]) for name in roles.names_]
    assert all((a != b).any() for i, a in enumerate(bins) for b in bins[:i])
    assert len(StructuralRoles(n_levels=1, tolerance=2).fit(GRAPH).names_) < len(roles.names_)


def test_roles_do_not_depend_on_the_order_of_the_nodes_and_fit_another_graph():
    order = np.random.default_rng(0).permutation(34)
    shuffled = Graph(order[GRAPH.edges], np.zeros(34, dtype=int))
    roles = StructuralRoles().fit(GRAPH)
    found = roles.transform(GRAPH)
    assert roles.transform(shuffled)[order] == pytest.approx(found)
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-12) and found.std(axis=0) == pytest.approx(1)
    ring = Graph([[i, (i + 1) % 7] for i in range(7)], [0] * 7)
    assert roles.transform(ring) == pytest.approx(np.zeros((7, len(roles.names_)))), "all nodes of a ring are alike"
    assert StructuralRoles().fit(ring).transform(ring).shape == (7, 0)
    assert StructuralRoles().fit(Graph([], [0, 1])).names_ == ()


def test_heat_is_the_diagonal_of_the_exponential(monkeypatch):
    monkeypatch.setattr("headstart.transfer.relational.roles._BLOCK", 10)
    L = np.eye(34) - operator(GRAPH.adjacency).toarray()
    times = [3.0, 0.5, 0.0]
    expected = np.column_stack([np.diag(expm(-t * L)) for t in times])
    assert heat_signature(GRAPH, times) == pytest.approx(expected)
    assert heat_signature(Graph([], [0, 1]), [2.0]).tolist() == [[1.0], [1.0]], "what is alone keeps its heat"


def test_bad_input():
    with pytest.raises(DataError, match="times="):
        heat_signature(GRAPH, [-1.0])
    with pytest.raises(DataError, match="n_levels=-1"):
        StructuralRoles(-1).fit(GRAPH)

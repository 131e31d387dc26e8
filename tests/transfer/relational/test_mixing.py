"""Mixing against NetworkX's assortativity and counts by hand."""

import networkx
import numpy as np
import pytest

from headstart.results import DataError
from headstart.transfer.relational import Graph, mixing

KARATE = networkx.karate_club_graph()
DAVIS = networkx.davis_southern_women_graph()


@pytest.mark.parametrize(("graph", "label"), [(KARATE, "club"), (DAVIS, "bipartite")])
def test_adjusted_homophily_is_assortativity(graph, label):
    found = mixing(Graph.from_networkx(graph, label))
    assert found.adjusted == pytest.approx(networkx.attribute_assortativity_coefficient(graph, label))
    agree = np.mean([graph.nodes[a][label] == graph.nodes[b][label] for a, b in graph.edges])
    assert found.homophily == pytest.approx(agree)
    shares = networkx.attribute_mixing_matrix(
        graph, label, mapping={c: i for i, c in enumerate(_classes(graph, label))}
    )
    assert np.array(found.counts) / np.sum(found.counts) == pytest.approx(shares)
    assert found.compatibility.sum(axis=1) == pytest.approx(1)


def _classes(graph, label):
    return sorted(set(networkx.get_node_attributes(graph, label).values()))


def test_sentence_and_table():
    found = mixing(Graph.from_networkx(DAVIS, "bipartite"))
    assert found.headline() == "0% of 89 relations join nodes of one class, 50% would by chance: unlike attracts."
    assert found.to_frame().loc["0", "1"] == 1
    assert len(found.plot().data) == 1
    assert "too few" in found.warnings[0]


def test_by_role_counts_the_ends_of_relations():
    graph = Graph.from_networkx(KARATE, "club")
    found = mixing(graph)
    assert sum(n for _, _, n in found.by_role) == 2 * len(graph.edges)
    low, high = np.quantile(graph.degrees, [1 / 3, 2 / 3])
    expected: dict[int, list[bool]] = {0: [], 1: [], 2: []}
    for a, b in graph.edges:
        for end in (a, b):
            degree = graph.degrees[end]
            expected[0 if degree <= low else 1 if degree <= high else 2].append(graph.y[a] == graph.y[b])
    for place, (_, share, n) in enumerate(found.by_role):
        assert n == len(expected[place]) and share == pytest.approx(np.mean(expected[place]))


def test_degenerate_graphs():
    one = mixing(Graph([[0, 1]], ["a", "a"]))
    assert one.homophily == 1 and np.isnan(one.adjusted)
    apart = mixing(Graph([[0, 1]], ["a", None, "b"]))
    assert np.isnan(apart.homophily) and np.isnan(apart.compatibility).all()
    assert apart.headline().startswith("No relation joins two labelled nodes")
    assert np.isnan(mixing(Graph([], ["a", "b"])).adjusted)
    with pytest.raises(DataError, match="no node of 'graph' has a label"):
        mixing(Graph([[0, 1]], [-1, -1]))

"""Small graphs with planted classes, and a network that learned on one of them."""

import networkx
import numpy as np
import pytest

from headstart.transfer.relational import Graph, pretrain


def planted(groups: int, size: int, within: float, between: float, seed: int, name: str, words: bool = False) -> Graph:
    """A graph whose nodes prefer their own class, or the others; words tell the class of some nodes."""
    made = networkx.planted_partition_graph(groups, size, within, between, seed=seed)
    graph = Graph.from_networkx(made, "block", name)
    if not words:
        return graph
    rng = np.random.default_rng(seed)
    X = (rng.random((len(graph), 20 * groups)) < 0.05).astype(float)
    for row, code in enumerate(graph.y):
        X[row, 20 * code : 20 * code + 20] += rng.random(20) < 0.12
    return Graph(graph.edges, graph.y, X, name=name)


@pytest.fixture(scope="session")
def unlike() -> Graph:
    """Three classes, each related to the others."""
    return planted(3, 40, 0.01, 0.08, 0, "unlike")


@pytest.fixture(scope="session")
def target() -> Graph:
    """Four classes, related in the same way, in no way named like those of ``unlike``."""
    graph = planted(4, 30, 0.01, 0.1, 1, "target")
    return Graph(graph.edges, np.array(list("abcd"))[graph.y], name="target")


@pytest.fixture(scope="session")
def learned(unlike):
    """What the network learned on ``unlike``."""
    return pretrain(unlike, shown=(3, 6), n_episodes=8, epochs=10)

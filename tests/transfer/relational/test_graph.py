"""Graphs as they come: what is cleaned, what is refused, what is read."""

import networkx
import numpy as np
import pytest
from scipy.sparse import csr_array

from headstart.results import DataError
from headstart.transfer.relational import Graph, read_graph


def test_relations_are_told_once():
    graph = Graph([[2, 0], [0, 2], [1, 1], [0, 1], [2, 0]], [5, 9, -1])
    assert graph.edges.tolist() == [[0, 1], [0, 2]]
    assert graph.adjacency.toarray().tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert graph.degrees.tolist() == [2, 1, 1]
    assert graph.classes.tolist() == [5, 9] and graph.y.tolist() == [0, 1, -1], "ids may have gaps"


def test_nothing_is_a_label_where_there_is_none():
    for labels in (np.array(["a", None, "b"], dtype=object), [0.0, np.nan, 1.0], [3, -1, 4]):
        assert Graph([], labels).y.tolist() == [0, -1, 1]


def test_only_some_labels():
    X = np.arange(8.0).reshape(4, 2)
    graph = Graph([[0, 1]], ["a", "b", "c", "b"], X, test=[3], name="four")
    some = graph.only([1, 2])
    assert some.classes.tolist() == ["b", "c"] and some.y.tolist() == [-1, 0, 1, -1]
    assert some.X is X and some.name == "four" and some.test.tolist() == [False, False, False, True]
    assert graph.only(graph.y == 1).y.tolist() == [-1, 0, -1, 0]
    assert graph.y.tolist() == [0, 1, 2, 1]
    with pytest.raises(DataError, match="none of these rows has a label"):
        graph.only([])


def test_networkx_graphs_keep_their_relations():
    karate = networkx.karate_club_graph()
    graph = Graph.from_networkx(karate, "club")
    assert len(graph) == 34 and len(graph.edges) == karate.number_of_edges()
    assert (graph.adjacency.toarray() == (networkx.to_numpy_array(karate, weight=None) > 0)).all()
    assert graph.classes[graph.y[0]] == karate.nodes[0]["club"]
    assert (Graph.from_networkx(karate, "nothing").y == -1).all()


def test_torch_geometric_data_is_taken_over():
    torch = pytest.importorskip("torch")
    data = pytest.importorskip("torch_geometric.data")
    edges, mask = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([False, False, True])
    given = data.Data(x=torch.ones(3, 2), edge_index=edges, y=torch.tensor([1, -1, 0]), test_mask=mask)
    graph = Graph.from_data(given)
    assert graph.edges.tolist() == [[0, 1], [1, 2]] and graph.y.tolist() == [1, -1, 0]
    assert graph.X.tolist() == [[1, 1]] * 3 and graph.test.tolist() == mask.tolist() and graph.train is None
    with pytest.raises(DataError, match="no edge_index or no y"):
        Graph.from_data(data.Data(x=torch.ones(3, 2)))


def test_archives_are_read_back(tmp_path):
    X = csr_array(np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]]))
    table = X.tocoo()
    np.savez(
        tmp_path / "three.npz", edges=[[0, 1]], labels=[1, 0, -1], test=[1],
        rows=table.coords[0], cols=table.coords[1], vals=table.data, shape=[3, 2],
    )  # fmt: skip
    graph = read_graph(tmp_path / "three.npz")
    assert repr(graph) == "Graph('three': 3 nodes, 1 relations, 2 classes, 2 nodes labelled)"
    assert (graph.X.toarray() == X.toarray()).all() and graph.test.tolist() == [False, True, False]
    np.savez(tmp_path / "dense.npz", edges=[[0, 1]], labels=[1, 0], X=[[1.0], [2.0]])
    assert read_graph(tmp_path / "dense.npz").X.tolist() == [[1], [2]]


def test_the_citation_graphs_are_as_described(shared):
    cora = read_graph(shared / "data/graphs/cora.npz")
    citeseer = read_graph(shared / "data/graphs/citeseer.npz")
    for graph, figures in ((cora, (2708, 5278, 7, 1433, 0)), (citeseer, (3327, 4552, 6, 3703, 15))):
        found = len(graph), len(graph.edges), len(graph.classes), graph.X.shape[1], (graph.y < 0).sum()
        assert found == figures and graph.test.sum() == 1000


def test_bad_input(tmp_path):
    with pytest.raises(DataError, match=r"labels have shape \(0,\): give one label a node"):
        Graph([], [])
    with pytest.raises(DataError, match="a relation names row 3, but the 3 nodes have rows 0 to 2"):
        Graph([[0, 3]], [0, 1, 2])
    with pytest.raises(DataError, match="a relation names row -1"):
        Graph([[0, -1]], [0, 1, 2])
    with pytest.raises(DataError, match="give pairs of rows"):
        Graph([[0.5, 1.0]], [0, 1])
    with pytest.raises(DataError, match=r"X has shape \(1, 2\) for 2 nodes"):
        Graph([], [0, 1], [[1, 2]])
    with pytest.raises(DataError, match="not finite"):
        Graph([], [0, 1], [[np.nan], [0]])
    with pytest.raises(DataError, match=r"test has shape \(1,\).*or a mask"):
        Graph([], [0, 1], test=[2])
    with pytest.raises(DataError, match="are no classes"):
        Graph([], [1j, 2j])
    with pytest.raises(DataError, match="no file"):
        read_graph(tmp_path / "nothing.npz")
    np.savez(tmp_path / "half.npz", labels=[0])
    with pytest.raises(DataError, match="has no edges, only labels"):
        read_graph(tmp_path / "half.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"is no readable .npz archive"):
        read_graph(tmp_path / "text.npz")

"""Operators and spreading against dense linear algebra, scikit-learn and, where it is there, torch-geometric."""

import networkx
import numpy as np
import pytest
from sklearn.semi_supervised import LabelSpreading

from headstart.results import DataError
from headstart.transfer.relational import (
    Graph,
    correct_and_smooth,
    label_propagation,
    label_spreading,
    learn_spreading,
    operator,
    spread,
)

RNG = np.random.default_rng(0)
KARATE = Graph.from_networkx(networkx.karate_club_graph(), "club")
FEW = KARATE.only([0, 1, 33, 32, 5])
A = KARATE.adjacency.toarray()
Y = np.eye(3)[FEW.y][:, :2]  # the last row of the identity is for -1


def test_operators_are_those_of_dense_matrices():
    D = A.sum(axis=1)
    assert operator(A, "random-walk").toarray() == pytest.approx(A / D[:, None])
    assert operator(A).toarray() == pytest.approx(A / np.sqrt(np.outer(D, D)))
    loops, D = A + np.eye(34), D + 1
    assert operator(A, loops=True).toarray() == pytest.approx(loops / np.sqrt(np.outer(D, D)))
    assert operator(A, "random-walk", loops=True).toarray() == pytest.approx(loops / D[:, None])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95])
def test_spreading_solves_its_system(alpha):
    S = operator(A)
    expected = (1 - alpha) * np.linalg.solve(np.eye(34) - alpha * S.toarray(), Y)
    assert spread(S, Y, alpha, tol=1e-12) == pytest.approx(expected, abs=1e-9)


def test_label_spreading_is_that_of_scikit_learn():
    model = LabelSpreading(kernel=lambda *_: A, alpha=0.7, max_iter=1000, tol=1e-9).fit(np.arange(34)[:, None], FEW.y)
    assert label_spreading(FEW, 0.7, balanced=False) == pytest.approx(model.label_distributions_, abs=1e-4)


def test_balanced_spreading_gives_each_class_the_same_mass():
    weighted = spread(operator(A), Y / Y.sum(axis=0), 0.7, tol=1e-12)
    expected = weighted / weighted.sum(axis=1, keepdims=True)
    assert label_spreading(FEW, 0.7) == pytest.approx(expected, abs=1e-4)


def test_propagation_is_harmonic():
    found = label_propagation(FEW)
    known = FEW.y >= 0
    assert (found[known] == Y[known]).all()
    means = A @ found / A.sum(axis=1)[:, None]
    assert found[~known] == pytest.approx(means[~known])
    assert found.sum(axis=1) == pytest.approx(1)


def test_what_no_label_reaches_is_uniform():
    graph = Graph([[0, 1], [2, 3]], ["a", None, None, None, "b"])
    for found in (label_propagation(graph), label_spreading(graph)):
        assert found[:2].argmax(axis=1).tolist() == [0, 0]
        assert found[2:4].tolist() == [[0.5, 0.5]] * 2 and found[4].tolist() == [0, 1]


@pytest.mark.parametrize("scale", [None, 0.7])
def test_correct_and_smooth_is_its_definition_written_out(scale):
    Z = RNG.dirichlet([1, 1], 34)
    S, known = operator(A).toarray(), FEW.y >= 0
    E0 = np.where(known[:, None], Y - Z, 0)
    E = E0
    for _ in range(30):
        E = (0.6 * S @ E + 0.4 * E0).clip(-1, 1)
    if scale is None:
        sigma = np.abs(E0[known]).sum(axis=1).mean()
        corrected = Z + sigma * E / np.abs(E).sum(axis=1, keepdims=True)
    else:
        corrected = Z + scale * E
    corrected[known] = Y[known]
    G = corrected
    for _ in range(30):
        G = (0.9 * S @ G + 0.1 * corrected).clip(0, 1)
    found = correct_and_smooth(FEW, Z, correct=0.6, smooth=0.9, scale=scale, n_steps=30)
    assert found == pytest.approx(G, abs=1e-9)


def test_torch_geometric_agrees():
    torch = pytest.importorskip("torch")
    nn = pytest.importorskip("torch_geometric.nn")
    edges = torch.from_numpy(np.concatenate([KARATE.edges, KARATE.edges[:, ::-1]]).T.copy())
    Z = torch.from_numpy(RNG.dirichlet([1, 1], 34))
    mask, y = torch.from_numpy(FEW.y >= 0), torch.from_numpy(FEW.y)
    walk = nn.APPNP(K=400, alpha=0.2, add_self_loops=True).double()
    expected = walk(torch.from_numpy(Y), edges).numpy()
    assert spread(operator(A, loops=True), Y, 0.8, tol=1e-12) == pytest.approx(expected, abs=1e-6)
    post = nn.CorrectAndSmooth(50, 0.8, 50, 0.7, autoscale=True)
    soft = post.correct(Z, y[mask], mask, edges)
    expected = post.smooth(soft, y[mask], mask, edges).numpy()
    assert correct_and_smooth(FEW, Z.numpy(), correct=0.8, smooth=0.7) == pytest.approx(expected, abs=1e-6)


def test_how_far_labels_should_spread_is_learned_where_it_matters():
    chain = Graph([[i, i + 1] for i in range(29)], ["a"] * 15 + ["b"] * 15)
    found = learn_spreading(chain, n_labels=2, alphas=(0.0, 0.9), n_episodes=3)
    assert found.alpha == 0.9 and found.accuracies[1] > 0.8 > found.accuracies[0]
    assert found.headline().startswith("alpha 0.9: accuracy") and len(found.to_frame()) == 2
    with pytest.raises(DataError, match="too few labels to show some"):
        learn_spreading(Graph([[0, 1]], ["a", "b"]))
    with pytest.raises(DataError, match="0 strengths"):
        learn_spreading(chain, alphas=())


def test_bad_input():
    with pytest.raises(DataError, match="alpha=1: give a number from 0 to below 1"):
        label_spreading(FEW, 1.0)
    with pytest.raises(DataError, match="labels of 1 class: give at least two"):
        label_propagation(KARATE.only([0]))
    with pytest.raises(DataError, match=r"probabilities have shape \(2, 2\) for 34 nodes"):
        correct_and_smooth(FEW, np.ones((2, 2)))
    with pytest.raises(DataError, match="kind='left'"):
        operator(A, "left")

"""The network: exchanging nodes or classes exchanges scores, rounds are what the formula says, gradients are right."""

import numpy as np
import pytest
import torch

from headstart.transfer.relational import Graph, StructuralRoles
from headstart.transfer.relational.drawing import draw
from headstart.transfer.relational.evidence import Ties, evidence
from headstart.transfer.relational.network import Episodes, PairNetwork, as_tensor, episode_input, every_round

from .conftest import planted

WORDS = planted(3, 12, 0.3, 0.05, 0, "small", words=True)
NOISE = np.random.default_rng(1).normal(size=WORDS.X.shape) / 50  # no two nodes are equally like a third
GRAPH = Graph(WORDS.edges, WORDS.y, WORDS.X + NOISE)
ROLES = StructuralRoles().fit(GRAPH)
TIES = Ties.of(GRAPH, ROLES, True)
SHOWN = np.array([0, 1, 13, 25])


@pytest.fixture
def network():
    torch.manual_seed(0)
    width = evidence(TIES, SHOWN, GRAPH.y[SHOWN], 3).shape[2]
    return PairNetwork(width, hidden=8, rounds=2).on(TIES).eval()


def test_evidence_of_labels_is_written_out():
    found = evidence(TIES, SHOWN, GRAPH.y[SHOWN], 3)
    A = GRAPH.adjacency.toarray()
    degree = A.sum(axis=1)
    W = A / np.where(degree > 0, degree, 1)[:, None]
    Y = np.zeros((36, 3))
    Y[SHOWN, GRAPH.y[SHOWN]] = [0.5, 0.5, 1, 1]
    for place, arrived in ((0, W @ Y), (2, W @ W @ W @ Y), (3, 0.5 * np.linalg.solve(np.eye(36) - 0.5 * W, Y))):
        padded = arrived + 0.05 * arrived.mean()
        assert found[..., place] == pytest.approx(np.log(padded / padded.mean(axis=1, keepdims=True)), abs=1e-4)
        mass = padded.sum(axis=1)
        assert found[:, 0, 12 + place] == pytest.approx(np.log(mass / mass.mean()), abs=1e-4)
    rows = TIES.smoothed[1]
    means = np.stack([rows[SHOWN[GRAPH.y[SHOWN] == code]].mean(axis=0) for code in range(3)])
    cosine = rows @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    cosine -= cosine.mean(axis=1, keepdims=True)
    assert found[..., 9] == pytest.approx(cosine / cosine.std(), abs=1e-5)


def test_like_nodes_are_those_of_the_highest_cosine():
    X = GRAPH.X
    scaled = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    near = cosine >= np.sort(cosine, axis=1)[:, -10][:, None]
    weight = np.where(near | near.T, cosine.clip(0), 0)
    assert TIES.alike.toarray() == pytest.approx(weight / weight.sum(axis=1, keepdims=True))


def test_exchanging_classes_exchanges_scores(network):
    x = episode_input(TIES, SHOWN, GRAPH.y[SHOWN], 3)
    order = np.array([2, 0, 1])
    other = episode_input(TIES, SHOWN, order[GRAPH.y[SHOWN]], 3)
    assert torch.allclose(network(other)[..., order], network(x), atol=1e-4)


def test_exchanging_nodes_exchanges_scores(network):
    order = np.random.default_rng(0).permutation(36)
    X = np.empty_like(GRAPH.X)
    X[order] = GRAPH.X
    moved = Ties.of(Graph(order[GRAPH.edges], np.zeros(36, dtype=int), X), ROLES, True)
    before = network(episode_input(TIES, SHOWN, GRAPH.y[SHOWN], 3))
    after = network.on(moved)(episode_input(moved, order[SHOWN], GRAPH.y[SHOWN], 3))
    assert torch.allclose(after[:, order], before, atol=1e-3)


def test_a_round_is_what_the_formula_says(network):
    x = episode_input(TIES, SHOWN, GRAPH.y[SHOWN], 3)
    z = network.first(x[..., :-1])[..., 0].detach().numpy().astype(float)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    p[SHOWN] = np.eye(3)[GRAPH.y[SHOWN]]
    W, V, rows = TIES.walk.toarray(), TIES.alike.toarray(), TIES.smoothed[2]

    def compared(found):
        return np.log((found + 0.02) / (found + 0.02).mean(axis=1, keepdims=True))

    means = (p**2).T @ rows
    like = rows @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    like -= like.mean(axis=1, keepdims=True)
    told = [z - z.mean(axis=1, keepdims=True), compared(W @ p), compared(W @ W @ p), compared(V @ p), like / like.std()]
    wide = torch.cat([x[..., :-1], torch.tensor(np.stack(told, axis=2), dtype=torch.float32)], dim=2)
    assert torch.allclose(network(x)[1], network.more[0](wide)[..., 0], atol=1e-4)


def test_gradients_are_numerical_ones():
    torch.manual_seed(0)
    ties = Ties.of(GRAPH, ROLES, False)
    x = episode_input(ties, SHOWN, GRAPH.y[SHOWN], 3).double()
    network = PairNetwork(x.shape[2] - 1, hidden=3, rounds=1, features=False).on(ties).double().eval()
    network.walk = network.walk.double()
    classes = torch.from_numpy(np.where(np.isin(np.arange(36), SHOWN), -100, GRAPH.y))
    loss = every_round(network(x), classes)
    loss.backward()
    for weights in network.parameters():
        place = tuple(0 for _ in weights.shape)
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weights[place] += step
                values.append(float(every_round(network(x), classes)))
                weights[place] -= step
        assert float(weights.grad[place]) == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-6)


def test_every_round_is_asked_for_what_is_not_shown():
    scores, classes = torch.randn(2, 4, 3), torch.tensor([0, -100, 2, -100])
    logs = torch.log_softmax(scores, dim=2)
    expected = -(logs[:, 0, 0] + logs[:, 2, 2]).mean() / 2
    assert float(every_round(scores, classes)) == pytest.approx(float(expected))


def test_episodes_ask_for_what_they_do_not_show():
    y = GRAPH.y.copy()
    y[y == 1] = [1] + [-1] * 11  # a class with one example is always shown
    episodes = Episodes.of(TIES, y, (3, 20), 4, seed=0)
    for number, (x, asked) in enumerate(zip(episodes.inputs, episodes.asked, strict=True)):
        shown = x[..., -1].sum(dim=1) > 0
        assert (asked[shown] == -100).all() and (asked[y < 0] == -100).all()
        assert (asked[(y >= 0) & ~shown.numpy()] >= 0).all()
        assert x[..., -1].sum(dim=0).tolist() == ([3, 1, 3] if number % 2 == 0 else [11, 1, 11])
    orders = [[id(x) for x, _ in episodes.epoch(number)] for number in (0, 0, 1, 2)]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) > 1
    assert len(Episodes.of(TIES, np.where(np.arange(36) % 12 == 0, GRAPH.y, -1), (2,), 3, seed=0)) == 0


def test_torch_geometric_agrees_on_messages():
    nn = pytest.importorskip("torch_geometric.nn")
    edges = torch.from_numpy(np.concatenate([GRAPH.edges, GRAPH.edges[:, ::-1]]).T.copy())
    p = torch.rand(36, 3)
    assert torch.allclose(as_tensor(TIES.walk) @ p, nn.SimpleConv(aggr="mean")(p, edges), atol=1e-6)


def test_drawing_takes_what_is_there():
    y = np.array([0] * 5 + [1] * 2 + [-1] * 3)
    rows = draw(y, 3, np.random.default_rng(0))
    assert np.bincount(y[rows]).tolist() == [3, 2]
    assert np.bincount(y[draw(y, 9, np.random.default_rng(0), spare=1)]).tolist() == [4, 1]

"""Fisher embeddings against per-example gradients written out, and distances of tasks that share their pictures."""

import numpy as np
import pytest
import torch
from torch import nn

from headstart.data.pictures import PictureSet
from headstart.results import DataError
from headstart.sources import Preprocessing, Source
from headstart.sources.card import Card
from headstart.transferability import task2vec, task_distance
from headstart.transferability.task2vec import filters, fisher


def test_fisher_is_the_expected_square_of_the_gradient():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)).double()
    x = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    (name, weight), *others = filters(network, network[3])
    assert name == "0" and not others, "the classifier is left out"
    found = fisher(network, [weight], lambda row: x[row : row + 1], 5, n_draws=4000, rng=np.random.default_rng(0))
    expected = np.zeros(4)
    for row in range(5):
        shares = network(x[row : row + 1]).softmax(1)[0].detach()
        for code in range(3):
            network.zero_grad()
            nn.functional.cross_entropy(network(x[row : row + 1]), torch.tensor([code])).backward()
            expected += shares[code].item() * (weight.grad**2).flatten(1).mean(1).numpy() / 5
    assert found == pytest.approx(expected, rel=0.05)


@pytest.fixture(scope="module")
def source():
    card = Card("mobilenetv3_small_050", "nothing", n_classes=10)
    return Source("small", card, Preprocessing((32, 32)), seed=1)


def test_tasks_on_the_same_pictures_lie_nearer_where_their_classes_are_alike(source):
    rng = np.random.default_rng(0)
    bright, stripes = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    pictures = rng.integers(0, 60, (60, 32, 32, 3)) + 100 * bright[:, None, None, None]
    pictures[stripes == 1, ::4] += 80
    pictures = PictureSet(list(pictures.astype(np.uint8)))
    first, swapped, other = (task2vec(pictures, y, source) for y in (bright, 1 - bright, stripes))
    assert first.shape == other.shape and (first >= 0).all() and np.isfinite(first).all()
    assert np.array_equal(first, task2vec(pictures, bright, source)), "the same seed draws the same"
    assert task_distance(first, swapped) < 0.6 * task_distance(first, other)


def test_distance():
    a, b = np.random.default_rng(0).random((2, 50))
    x, y = a / (a + b), b / (a + b)
    assert task_distance(a, b) == pytest.approx(1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert task_distance(a, b) == pytest.approx(task_distance(b, a)) and task_distance(a, a) == pytest.approx(0)
    assert task_distance([0, 0, 1], [0, 0, 1]) == 0 and task_distance([0.0], [0.0]) == 1


def test_bad_input(source):
    pictures = PictureSet([np.zeros((32, 32, 3), np.uint8)] * 3)
    with pytest.raises(DataError, match="same source"):
        task_distance([1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="negative or missing"):
        task_distance([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(DataError, match="3 rows and labels 2"):
        task2vec(pictures, [0, 1], source)

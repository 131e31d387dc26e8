"""The loop against a plain PyTorch loop, and its promises: exact resume, early stopping, clear refusals."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import nn

from headstart.imbalance.networks import network_correction
from headstart.results import HeadstartError
from headstart.training import loop
from headstart.training.loop import Recipe, train

X = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32))
Y = (X[:, 0] + X[:, 1] ** 2 > 1).long()


class Rows:
    """Batches of at most 8 rows, in an order that depends on the epoch."""

    def __init__(self, n=50, size=8):
        self.n, self.size = n, size

    def __len__(self):
        return -(-self.n // self.size)

    def epoch(self, number):
        order = torch.from_numpy(np.random.default_rng(number).permutation(self.n))
        for rows in order.split(self.size):
            yield X[rows], Y[rows]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))


def groups(net, rate=1e-2):
    return [{"params": list(net.parameters()), "lr": rate, "weight_decay": 0.05}]


def halved(step, total):
    return [1 - step / total]


def plain_loop(net, recipe, accumulate=1):
    """What a person would write."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.05)
    loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    batches, losses, step = list(Rows().epoch(0)), [], 0
    steps = -(-len(batches) // accumulate)
    for epoch in range(recipe.epochs):
        torch.manual_seed(int(np.random.SeedSequence((3, epoch)).generate_state(1)[0]))  # dropout
        net.train()
        seen = 0.0
        batches = list(Rows().epoch(epoch))
        for start in range(0, len(batches), accumulate):
            chunk = batches[start : start + accumulate]
            optimizer.zero_grad()
            for x, y in chunk:
                found = loss(net(x), y)
                (found / len(chunk)).backward()
                seen += found.item() * len(x)
            optimizer.param_groups[0]["lr"] = 1e-2 * halved(step, steps * recipe.epochs)[0]
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
            optimizer.step()
            step += 1
        losses.append(seen / 50)
    return losses


@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_trains_as_a_plain_loop_does(accumulate):
    recipe = Recipe(epochs=3, clip=0.5, accumulate=accumulate)
    ours, theirs = network(), network()
    found = train(ours, Rows(), groups(ours), recipe, multipliers=halved, seed=3)
    assert found.losses == pytest.approx(plain_loop(theirs, recipe, accumulate), rel=1e-6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert not ours.training


class Weighted(Rows):
    """One batch of all rows, with weights; ``copies`` shows a row of weight 2 twice instead."""

    def __init__(self, copies=False):
        super().__init__(50, 50)
        self.times, self.copies = 1 + (Y == 1).long(), copies

    def epoch(self, number):
        if self.copies:
            yield X.repeat_interleave(self.times, 0), Y.repeat_interleave(self.times)
        else:
            yield X, Y, self.times / self.times.float().mean()


def plain_network():
    net = network()
    net[2].p = 0.0
    return net


def same_weights(one, other):
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_an_example_of_weight_two_counts_as_two():
    ours, theirs = plain_network(), plain_network()
    found = train(ours, Weighted(), groups(ours), Recipe(epochs=4))
    expected = train(theirs, Weighted(copies=True), groups(theirs), Recipe(epochs=4))
    assert found.losses == pytest.approx(expected.losses, rel=1e-5)
    same_weights(ours, theirs)


def test_classes_keep_their_weights_in_batches_of_one():
    loss = network_correction("class-balanced").make_loss(torch.bincount(Y).numpy(), 2, 0.1)
    ours, theirs = plain_network(), plain_network()
    found = train(ours, Rows(48, 1), groups(ours), Recipe(epochs=2, accumulate=8), loss=loss)
    expected = train(theirs, Rows(48, 8), groups(theirs), Recipe(epochs=2), loss=loss)
    assert found.losses == pytest.approx(expected.losses, rel=1e-5)
    same_weights(ours, theirs)


class Large(Rows):
    """Numbers whose gradients leave the range of half precision until they are scaled less."""

    def epoch(self, number):
        return ((100 * x, y) for x, y in super().epoch(number))


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch, precision):
    if precision == "16-mixed":  # of which Fabric makes bf16 on a CPU, unless it is given the plugin
        half = lambda *_: Fabric(accelerator="cpu", devices=1, plugins=MixedPrecision("16-mixed", "cpu"))  # noqa: E731
        monkeypatch.setattr(loop, "_fabric", half)

    def go_on(net, **more):
        recipe = Recipe(epochs=5, precision=precision)
        return train(net, Large(), groups(net), recipe, multipliers=halved, seed=1, **more)

    whole = network()
    expected = go_on(whole)

    class Killed(Exception):
        pass

    counted = iter(range(100))

    def die(n):
        if next(counted) == 17:
            raise Killed

    path = tmp_path / "state.ckpt"
    first = network()
    with pytest.raises(Killed):
        go_on(first, checkpoint=path, advance=die)
    assert path.is_file()
    second = network(seed=99)
    torch.rand(7)  # what has been drawn since does not matter
    found = go_on(second, checkpoint=path)
    assert found == expected and not path.exists()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


class Same(Rows):
    """All rows in one batch, the same in each epoch."""

    def __init__(self):
        super().__init__(50, 50)

    def epoch(self, number):
        yield X, Y


def test_dropout_draws_anew_in_each_epoch_as_the_seed_says():
    losses = []
    for seed in (0, 0, 1):
        net = network()
        losses.append(train(net, Same(), groups(net, rate=0.0), Recipe(epochs=3), seed=seed).losses)
    assert losses[0] == losses[1] and len({*losses[0], *losses[2]}) == 6


def test_early_stopping_gives_back_the_best_weights():
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.9])
    kept = []

    def validate(net):
        kept.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        return next(scores)

    net = network()
    found = train(net, Rows(), groups(net), Recipe(epochs=9, patience=2), validate=validate)
    assert found.scores == (0.5, 0.7, 0.6, 0.65) and found.best == 1
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in net.state_dict().items())


def test_mixed_precision_learns():
    net = network()
    found = train(net, Rows(), groups(net), Recipe(epochs=15, precision="bf16-mixed", label_smoothing=0))
    assert found.losses[-1] < 0.8 * found.losses[0]
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_the_state_of_the_callers_random_numbers_is_left_alone():
    net = network()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(net, Rows(), groups(net), Recipe(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_bad_input():
    net = network()
    with pytest.raises(HeadstartError, match="no precision '8-bit'"):
        train(net, Rows(), groups(net), Recipe(precision="8-bit"))
    with pytest.raises(HeadstartError, match="nothing to learn from"):
        train(net, Rows(n=0), groups(net), Recipe())
    with pytest.raises(HeadstartError, match="no number any more after epoch 1: learn at a lower rate"):
        net[0].weight.data.fill_(float("nan"))
        train(net, Rows(), groups(net), Recipe())

"""The joint training: batches, the loss of a step counted by hand, and resuming."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headstart.results import DataError
from headstart.training.loop import Recipe
from headstart.transfer.deep import (
    AdversarialAlignment,
    CoralAlignment,
    DomainBatches,
    NoAlignment,
    adapt,
)
from headstart.transfer.deep.joint import Joint, JointLoss

RECIPE = Recipe(epochs=3, batch_size=8, rate=0.01, head_rate=0.01, label_smoothing=0.0)


def batches(ns=11, nt=5, seed=0, size=8):
    rng = np.random.default_rng(seed)
    ys = np.arange(ns) % 2
    Xs, Xt = rng.normal(size=(ns, 3)).astype(np.float32), rng.normal(size=(nt, 3)).astype(np.float32) + 1
    return DomainBatches(Xs, ys, Xt, np.full(nt, -1), batch_size=size, seed=seed)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 2)


@pytest.mark.parametrize(("ns", "nt"), [(11, 5), (5, 11), (1, 1), (40, 1)])
def test_a_batch_is_half_of_either_and_no_row_is_left_out(ns, nt):
    data = batches(ns, nt)
    seen = list(data.epoch(0))
    assert len(seen) == len(data) == -(-max(ns, nt) // 4)
    for x, y in seen:
        assert x.shape == (8, 3) and (y[4:] == -1).all() and (y[:4] >= 0).all()
    for half, X in ((slice(4), data.Xs), (slice(4, 8), data.Xt)):
        shown = np.concatenate([x[half].numpy() for x, _ in seen])
        counts = [(shown == row).all(axis=1).sum() for row in X]
        assert max(counts) - min(counts) <= 1 and min(counts) >= 1
    again = list(data.epoch(0))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(seen, again, strict=True))
    if max(ns, nt) > 1:
        assert not torch.equal(seen[0][0], next(iter(data.epoch(1)))[0])


def test_the_loss_of_a_batch():
    body, head = network()
    alignment = CoralAlignment()
    joint, loss = Joint(body, head, alignment), JointLoss(alignment, 3.0, 10)
    x, y = next(iter(batches().epoch(0)))
    y[6] = 1  # a target row with a label
    f = body(x)
    rows = [0, 1, 2, 3, 6]
    covariance = torch.cov(f[:4].T) - torch.cov(f[4:].T)
    expected = F.cross_entropy(head(f)[rows], y[rows]) + 3 * (covariance**2).sum() / 4 / 16
    torch.testing.assert_close(loss(joint.train()(x), y), expected)
    torch.testing.assert_close(joint.eval()(x), head(f))


def test_the_first_step_goes_down_the_body_gradient_that_is_reversed():
    """With plain SGD's direction taken from AdamW's first step: the sign of the gradient, entry by entry."""
    body, head = network()
    torch.manual_seed(1)
    alignment = AdversarialAlignment(4, 5)
    before = {name: p.detach().clone() for name, p in Joint(body, head, alignment).named_parameters()}
    data = batches(4, 4)
    x, y = next(iter(data.epoch(0)))
    alignment.set_progress(1.0)
    f = body(x)
    told = alignment.discriminator(f)[:, 0]
    domain = (F.softplus(-told[:4]).mean() + F.softplus(told[4:]).mean()) / 2
    entropy = F.cross_entropy(head(f)[:4], y[:4])
    (down,) = torch.autograd.grad(entropy - alignment.strength * 2.0 * domain, body[0].weight, retain_graph=True)
    (told_down,) = torch.autograd.grad(domain, alignment.discriminator[0].weight)
    adapt(body, head, alignment, data, Recipe(epochs=1, rate=0.01, head_rate=0.01, weight_decay=0.0), weight=2.0)
    moved = body[0].weight - before["body.0.weight"]
    assert torch.equal(moved.sign(), -down.sign())
    moved = alignment.discriminator[0].weight - before["alignment.discriminator.0.weight"]
    there = told_down.abs() > 1e-6
    assert torch.equal(moved.sign()[there], -told_down.sign()[there])


def test_it_goes_on_from_a_checkpoint_to_the_same_weights(tmp_path):
    class Stopped(Exception):
        pass

    class Stopping(DomainBatches):
        def epoch(self, number):
            if number == 2 and self.stops:
                raise Stopped
            return super().epoch(number)

    found = []
    for stops in (False, True):
        body, head = network()
        torch.manual_seed(1)
        alignment = AdversarialAlignment(4, 5)
        plain = batches()
        data = Stopping(plain.Xs, plain.ys, plain.Xt, plain.yt, batch_size=8)
        data.stops = stops
        path = tmp_path / "state"
        if stops:
            with pytest.raises(Stopped):
                adapt(body, head, alignment, data, RECIPE, checkpoint=path)
            body, head = network(5)
            alignment, data.stops = AdversarialAlignment(4, 5), False
        found.append(adapt(body, head, alignment, data, RECIPE, checkpoint=path))
    assert found[0].trained == found[1].trained and len(found[0].trained.losses) == 3
    torch.testing.assert_close(found[0].body.state_dict(), found[1].body.state_dict(), rtol=0, atol=0)


def test_weight_zero_is_no_alignment():
    found = []
    for alignment, weight in ((NoAlignment(), 1.0), (CoralAlignment(), 0.0)):
        found.append(adapt(*network(), alignment, batches(), RECIPE, weight=weight).body.state_dict())
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_bad_input():
    data = batches()
    with pytest.raises(DataError, match="weight=-1: give a number from 0 on"):
        adapt(*network(), NoAlignment(), data, RECIPE, weight=-1)
    with pytest.raises(DataError, match="no row has a class"):
        adapt(
            *network(), NoAlignment(), DomainBatches(data.Xs, np.full(11, -1), data.Xt, data.yt, batch_size=4), RECIPE
        )
    with pytest.raises(DataError, match="0 source and 5 target rows"):
        DomainBatches(data.Xs[:0], data.ys[:0], data.Xt, data.yt, batch_size=4)

"""Losses against their definitions written as loops, numerical gradients, and skada where it is installed."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from headstart.results import DataError
from headstart.transfer.deep.alignments import AdversarialAlignment, ConditionalAlignment
from headstart.transfer.deep.losses import (
    certainty_weights,
    class_confusion,
    conditional_features,
    coral_loss,
    domain_loss,
    entropies,
    reverse_gradient,
)


def rows(n, d, seed=0, scale=1.0):
    return scale * torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_coral(a, b):
    d = a.shape[1]
    return ((np.cov(a.T) - np.cov(b.T)) ** 2).sum() / (4 * d * d)


def slow_weights(z):
    """1 + exp(-H), scaled to a mean of 1."""
    weights = []
    for row in z:
        p = [math.exp(v) / sum(math.exp(u) for u in row) for v in row]
        weights.append(1 + math.exp(sum(q * math.log(q) for q in p)))
    return np.array(weights) * len(weights) / sum(weights)


def slow_confusion(z, temperature, weights=None):
    """Eq. 2 to 6 of the paper, entry by entry; weights that are given are held fast."""
    z = np.asarray(z) / temperature
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    weights = slow_weights(z) if weights is None else weights
    b, k = z.shape
    table = [[sum(weights[i] * p[i, j] * p[i, l] for i in range(b)) for l in range(k)] for j in range(k)]  # noqa: E741
    return sum(table[j][l] / sum(table[j]) for j in range(k) for l in range(k) if l != j) / k  # noqa: E741


def test_coral_is_its_definition_and_its_gradient_right():
    a, b = rows(6, 3), rows(9, 3, 1, 2.0)
    assert float(coral_loss(a, b)) == pytest.approx(slow_coral(a.numpy(), b.numpy()))
    assert torch.autograd.gradcheck(coral_loss, (a.requires_grad_(), b.requires_grad_()))
    with pytest.raises(DataError, match="give two rows or more"):
        coral_loss(a[:1], b)
    with pytest.raises(DataError, match="as wide"):
        coral_loss(a, b[:, :2])


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_class_confusion_is_its_definition_and_its_gradient_right(temperature):
    z = rows(7, 4, scale=3.0)
    assert float(class_confusion(z, temperature)) == pytest.approx(slow_confusion(z.numpy(), temperature))
    weights, h = slow_weights(z.numpy() / temperature), 1e-6
    leaf = z.clone().requires_grad_()
    class_confusion(leaf, temperature).backward()
    for i, j in [(0, 0), (3, 2), (6, 3)]:
        step = np.zeros((7, 4))
        step[i, j] = h
        up, down = (slow_confusion(z.numpy() + sign * step, temperature, weights) for sign in (1, -1))
        assert float(leaf.grad[i, j]) == pytest.approx((up - down) / (2 * h), abs=1e-8)


def test_a_class_that_nothing_is_said_of_gives_no_nan():
    z = torch.tensor([[0.0, -2000.0, 0.0], [5.0, -2000.0, 1.0]], requires_grad=True)
    loss = class_confusion(z, 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()
    assert float(class_confusion(rows(1, 3))) < 1


def test_certainty_weights_and_entropies():
    z = rows(5, 3, scale=2.0)
    weights = certainty_weights(z.requires_grad_())
    np.testing.assert_allclose(weights / weights.mean(), slow_weights(z.detach().numpy()))
    assert not weights.requires_grad
    expected = torch.distributions.Categorical(logits=z).entropy()
    torch.testing.assert_close(entropies(z), expected)


def test_the_domain_loss_is_a_balanced_cross_entropy():
    a, b, w = rows(4, 1)[:, 0], rows(9, 1, 1)[:, 0], torch.arange(1.0, 5.0, dtype=torch.float64)
    z, y = torch.cat([a, b]), torch.cat([torch.ones(4), torch.zeros(9)]).double()
    weight = torch.cat([torch.full((4,), 1 / 8), torch.full((9,), 1 / 18)])
    expected = F.binary_cross_entropy_with_logits(z, y, weight, reduction="sum")
    assert float(domain_loss(a, b)) == pytest.approx(float(expected))
    assert float(domain_loss(a, b, 3 * w, torch.ones(9))) == pytest.approx(
        float(((w * F.softplus(-a)).sum() / 10 + F.softplus(b).mean()) / 2)
    )
    assert torch.autograd.gradcheck(domain_loss, (a.requires_grad_(), b.requires_grad_(), w))


def test_the_gradient_comes_back_reversed():
    x, strength = rows(3, 2), 0.3
    leaf = x.clone().requires_grad_()
    (reverse_gradient(leaf, strength) ** 2).sum().backward()
    torch.testing.assert_close(reverse_gradient(x, strength), x)
    torch.testing.assert_close(leaf.grad, -strength * 2 * x)


def test_what_a_conditional_discriminator_sees():
    f, p = rows(4, 3), rows(4, 5, 1).softmax(dim=1)
    found = conditional_features(f, p)
    for i in range(4):
        np.testing.assert_allclose(found[i], np.outer(p[i], f[i]).ravel())
    m = 40_000
    drawn = conditional_features(f, p, (rows(3, m, 2), rows(5, m, 3)))
    assert drawn.shape == (4, m)
    np.testing.assert_allclose(drawn @ drawn.T, (f @ f.T) * (p @ p.T), atol=0.1)


@pytest.mark.parametrize("k", [3, 40])
def test_the_body_learns_against_the_discriminator(k):
    torch.manual_seed(0)  # of the discriminator
    fs, ft, zs, zt = rows(6, 128), rows(6, 128, 1), rows(6, k, 2), rows(6, k, 3)
    for alignment in (AdversarialAlignment(128).double(), ConditionalAlignment(128, k).double()):
        alignment.strength = 0.5
        leaf = fs.clone().requires_grad_()
        alignment(leaf, zs, ft, zt).backward()
        direct = fs.clone().requires_grad_()
        net = alignment.discriminator
        if isinstance(alignment, ConditionalAlignment):
            maps = (alignment.left, alignment.right) if alignment.drawn else None
            assert alignment.drawn == (k == 40)
            see = lambda f, z: net(conditional_features(f, z.softmax(dim=1), maps))[:, 0]  # noqa: E731, B023
            loss = domain_loss(see(direct, zs), see(ft, zt), certainty_weights(zs), certainty_weights(zt))
        else:
            loss = domain_loss(net(direct)[:, 0], net(ft)[:, 0])
        loss.backward()
        torch.testing.assert_close(leaf.grad, -0.5 * direct.grad)
        assert alignment(fs, zs, ft, zt).item() == pytest.approx(loss.item())


def test_the_reversal_sets_in_as_it_is_published():
    alignment = AdversarialAlignment(2)
    for share, expected in [(0.0, 0.0), (0.1, 0.4621171573), (1.0, 0.9999092043)]:
        alignment.set_progress(share)
        assert alignment.strength == pytest.approx(expected)


def test_they_equal_skadas():
    theirs = pytest.importorskip("skada.deep.losses", exc_type=ImportError)
    a, b, z = rows(6, 3), rows(9, 3, 1), rows(7, 4, scale=2.0)
    assert float(coral_loss(a, b)) == pytest.approx(float(theirs.deepcoral_loss(a, b)))
    assert float(class_confusion(z)) == pytest.approx(float(theirs.mcc_loss(z, T=2.5)), abs=1e-6)

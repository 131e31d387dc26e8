"""Every kind against its definition, forward and backward, written out in NumPy, double precision."""

import numpy as np
import pytest
import torch
from torch import nn

from headstart.normalization.kinds import KINDS, Affine, default_groups, make_norm
from headstart.results import DataError

SHAPES = {1: (5, 6, 4), 2: (5, 6, 3, 4), 3: (5, 6, 2, 3, 4)}
GROUPS = 3


def by_hand(kind, x, gradient, weight, bias, eps, groups=GROUPS):
    """Output, gradients of input, weight and bias: mean and variance over the last axis of each set of values."""
    n, c = x.shape[:2]
    flat, g = x.reshape(n, c, -1), gradient.reshape(n, c, -1)
    sets = {
        "batch": lambda a: a.transpose(1, 0, 2).reshape(c, -1),
        "sync": lambda a: a.transpose(1, 0, 2).reshape(c, -1),
        "layer": lambda a: a.reshape(n, -1),
        "instance": lambda a: a.reshape(n * c, -1),
        "group": lambda a: a.reshape(n * groups, -1),
    }
    back = {
        "batch": lambda a: a.reshape(c, n, -1).transpose(1, 0, 2),
        "sync": lambda a: a.reshape(c, n, -1).transpose(1, 0, 2),
    }.get(kind, lambda a: a.reshape(n, c, -1))
    w, b = weight[None, :, None], bias[None, :, None]
    if kind == "none":
        hat, through = flat, g * w
    else:
        values, slopes = sets[kind](flat), sets[kind](g * w)
        mean = values.sum(1, keepdims=True) / values.shape[1]
        deviation = np.sqrt(((values - mean) ** 2).sum(1, keepdims=True) / values.shape[1] + eps)
        normal = (values - mean) / deviation
        inner = slopes - slopes.mean(1, keepdims=True) - normal * (slopes * normal).mean(1, keepdims=True)
        hat, through = back(normal), back(inner / deviation)
    return (
        (hat * w + b).reshape(x.shape),
        through.reshape(x.shape),
        (g * hat).sum((0, 2)),
        g.sum((0, 2)),
    )


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_its_definition_forward_and_backward(kind, dimensions):
    rng = np.random.default_rng(dimensions)
    x = rng.normal(2, 3, SHAPES[dimensions]) * np.arange(1, 7).reshape(1, -1, *[1] * dimensions)
    gradient, weight, bias = rng.normal(size=x.shape), rng.uniform(0.5, 2, 6), rng.normal(size=6)
    layer = make_norm(kind, 6, dimensions, groups=GROUPS if kind == "group" else None, eps=1e-3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    given = torch.from_numpy(x).requires_grad_()
    output = layer(given)
    output.backward(torch.from_numpy(gradient))
    expected = by_hand(kind, x, gradient, weight, bias, 1e-3)
    for found, wanted in zip((output.detach(), given.grad, layer.weight.grad, layer.bias.grad), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"instance"}))
def test_without_positions(kind):
    rng = np.random.default_rng(0)
    x, gradient = rng.normal(size=(2, 5, 6))
    layer = make_norm(kind, 6, 1, groups=GROUPS if kind == "group" else None, dtype=torch.float64)
    given = torch.from_numpy(x).requires_grad_()
    output = layer(given)
    output.backward(torch.from_numpy(gradient))
    expected = by_hand(kind, x, gradient, np.ones(6), np.zeros(6), 1e-5)
    np.testing.assert_allclose(output.detach().numpy(), expected[0], atol=1e-6)
    np.testing.assert_allclose(given.grad.numpy(), expected[1], atol=1e-6)
    if kind == "layer":  # the two definitions of layer normalization are one here
        np.testing.assert_allclose(output.detach().numpy(), nn.LayerNorm(6).double()(given).detach().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_without_weights_and_with_options(kind):
    layer = make_norm(kind, 8, affine=False, momentum=None, eps=0.5)
    assert not list(layer.parameters())
    if kind != "none":
        assert layer.eps == 0.5
    if kind in ("batch", "sync"):
        assert layer.momentum is None
    assert layer(torch.randn(2, 8, 3, 3)).shape == (2, 8, 3, 3)


def test_groups_divide_and_keep_four_channels():
    for channels in range(1, 300):
        groups = default_groups(channels)
        assert channels % groups == 0 and (channels // groups >= 4 or groups == 1) and groups <= 32
        assert not any(channels % more == 0 and channels // more >= 4 for more in range(groups + 1, 33))
    assert make_norm("group", 64).num_groups == 16


def test_affine_is_the_identity_at_first():
    x = torch.randn(3, 4, 5)
    assert torch.equal(Affine(4)(x), x) and Affine(4)(x[:, :, 0]).shape == (3, 4)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("weight", 8), {}, "no normalization 'weight': batch, layer"),
        (("batch", 8, 4), {}, "no normalization of 4 dimensions"),
        (("group", 24), {"groups": 5}, r"groups=5 of 24 channels .* leave groups out for 6"),
        (("batch", 24), {"groups": 4}, "give 'group' a divisor"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(DataError, match=message):
        make_norm(*arguments, **options)

"""Memory of a normalization against what autograd is known to keep, and costs in an audit."""

import numpy as np
import pytest
import torch
from torch import nn

from headstart.normalization import audit
from headstart.normalization.costs import layer_cost

FLOAT = 4


@pytest.mark.parametrize(
    ("layer", "groups"),
    [(nn.BatchNorm2d(6), 6), (nn.GroupNorm(3, 6), 8 * 3), (nn.LayerNorm([6, 5, 5]), 8)],
)
def test_what_is_kept_is_the_input_and_a_mean_and_a_deviation_of_each_set(layer, groups):
    x = torch.randn(8, 6, 5, 5)
    found = layer_cost(layer, x)
    whole = x.numel() * FLOAT
    assert found.kept_bytes == whole + 2 * groups * FLOAT
    assert found.peak_bytes == found.kept_bytes + 3 * whole, "its output, and both gradients"
    assert found.forward_seconds > 0 and found.backward_seconds > 0


def test_frozen_statistics_keep_less_than_moving_ones_and_memory_grows_with_the_batch():
    moving, held = nn.BatchNorm2d(6), nn.BatchNorm2d(6).eval()
    kept = [layer_cost(layer, torch.randn(8, 6, 5, 5)).kept_bytes for layer in (moving, held)]
    assert kept[1] <= kept[0]
    twice = layer_cost(nn.BatchNorm2d(6), torch.randn(16, 6, 5, 5))
    assert twice.peak_bytes - twice.kept_bytes == 2 * 3 * 8 * 6 * 25 * FLOAT


def test_an_audit_measures_where_it_is_asked_to_and_changes_nothing():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8)
    ).train()
    sample = torch.randn(6, 3, 9, 9)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert all(layer.cost is None for layer in audit(net, 5, sample).layers)
    assert "kept MB" not in audit(net, 5, sample).to_frame()
    found = audit(net, 5, sample, cost=True)
    first, second = (layer.cost for layer in found.layers)
    assert first.kept_bytes == 5 * 4 * 7 * 7 * FLOAT + 2 * 4 * FLOAT
    assert second.kept_bytes == 5 * 8 * 5 * 5 * FLOAT + 2 * 5 * 2 * FLOAT
    frame = found.to_frame()
    assert np.allclose(frame["kept MB"], [first.kept_bytes / 1e6, second.kept_bytes / 1e6])
    assert (frame[["forward ms", "backward ms"]] > 0).all(axis=None)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert found.layers[0].cost.peak_bytes == found.to_dict()["layers"][0]["cost"]["peak_bytes"]


def test_a_layer_that_torch_refuses_at_this_batch_size_has_no_cost():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LayerNorm(4)).train()
    found = audit(net, 1, torch.randn(6, 3), cost=True)
    assert found.layers[0].cost is None and found.layers[1].cost is not None
    assert np.isnan(found.to_frame()["kept MB"].iloc[0])
    assert all(layer.cost is None for layer in audit(net, 4, cost=True).layers), "no input is known"

import math

import numpy as np
import pytest
import torch
from torch import nn

from headstart.finetuning.drift import drift, snapshot
from headstart.finetuning.freezing import freeze
from headstart.results import HeadstartError
from headstart.sources.source import create


class Small(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.one = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4)})
        self.two = nn.Conv2d(4, 6, 3)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.out = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.out(self.pool(self.two(self.one["norm"](self.one["conv"](x)).relu()).relu()))


def small(seed=0, **options):
    torch.manual_seed(seed)
    return Small(**options)


def test_distance_by_hand():
    net = small()
    before = snapshot(net)
    with torch.no_grad():
        net.two.weight += 0.25
        net.out.weight *= 1.1
        net.out.bias *= 1.1
        net.one["norm"].running_mean[2] = -3.0
        net.one["norm"].running_var[:] = torch.tensor([1.0, 4.0, 1.0, 0.125])
    found = drift(net, before)
    norm = math.sqrt(float(before["two.weight"].square().sum() + before["two.bias"].square().sum()))
    assert found.stages == ("one", "two", "head")
    # Frobenius by NumPy, over weight and bias of the stage together.
    change = np.linalg.norm(net.two.weight.detach().numpy().ravel() - before["two.weight"].numpy().ravel())
    assert found.weights == pytest.approx((0.0, change / norm, 0.1), rel=1e-5)
    assert found.weights[1] == pytest.approx(0.25 * math.sqrt(4 * 6 * 9) / norm, rel=1e-5)
    eps = net.one["norm"].eps
    assert found.mean_shift[0] == pytest.approx(3 / math.sqrt(1 + eps))
    assert found.variance_ratio[0] == pytest.approx((1 + eps) / (0.125 + eps))
    assert np.isnan(found.mean_shift[1:]).all() and np.isnan(found.variance_ratio[1:]).all()
    assert "'two' moved most" in found.headline() and "1 of 3 stages did not move" in found.headline()
    frame = found.to_frame()
    assert list(frame.index) == ["one", "two", "head"] and frame.loc["two", "weights"] == found.weights[1]
    assert list(found.plot().data[0].y) == ["one", "two", "head"]


def test_a_detached_tensor_shares_its_memory_and_that_is_found_out():
    net = small()
    detached = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    before = snapshot(net)
    with torch.no_grad():
        net.two.weight += 1
    assert torch.equal(detached["two.weight"], net.two.weight)  # the trap: it moved along
    for source in (detached, net.state_dict(), net):
        with pytest.raises(HeadstartError, match=r"one\.conv\.weight of the source shares its memory"):
            drift(net, source)
    assert drift(net, before).weights[1] > 0


def test_after_training_frozen_stages_have_not_moved_and_the_rest_has():
    net = create("tf_efficientnet_lite0", n_classes=5)
    source = create("tf_efficientnet_lite0")
    with torch.no_grad():
        source.load_state_dict(
            {**net.state_dict(), **{k: v for k, v in source.state_dict().items() if "classifier" in k}}
        )
    freeze(net, until="blocks.5")
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.train()(torch.randn(4, 3, 64, 64)), torch.arange(4)).backward()
        optimizer.step()
    found = drift(net, source)
    frame = found.to_frame()
    assert list(frame.index) == ["conv_stem", *(f"blocks.{k}" for k in range(7)), "conv_head"]
    still = frame.iloc[:6]
    assert (still["weights"] == 0).all() and (still["mean shift"] == 0).all() and (still["variance ratio"] == 1).all()
    moved = frame.iloc[6:]
    assert (moved["weights"] > 0).all() and (moved["mean shift"] > 0).all() and (moved["variance ratio"] > 1).all()
    assert found.warnings == ("left out, as the source has another classifier: classifier.weight, classifier.bias",)


def test_moved_statistics_alone_are_told():
    net = small()
    before = snapshot(net)
    assert drift(net, before).headline() == "No weight moved."
    net.train()(torch.randn(4, 3, 9, 9))
    assert drift(net, before).headline() == "No weight moved, but statistics of batch normalization did."


def test_another_architecture_is_no_source():
    with pytest.raises(HeadstartError, match=r"two\.weight \(6, 4, 3, 3\) is \(6, 4, 5, 5\) there"):
        drift(small(), {**snapshot(small(1)), "two.weight": torch.zeros(6, 4, 5, 5)})
    state = snapshot(small(1))
    del state["one.conv.bias"]
    with pytest.raises(HeadstartError, match=r"one\.conv\.bias \(4,\) is missing there"):
        drift(small(), state)

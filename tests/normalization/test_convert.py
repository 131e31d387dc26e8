"""Conversions against least squares by NumPy, networks' own outputs, and data for which a fold is exact."""

import copy
import itertools
import math

import numpy as np
import pytest
import timm
import torch
from timm.layers import BatchNormAct2d, GroupNormAct, LayerNorm2d
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from headstart.finetuning import freeze
from headstart.normalization.convert import convert
from headstart.normalization.forms import ChannelsLast, form_of, forms
from headstart.normalization.kinds import KINDS, make_norm
from headstart.normalization.sync import SyncBatchNorm, SyncBatchNormAct
from headstart.results import DataError
from headstart.sources.norms import NormAct
from headstart.training.frozen import freeze_statistics

SHAPES = {1: (6, 8, 5), 2: (6, 8, 4, 3), 3: (6, 8, 2, 3, 2)}
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def randomize(model, seed=0):
    """Weights, biases and running statistics as after some training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for form in forms(model).values():
            if form.weight is not None:
                form.weight.copy_(torch.rand(form.weight.shape, generator=generator) + 0.5)
                form.bias.copy_(torch.randn(form.bias.shape, generator=generator))
            if form.statistics:
                form.module.running_mean.copy_(torch.randn(form.channels, generator=generator))
                form.module.running_var.copy_(torch.rand(form.channels, generator=generator) + 0.5)
    return model.eval()


def make(kind, dimensions, seed=0):
    torch.manual_seed(seed)
    return randomize(
        nn.Sequential(
            CONV[dimensions](8, 8, 3, padding=1),
            make_norm(kind, 8, dimensions),
            nn.ReLU(),
            CONV[dimensions](8, 8, 3, padding=1),
            make_norm(kind, 8, dimensions),
            nn.Flatten(),
            nn.Linear(8 * math.prod(SHAPES[dimensions][2:]), 4),
        )
    )


def draw(shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 1


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize(("before", "to"), list(itertools.permutations(KINDS, 2)))
def test_from_every_kind_to_every_other(before, to, dimensions):
    x = draw(SHAPES[dimensions])
    model = make(before, dimensions)
    old = model(x)
    found = convert(model, to, sample=x)
    assert found.model is model and found.layers == ("1", "4") and found.before == (before,) * 2
    assert [form.kind for form in forms(model).values()] == [to] * 2
    change = ((model(x) - old).square().mean() / (old - old.mean(0)).square().mean()).sqrt().item()
    assert found.change == pytest.approx(change, rel=1e-3, abs=1e-6)
    if {before, to} <= {"batch", "sync", "none"}:
        assert change < 1e-5  # one line a channel to another: nothing is lost
    elif to in ("batch", "sync", "none") or "none" in (before, to):
        assert change < 1.5
    model.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_weights_are_those_of_least_squares_in_the_order_of_running():
    x = draw(SHAPES[2])
    model = make("batch", 2)
    original = copy.deepcopy(model)
    found = convert(model, "group", groups=4, sample=x)
    for place in (1, 4):
        wanted = original[: place + 1](x).detach().transpose(0, 1).flatten(1).double().numpy()
        entered = model[:place](x).detach()
        given = nn.functional.group_norm(entered, 4).transpose(0, 1).flatten(1).double().numpy()
        left = 0.0
        for channel in range(8):
            design = np.stack([given[channel], np.ones_like(given[channel])], 1)
            line, rest, *_ = np.linalg.lstsq(design, wanted[channel], rcond=None)
            layer = model[place]
            assert [layer.weight[channel].item(), layer.bias[channel].item()] == pytest.approx(line, abs=1e-4)
            left += rest[0]
        error = left / ((wanted - wanted.mean(1, keepdims=True)) ** 2).sum()
        assert found.error[(1, 4).index(place)] == pytest.approx(error, rel=1e-3)
    assert found.agreement == (model(x).argmax(1) == original(x).argmax(1)).float().mean().item()
    assert "2 layers now normalize by 'group'" in found.headline() and list(found.to_frame().index) == ["1", "4"]


@pytest.mark.parametrize("to", ["layer", "group", "instance"])
def test_a_fold_is_exact_where_every_example_has_the_running_statistics(to):
    """Every example holds the same values a channel, in another order."""
    base = draw((8, 30), seed=3)
    x = torch.stack([base[:, torch.randperm(30)] for _ in range(5)])
    model = randomize(nn.Sequential(nn.BatchNorm1d(8)))
    model[0].running_mean.copy_(base.mean(1))
    model[0].running_var.copy_(base.var(1, correction=0))
    old = model(x)
    found = convert(model, to)
    assert np.isnan(found.change) and "not known without a sample" in found.headline()
    torch.testing.assert_close(model(x), old, rtol=1e-4, atol=1e-4)


def test_without_a_sample_a_fold_is_better_than_weights_alone():
    x = draw(SHAPES[2])
    old = make("batch", 2)(x)
    by = {}
    for keep, sample in (("weights", None), ("function", None), ("function", x)):
        model = make("batch", 2)
        convert(model, "layer", keep=keep, sample=sample)
        by[keep, sample is None] = (model(x) - old).square().mean().item()
    assert by["function", False] < by["function", True] < by["weights", True]


@pytest.mark.parametrize("to", ["batch", "group", "none"])
def test_keep_weights_carries_them_over(to):
    model = make("instance", 2)
    weights = [model[1].weight.clone(), model[1].bias.clone()]
    found = convert(model, to, keep="weights", sample=draw(SHAPES[2]))
    assert torch.equal(model[1].weight, weights[0]) and torch.equal(model[1].bias, weights[1])
    assert found.change > 0 and np.isnan(found.error).all()
    assert any("recalibrate" in note for note in found.warnings) == (to == "batch")


def test_a_new_batch_normalization_holds_the_samples_statistics():
    x = draw(SHAPES[3])
    model = make("group", 3)
    convert(model, "batch", sample=x)
    entered = model[0](x)
    torch.testing.assert_close(model[1].running_mean, entered.mean((0, 2, 3, 4)))
    torch.testing.assert_close(model[1].running_var, entered.transpose(0, 1).flatten(1).var(1))


NETWORKS = {
    "tf_efficientnet_lite0": "batch",
    "resnet18": "batch",
    "convnext_atto": "layer",
    "vit_tiny_patch16_224": "layer",
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    options = {"img_size": 32, "depth": 2} if "vit" in request.param else {}
    return request.param, randomize(timm.create_model(request.param, num_classes=5, **options))


@pytest.mark.parametrize("to", KINDS)
def test_networks_of_timm(network, to):
    name, original = network
    model, x = (
        copy.deepcopy(original),
        draw((3, 3, 64, 64) if to == "instance" and "vit" not in name else (3, 3, 32, 32)),
    )
    old = model(x)
    found = convert(model, to, sample=x)
    kinds = [form.kind for form in forms(model).values()]
    pooled = ("head.norm",) if name == "convnext_atto" and to == "instance" else ()  # after pooling: no positions
    assert kinds.count(to) == len(kinds) - len(pooled) and len(kinds) == len(forms(original))
    assert found.left == (tuple(forms(original)) if to == NETWORKS[name] else pooled)
    scale = (old - old.mean(0)).square().mean().sqrt()
    change = ((model(x) - old).square().mean().sqrt() / scale).item()
    assert found.change == pytest.approx(change, rel=0.05, abs=1e-4)
    if NETWORKS[name] == to or {NETWORKS[name], to} <= {"batch", "sync", "none"}:
        assert change < 1e-3
    out = model.train()(x)
    out.sum().backward()
    assert out.shape == (3, 5) and out.isfinite().all()


def test_fused_activations_stay_and_synchronized_goes_back():
    fused = randomize(BatchNormAct2d(8, act_layer=nn.ReLU6))
    x = 4 * draw(SHAPES[2])
    old, keys = fused(x), list(fused.state_dict())
    sync = convert(copy.deepcopy(fused), "sync").model
    assert type(sync) is SyncBatchNormAct and list(sync.state_dict()) == keys and torch.equal(sync(x), old)
    back = convert(sync, "batch", sample=x).model
    assert type(back) is BatchNormAct2d and list(back.state_dict()) == keys
    torch.testing.assert_close(back(x), old)
    none = convert(copy.deepcopy(fused), "none").model
    assert type(none) is NormAct and isinstance(none.act, nn.ReLU6)
    torch.testing.assert_close(none(x), old)
    group = convert(copy.deepcopy(fused), "group", sample=x)
    assert group.model(x).min() == 0 and group.model(x).max() == 6 and 0 < group.error[0] < 1
    again = convert(nn.Sequential(group.model), "batch", sample=x).model
    assert isinstance(again[0].norm, nn.BatchNorm2d) and again(x).shape == x.shape
    other = GroupNormAct(8, 2)
    assert form_of(other).tail is not None and isinstance(convert(other, "instance", sample=x).model, NormAct)


def test_channels_last_and_positions():
    tokens = draw((5, 7, 8))
    layer = randomize(nn.Sequential(nn.LayerNorm(8)))
    convert(layer, "group", groups=2, sample=tokens)
    assert isinstance(layer[0], ChannelsLast)
    plain = nn.functional.group_norm(tokens.transpose(1, 2), 2, layer[0].norm.weight, layer[0].norm.bias)
    torch.testing.assert_close(layer(tokens), plain.transpose(1, 2))
    maps, x = randomize(LayerNorm2d(8)), draw(SHAPES[2])
    torch.testing.assert_close(form_of(maps).output(x), maps(x))
    assert convert(nn.Sequential(maps), "layer").left == ("0",)


@pytest.mark.parametrize("kind", ["batch", "sync", "layer", "group", "none"])
def test_a_form_gives_what_its_layer_gives(kind):
    layer = randomize(make_norm(kind, 8, 1))
    for x in (draw((6, 8)), draw((6, 8, 5))):
        torch.testing.assert_close(form_of(layer).output(x), layer(x))
    frozen = FrozenBatchNorm2d(8)
    frozen.running_mean += 1
    torch.testing.assert_close(form_of(frozen).output(draw(SHAPES[2])), frozen(draw(SHAPES[2])))
    new = convert(nn.Sequential(frozen), "none").model
    torch.testing.assert_close(new(draw(SHAPES[2])), frozen(draw(SHAPES[2])))


def test_dead_channels_and_single_examples():
    x = draw(SHAPES[2])
    x[:, :3] = 2.0
    model = randomize(nn.Sequential(nn.BatchNorm2d(8)))
    for sample in (x, x[:1]):
        for to in ("instance", "group", "none", "batch"):
            changed = convert(copy.deepcopy(model), to, sample=sample)
            assert changed.model(x).isfinite().all() and np.isfinite(changed.change)


def test_nothing_is_normalized_over_a_single_position():
    model = randomize(nn.Sequential(nn.BatchNorm1d(8), nn.Flatten(0, -1), nn.Unflatten(0, (6, 8)), nn.BatchNorm1d(8)))
    x = draw((6, 8))
    old = model(x)
    found = convert(model, "instance", sample=x)
    assert found.left == ("0", "3") and not found.layers and found.change == 0 and torch.equal(model(x), old)
    assert "'0', '3' see a single position" in found.warnings[0]


def test_frozen_parameters_stay_so():
    model = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)).requires_grad_(False)
    convert(model, "group")
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("model", "to", "options", "message"),
    [
        (nn.Sequential(nn.BatchNorm2d(8)), "weight", {}, "to='weight'"),
        (nn.Sequential(nn.BatchNorm2d(8)), "group", {"keep": "all"}, "keep='all'"),
        (nn.Sequential(nn.BatchNorm2d(8)), "layer", {"groups": 2}, "only for 'group'"),
        (nn.Sequential(nn.BatchNorm2d(8)), "layer", {"sample": torch.ones(0, 8, 2, 2)}, "the sample is empty"),
        (nn.Linear(8, 8), "layer", {}, "no normalization in this network"),
        (nn.Sequential(nn.GroupNorm(2, 8)), "none", {}, r"'0' \(group\) holds no statistics .* give a sample"),
        (nn.Sequential(nn.GroupNorm(2, 8)), "batch", {"keep": "weights"}, "give a sample to tell how many"),
        (nn.Sequential(nn.GroupNorm(2, 8)), "instance", {"keep": "weights"}, "give a sample to tell how many"),
        (freeze_statistics(nn.Sequential(nn.BatchNorm2d(8))), "none", {}, "convert first, then freeze"),
        (freeze(nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 2)), until="1"), "none", {}, "convert first"),
    ],
)
def test_bad_arguments(model, to, options, message):
    with pytest.raises(DataError, match=message):
        convert(model, to, **options)


def test_torchs_own_synchronized_becomes_ours():
    model = nn.Sequential(nn.SyncBatchNorm(8))
    assert convert(model, "sync").layers == ("0",) and type(model[0]) is SyncBatchNorm
    assert convert(model, "sync").left == ("0",)

"""Planted faults are found, each alone, and healthy networks have no error."""

import copy
import math
import re

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from headstart.finetuning import freeze
from headstart.normalization import Audit, audit, convert, freeze_statistics, recalibrate, synchronize
from headstart.results import DataError
from headstart.sources import get


class Small(nn.Module):
    """Batch normalization on maps, and of vectors above them."""

    def __init__(self, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = norm(8)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.linear = nn.Linear(8, 8)
        self.top = nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.top(self.linear(self.pool(self.norm(self.conv(x)).relu()))))


class Squeeze(nn.Module):
    """A normalization on maps and one on 1x1 maps, as in a squeeze-and-excitation or a global context block."""

    def __init__(self, norm):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.norm = norm(8)
        self.out = nn.Sequential(nn.Flatten(), nn.Linear(8, 4))

    def forward(self, x):
        return self.out(self.norm(self.squeeze(self.body(x))))


def draw(n=64, scale=1.0, offset=0.0, size=8, seed=0):
    x = torch.randn((n, 3, size, size), generator=torch.Generator().manual_seed(seed))
    return scale * (x + torch.randn((n, 3, 1, 1), generator=torch.Generator().manual_seed(seed + 1))) + offset


def healthy(norm=nn.BatchNorm2d):
    torch.manual_seed(0)
    model = Small(norm)
    recalibrate(model, [draw()])
    return model.train()


def squeezed(norm):
    torch.manual_seed(0)
    return Squeeze(norm)


def below_a_freeze(model):
    """What people write: no gradients, and .train() as ever."""
    for part in (model.conv, model.norm, model.linear, model.top):
        part.requires_grad_(False)
    freeze_statistics(model.norm)
    return model


def changed(module, **values):
    """Set attributes, or fill tensors, of a healthy network's first norm."""
    model = healthy()
    layer = model.get_submodule(module)
    for name, value in values.items():
        if isinstance(getattr(layer, name), torch.Tensor):
            getattr(layer, name).fill_(value)
        else:
            setattr(layer, name, value)
    return model


def only_evaluating():
    model = healthy()
    model.norm.eval()
    return model


def fresh(name):
    model = healthy()
    model.get_submodule(name).reset_running_stats()
    return model


# What is planted: network, arguments of the audit, then where it is, how bad, and words of the message and the mend.
FAULTS = {
    "BatchNorm1d in train mode below a freeze": (
        lambda: below_a_freeze(healthy()), {}, "top", "error", "weights are frozen, but", "freeze_statistics"),
    "batch of 1 on vectors": (
        healthy, {"batch_size": 1}, "top", "error", "one value a channel", "a larger batch"),
    "batch of 1 on 1x1 maps": (
        lambda: squeezed(nn.BatchNorm2d), {"batch_size": 1}, "norm", "error", "one value a channel", "convert"),
    "last batch of 1": (
        healthy, {"n": 65}, "top", "error", "last batch of an epoch has 1 example", "drop_last"),
    "statistics never updated": (
        lambda: fresh("norm"), {}, "norm", "error", "mean 0 and variance 1", "recalibrate"),
    "momentum 0": (
        lambda: changed("norm", momentum=0.0), {}, "norm", "error", "never move", "a momentum such as 0.1"),
    "momentum of TensorFlow": (
        lambda: changed("norm", momentum=0.99), {}, "norm", "warning", "weight of the newest batch", "momentum=0.01"),
    "0 to 255": (
        healthy, {"sample": (draw() * 40 + 128).clamp(0, 255)}, "input", "error", "like 0 to 255", "divide by 255"),
    "divided by 255 twice": (
        healthy, {"sample": draw() / 255}, "input", "warning", "twice", "preprocessing"),
    "instance norm on 1x1 maps": (
        lambda: squeezed(nn.InstanceNorm2d), {}, "norm", "error", "single position", "'layer'"),
    "one channel a group on 1x1 maps": (
        lambda: squeezed(lambda c: nn.GroupNorm(c, c)), {}, "norm", "error", "one value a group", "fewer groups"),
    "one channel a group": (
        lambda: healthy(lambda c: nn.GroupNorm(c, c)), {}, "norm", "warning", "is an instance norm", "fewer groups"),
    "statistics of another domain": (
        healthy, {"sample": draw(offset=3.0)}, "norm", "warning|error", "another domain", "recalibrate"),
    "statistics that are not finite": (
        lambda: changed("norm", running_var=math.nan), {}, "norm", "error", "not finite", "recalibrate"),
    "negative variance": (
        lambda: changed("top", running_var=-1.0), {}, "top", "error", "negative", "recalibrate"),
    "no statistics": (
        lambda: healthy(lambda c: nn.BatchNorm2d(c, track_running_stats=False)), {}, "norm", "warning",
        "track_running_stats=False", "convert"),
    "held by .eval() alone": (
        only_evaluating, {}, "norm", "warning", r"next \.train\(\) undoes", "freeze_statistics"),
    "few values": (
        healthy, {"batch_size": 4}, "top", "warning", "from 4 values of 4 examples: .* off by 82%", "a larger batch"),
    "torch's synchronized one": (
        lambda: healthy(nn.SyncBatchNorm), {}, "norm", "warning", "refuses", "synchronize"),
    "not a number": (
        healthy, {"sample": torch.full((32, 3, 8, 8), math.nan)}, "input", "error", "not finite", "look for NaN"),
}  # fmt: skip


def look(model, options):
    return audit(model, options.get("batch_size", 32), options.get("sample", draw()), n=options.get("n"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name):
    make, options, layer, severity, message, mend = FAULTS[name]
    model = make()
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    found = look(model, options)
    hits = [f for f in found.findings if f.layer == layer and re.search(message, f.message) and mend in f.mend]
    assert len(hits) == 1 and hits[0].severity in severity.split("|"), found.findings
    order = [("error", "warning", "info").index(finding.severity) for finding in found.findings]
    assert order == sorted(order) and [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0, equal_nan=True)


def test_without_a_fault_there_is_nothing():
    found = audit(healthy(), 32, draw(), n=64)
    assert found.findings == () and found.headline() == "2 batch normalization layers at a batch of 32: nothing wrong."
    assert found.gap < 1 and max(layer.shift for layer in found.layers) < 0.01


MENDS = {
    "BatchNorm1d in train mode below a freeze": freeze_statistics,
    "batch of 1 on vectors": freeze_statistics,
    "statistics never updated": lambda model: recalibrate(model, [draw()]),
    "last batch of 1": freeze_statistics,
    "momentum 0": freeze_statistics,
    "statistics of another domain": lambda model: recalibrate(model, [draw(offset=3.0)]),
    "held by .eval() alone": freeze_statistics,
    "no statistics": lambda model: convert(model, "group", sample=draw()),
    "torch's synchronized one": synchronize,
    "instance norm on 1x1 maps": lambda model: convert(model, "layer", keep="weights"),
    "one channel a group on 1x1 maps": lambda model: convert(model, "group", groups=2, keep="weights"),
    "one channel a group": lambda model: convert(model, "group", groups=2, sample=draw()),
}


@pytest.mark.parametrize("name", MENDS)
def test_the_mend_mends(name):
    make, options, layer, _, message, _ = FAULTS[name]
    model = make()
    MENDS[name](model)
    assert not [f for f in look(model, options).findings if f.layer == layer and message in f.message]
    assert not look(model, options).errors


HEALTHY = ("resnet18", "mobilenetv3_small_050", "convnext_atto", "vit_tiny_patch16_224", "efficientnet_lite0")


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("held", [False, True])
def test_healthy_networks_have_no_error(name, held):
    torch.manual_seed(0)
    options = {"img_size": 64, "depth": 3} if "vit" in name else {}
    model = timm.create_model(name, num_classes=5, **options)
    sample = draw(48, size=64)
    if name not in ("convnext_atto", "vit_tiny_patch16_224"):
        recalibrate(model, [sample], passes=3)
    if held:
        freeze_statistics(model)
    found = audit(model.train(), 32, sample)
    assert found.errors == () and len(found.layers) > 5
    assert held <= (found.gap < 1e-3) or name in ("convnext_atto", "vit_tiny_patch16_224")


def test_the_packaged_network_has_no_error_until_it_is_fed_another_scale(photos):
    from PIL import Image

    source = get("lite0")
    network = source.network()
    files = sorted(photos.rglob("*.png"))[:24]
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(file).resize((96, 96)))) for file in files])
    pixels = pixels.permute(0, 3, 1, 2).float()
    mean, std = (
        torch.tensor(value).view(1, 3, 1, 1) for value in (source.preprocessing.mean, source.preprocessing.std)
    )
    freeze(network, until="blocks.5")
    right = audit(network, 16, (pixels / 255 - mean) / std)
    wrong = audit(network, 16, pixels)
    assert wrong.errors[0].layer == "input" and "bn1" in [f.layer for f in wrong.errors]
    assert len(wrong.errors) > len(right.errors)
    assert all(layer.frozen == (not layer.layer.startswith(("blocks.5", "blocks.6", "bn2"))) for layer in right.layers)


def test_values_are_counted_as_the_layers_see_them():
    """Against shapes that were worked out by hand."""
    found = {layer.layer: layer for layer in audit(healthy(), 10, draw(size=8), n=23).layers}
    assert (found["norm"].values, found["norm"].last_values, found["norm"].positions) == (10 * 64, 3 * 64, 64)
    assert (found["top"].values, found["top"].last_values, found["top"].positions) == (10, 3, 1)
    group = {layer.layer: layer for layer in audit(healthy(lambda c: nn.GroupNorm(2, c)), 10, draw()).layers}
    assert group["norm"].values == 4 * 64 and group["norm"].per_group == 4
    tokens = audit(nn.Sequential(nn.LayerNorm(6)), 10, torch.randn(3, 7, 6)).layers[0]
    assert tokens.values == 6 and tokens.positions == 7


def test_the_gap_is_that_of_train_mode():
    model, x = healthy(), draw(24)
    other = copy.deepcopy(model)
    trained = torch.cat([other.train()(batch) for batch in x.split(8)])
    evaluated = model.eval()(x)
    expected = ((trained - evaluated).square().mean() / (evaluated - evaluated.mean(0)).square().mean()).sqrt()
    assert audit(model, 8, x).gap == pytest.approx(expected.item(), rel=1e-4)
    assert audit(freeze_statistics(model), 8, x).gap == 0


def test_without_a_sample_shapes_come_from_the_networks_own_input_size():
    model = timm.create_model("resnet18", num_classes=3)
    found = audit(model, 2)
    assert {layer.layer: layer.values for layer in found.layers}["layer4.1.bn2"] == 2 * 49
    assert math.isnan(found.gap) and all(math.isnan(layer.shift) for layer in found.layers)
    unknown = audit(healthy(), 1)
    assert {f.severity for f in unknown.findings} == {"warning"} and unknown.layers[0].values is None


def test_layers_that_are_frozen_for_ever_and_networks_without_any():
    model = nn.Sequential(FrozenBatchNorm2d(3), nn.Conv2d(3, 4, 1))
    model[0].running_mean += 0.1
    found = audit(model.train(), 1, draw())
    assert found.layers[0].frozen and not found.errors
    empty = audit(nn.Linear(3, 3), 8, torch.randn(4, 3))
    assert isinstance(empty, Audit) and "no normalization layers" in empty.headline() and empty.to_frame().empty


def test_batch_statistics_in_evaluation_do_not_stop_an_audit():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False))
    found = audit(model, 16, torch.randn(32, 4))
    assert [f.severity for f in found.findings] == ["warning"] and found.layers[0].values == 16
    assert found.gap == pytest.approx(0, abs=0.5)


def test_the_answer_shows_itself():
    found = audit(healthy(), 1, draw())
    frame = found.to_frame()
    assert list(frame.index) == ["norm", "top"] and frame["finding"]["top"].startswith("error: at a batch of 1")
    assert "1 error" in found.headline() and "'top'" in found.headline() and found.warnings
    assert len(found.plot().data[0].x) == 2
    assert found.to_dict()["findings"][0]["severity"] == "error" and "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0,), {}, "batch_size=0"),
        ((4,), {"n": 0}, "n=0"),
        ((4, torch.ones(0, 3, 8, 8)), {}, "the sample is empty"),
        ((4, torch.ones(2, 5, 8, 8)), {}, r"the sample of shape \(2, 5, 8, 8\) does not run"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(DataError, match=message):
        audit(healthy(), *arguments, **options)

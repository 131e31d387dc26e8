"""Pooled statistics against torch's own batch normalization on the concatenated target, layer after layer."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from headstart.features.moments import Moments
from headstart.normalization.recalibrate import recalibrate
from headstart.results import DataError
from headstart.training.frozen import freeze_statistics

SIZES = (7, 1, 12, 0, 4)


class Branched(nn.Module):
    """Two layers that run one after another, one beside them, and one that never runs."""

    def __init__(self):
        super().__init__()
        self.unused = nn.BatchNorm2d(4)
        self.late = nn.BatchNorm2d(5)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.one, self.other = nn.Conv2d(4, 5, 3), nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.Tanh())
        self.drop = nn.Dropout(0.5)
        self.top = nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.BatchNorm1d(6))

    def forward(self, x):
        x = self.stem(x)
        return self.top(self.drop(self.late(self.one(x)).relu() + self.other(x)))


def make(kind="branched"):
    torch.manual_seed(0)
    model = Branched() if kind == "branched" else nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return model


def make_target(seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn((24, 3, 6, 6), generator=generator) + torch.arange(24.0).view(-1, 1, 1, 1) / 5
    return x, list(x.split(SIZES))


def norms(model):
    return {
        name: module for name, module in model.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }


def by_hand(model, x, prior=0.0):
    """Set one layer after another, in the order of running, from all of the target at once, by torch's train mode."""
    model = copy.deepcopy(model).eval()
    order = []
    handles = [m.register_forward_hook(lambda m, *_, name=name: order.append(name)) for name, m in norms(model).items()]
    with torch.no_grad():
        model(x)
        for handle in handles:
            handle.remove()
        for name in order:
            layer = norms(model)[name]
            # The newest batch weighs `momentum` in torch's running statistics.
            layer.train().momentum = len(x) / (len(x) + prior)
            model(x)
            layer.eval()
    return {name: (norms(model)[name].running_mean, norms(model)[name].running_var) for name in order}, model


@pytest.mark.parametrize("kind", ["single", "branched"])
@pytest.mark.parametrize("prior", [0.0, 10.0])
def test_equals_one_layer_after_another_on_all_of_the_target(kind, prior):
    model, (x, batches) = make(kind), make_target()
    expected, other = by_hand(model, x, prior)
    found = recalibrate(model, batches, prior=prior, tolerance=0)
    assert found.layers == tuple(expected) and found.n == 24 and found.weight == 24 / (24 + prior)
    for name, (mean, variance) in expected.items():
        torch.testing.assert_close(norms(model)[name].running_mean, mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(norms(model)[name].running_var, variance, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.eval()(x), other.eval()(x), rtol=1e-4, atol=1e-4)


def test_passes_end_when_nothing_moves_and_the_cut_into_batches_does_not_matter():
    x, batches = make_target()
    states = []
    for cut in (batches, [x], list(x.split(1)), ((batch, "label") for batch in batches)):
        model = make()
        found = recalibrate(model, cut, tolerance=1e-5)
        assert found.passes <= 5 and (found.change <= 1e-5 or found.passes == 5)
        states.append(torch.cat([tensor.flatten() for name, tensor in model.state_dict().items() if "running" in name]))
    for state in states[1:]:
        torch.testing.assert_close(state, states[0], rtol=1e-4, atol=1e-4)


def test_one_pass_is_precise_batch_normalization():
    """Each layer's input as train mode makes it, batch by batch, pooled."""
    model, (_, batches) = make(), make_target()
    trained = copy.deepcopy(model).train()
    trained.drop.eval()
    seen = {name: [] for name in norms(trained)}
    for name, layer in norms(trained).items():
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0].detach()))
    batches = [batch for batch in batches if len(batch) > 1]
    for batch in batches:
        trained(batch)
    found = recalibrate(model, batches, passes=1)
    assert found.passes == 1 and np.isnan(found.change)
    assert any("depend on one another after 1 pass" in note for note in found.warnings)
    for name, inputs in seen.items():
        if inputs:
            every = torch.cat(inputs).double().transpose(0, 1).flatten(1)
            torch.testing.assert_close(norms(model)[name].running_mean.double(), every.mean(1), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(norms(model)[name].running_var.double(), every.var(1), rtol=1e-4, atol=1e-5)


def test_a_shifted_domain_gives_the_outputs_of_the_source():
    """Inputs of another scale and offset: behind the first layer nothing of it is left (AdaBN)."""
    model, (x, batches) = make(), make_target()
    recalibrate(model, batches)
    before = model.eval()(x)
    shifted = [batch * 40 - 7 for batch in batches]
    assert (model(x * 40 - 7) - before).abs().max() > 1
    found = recalibrate(model, shifted)
    torch.testing.assert_close(model(x * 40 - 7), before, rtol=1e-3, atol=1e-3)
    assert found.layers[0] == "stem.1" and found.shift[0] > 1 and found.overlap[0] < 0.5
    assert "'stem.1' moved most" in found.headline()


def test_the_answer_tells_shift_and_can_be_undone():
    model, (x, batches) = make("single"), make_target()
    state = copy.deepcopy(model.state_dict())
    found = recalibrate(model, batches)
    mean = model[0](x).mean((0, 2, 3))
    shift = ((mean - state["1.running_mean"]).abs() / (state["1.running_var"] + 1e-5).sqrt()).mean()
    assert found.shift[0] == pytest.approx(shift.item(), rel=1e-5) and found.values == (24 * 16,)
    assert list(found.to_frame().columns) == ["shift", "overlap", "values"] and found.plot().data
    found.restore(model)
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state if "running" in name)


def test_modes_weights_and_frozen_statistics():
    model, (_, batches) = make(), make_target()
    model.train().stem.eval()
    freeze_statistics(model.top)
    modes = [module.training for module in model.modules()]
    weights = [parameter.clone() for parameter in model.parameters()]
    unused = model.unused.running_mean.clone()
    found = recalibrate(model, batches)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), weights, strict=True))
    assert torch.equal(model.unused.running_mean, unused) and any("'unused' did not run" in w for w in found.warnings)
    assert model.late.num_batches_tracked == 4 and "top.2" in found.layers and not model._forward_pre_hooks


def test_layers_of_other_libraries_and_other_precisions():
    x, batches = make_target()
    model = nn.Sequential(FrozenBatchNorm2d(3), nn.InstanceNorm2d(3, track_running_stats=True))
    assert recalibrate(model, batches).layers == ("0",)
    torch.testing.assert_close(model[0].running_var, x.var((0, 2, 3)))
    half = nn.BatchNorm2d(3).bfloat16()
    recalibrate(half, [batch.bfloat16() for batch in batches])
    torch.testing.assert_close(half.running_mean.float(), x.mean((0, 2, 3)), rtol=0.01, atol=0.01)


def test_moments_hold_a_small_variance_around_a_large_mean():
    x = torch.randn(50, 2, 3, dtype=torch.float64) * 1e-3 + 1e5
    moments = Moments()
    for batch in x.split([1, 30, 0, 19]):
        moments.add(batch)
    every = x.transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(moments.variance(), every.var(1, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(moments.mean, every.mean(1), rtol=1e-12)
    assert moments.count == 150 and moments.smallest == 3


@pytest.mark.parametrize(
    ("model", "batches", "options", "message"),
    [
        (nn.Linear(2, 2), [torch.ones(4, 2)], {}, "no batch normalization with running statistics"),
        (nn.BatchNorm1d(2, track_running_stats=False), [torch.ones(4, 2)], {}, "no batch normalization"),
        (nn.BatchNorm1d(2), [], {}, "no example to recalibrate with"),
        (nn.BatchNorm1d(2), [torch.ones(0, 2)], {}, "no example to recalibrate with"),
        (nn.BatchNorm1d(2), [torch.ones(1, 2)], {}, "sees a single value a channel"),
        (nn.BatchNorm1d(2), [torch.full((4, 2), torch.nan)], {}, "not finite"),
        (nn.BatchNorm1d(2), ["pictures"], {}, "a batch is a str"),
        (nn.BatchNorm1d(2), [torch.ones(4, 2)], {"prior": -1}, "prior=-1"),
        (nn.BatchNorm1d(2), [torch.ones(4, 2)], {"passes": 0}, "at least one pass"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(model, batches, options, message):
    state = copy.deepcopy(model.state_dict())
    with pytest.raises(DataError, match=message):
        recalibrate(model, batches, **options)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_constant_target_has_no_variance():
    layer = nn.BatchNorm1d(2)
    recalibrate(layer, [torch.full((4, 2), 5.0), torch.full((1, 2), 5.0)])
    assert layer.running_var.tolist() == [0, 0] and layer.running_mean.tolist() == [5, 5]
    assert layer.eval()(torch.full((1, 2), 5.0)).tolist() == [[0, 0]]

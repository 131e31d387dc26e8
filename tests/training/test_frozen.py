"""Statistics that stay, against .train(), copies and the other kind of freezing."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from headstart.finetuning import freeze, unfreeze
from headstart.normalization.sync import SyncBatchNorm
from headstart.results import HeadstartWarning
from headstart.training.frozen import freeze_statistics, statistics_frozen, unfreeze_statistics

KINDS = [
    (nn.BatchNorm1d(3), (4, 3)),
    (nn.BatchNorm1d(3), (4, 3, 5)),
    (nn.BatchNorm2d(3), (4, 3, 5, 5)),
    (nn.BatchNorm3d(3), (4, 3, 2, 3, 4)),
    (SyncBatchNorm(3), (4, 3, 5, 5)),
    (BatchNormAct2d(3), (4, 3, 5, 5)),
    (nn.InstanceNorm1d(3, affine=True, track_running_stats=True), (4, 3, 5)),
    (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (4, 3, 5, 5)),
]


def statistics(model):
    return [tensor.clone() for tensor in model.buffers()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("layer", "shape"), KINDS, ids=lambda value: getattr(type(value), "__name__", ""))
def test_statistics_stay_and_weights_learn(layer, shape):
    torch.manual_seed(0)
    model = nn.Sequential(copy.deepcopy(layer))
    names = list(model.state_dict())
    for module in model:
        nn.init.uniform_(module.running_mean)
        nn.init.uniform_(module.running_var, 0.5, 2)
    x = 5 * torch.randn(shape) + 2
    before, evaluated = statistics(model), copy.deepcopy(model).eval()(x)
    assert freeze_statistics(freeze_statistics(model)) is model
    output = model.train()(x)
    output.square().sum().backward()
    assert same(statistics(model), before) and torch.equal(output, evaluated) and list(model.state_dict()) == names
    assert model[0].weight.grad.abs().sum() > 0 and statistics_frozen(model[0])
    single = model(x[:1])
    torch.testing.assert_close(single, evaluated[:1])
    copied, pickled = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (copied, pickled, torch.load(file, weights_only=False)):
        other.train()(x)
        assert same(statistics(other), before)
        unfreeze_statistics(other)(x)
        assert not same(statistics(other), before) and not statistics_frozen(other[0])
    model(x)
    assert same(statistics(model), before)  # not undone through a copy
    unfreeze_statistics(model)
    fresh = nn.Sequential(copy.deepcopy(layer))
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(model(x), fresh.train()(x)) and same(statistics(model), statistics(fresh))


def test_other_layers_are_left_alone():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.LayerNorm(4), nn.BatchNorm1d(4))
    freeze_statistics(model).train()
    model(torch.randn(3, 4))
    assert [module.training for module in model] == [True, True, True, False]
    assert all(parameter.requires_grad for parameter in model.parameters())
    unfreeze_statistics(model)
    assert model[3].training
    unfreeze_statistics(model.eval())


@pytest.mark.parametrize("first", ["freeze", "statistics"])
def test_the_two_kinds_of_freezing_are_undone_one_by_one(first):
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    steps = [lambda: freeze(model, until="2"), lambda: freeze_statistics(model)]
    for step in steps if first == "freeze" else steps[::-1]:
        step()
    x = torch.randn(8, 4)
    before = statistics(model)
    model.train()(x)
    assert same(statistics(model), before)
    unfreeze_statistics(model)(x)
    assert model[1].num_batches_tracked == 0 and model[3].num_batches_tracked == 1
    freeze_statistics(model)
    unfreeze(model).train()(x)
    assert model[1].num_batches_tracked == 0 and model[3].num_batches_tracked == 1
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_without_statistics_there_is_nothing_to_hold():
    model = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.warns(HeadstartWarning, match="'0' keeps no running statistics"):
        freeze_statistics(model)
    assert not statistics_frozen(model[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        freeze_statistics(nn.Sequential(nn.InstanceNorm2d(3), nn.GroupNorm(1, 3)))

import copy

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from headstart.finetuning.freezing import freeze, layout, unfreeze
from headstart.finetuning.groups import check_groups, parameter_groups
from headstart.results import HeadstartError

NETWORKS = ("tf_efficientnet_lite0", "resnet18", "vit_tiny_patch16_224", "convnext_atto", "swinv2_tiny_window8_256")


def network(name="resnet18"):
    return timm.create_model(name, num_classes=3)


def members(groups):
    return [id(parameter) for group in groups for parameter in group["params"]]


@pytest.mark.parametrize("name", NETWORKS)
def test_weight_decay_spares_what_timm_spares(name):
    net = network(name)
    exempt = net.no_weight_decay() if hasattr(net, "no_weight_decay") else ()
    theirs = param_groups_weight_decay(net, weight_decay=0.3, no_weight_decay_list=exempt)
    ours = parameter_groups(net, rate=0.1, weight_decay=0.3)
    expected = {id(p): group["weight_decay"] for group in theirs for p in group["params"]}
    assert {id(p): group["weight_decay"] for group in ours for p in group["params"]} == expected
    assert len(members(ours)) == len(expected)


def test_a_norm_over_whole_maps_and_tokens_without_a_name_in_timm_are_spared():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.class_token, self.pos_embedding = (nn.Parameter(torch.zeros(1, 2, 4)) for _ in range(2))
            self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm((3, 4)))
            self.out = nn.Linear(4, 2)

    net = Tokens()
    decayed = [p for group in parameter_groups(net, rate=1.0) if group["weight_decay"] for p in group["params"]]
    assert {id(p) for p in decayed} == {id(net.body[0].weight), id(net.out.weight)}


def test_rates_fall_geometrically_from_the_head_down():
    net = network("tf_efficientnet_lite0")
    groups = parameter_groups(net, rate=0.4, head_rate=3.0, layer_decay=0.5)
    expected = {"head": 3.0, "conv_head": 0.2, "blocks.6": 0.1, "blocks.0": 0.4 * 0.5**8, "conv_stem": 0.4 * 0.5**9}
    assert expected == pytest.approx({g["stage"]: g["lr"] for g in groups if g["stage"] in expected})
    assert all(group["depth"] == layout(net).depth(group["stage"]) for group in groups)
    assert {group["lr"] for group in parameter_groups(net, rate=0.4) if group["stage"] == "head"} == {0.4}
    at = {id(p): group["stage"] for group in groups for p in group["params"]}
    assert at[id(net.bn1.weight)] == "conv_stem" and at[id(net.bn2.bias)] == "conv_head"


def test_the_ratio_of_two_blocks_is_timms():
    net = network("vit_tiny_patch16_224")
    theirs = {
        id(p): group["lr_scale"] for group in param_groups_layer_decay(net, layer_decay=0.7) for p in group["params"]
    }
    ours = {id(p): group["lr"] for group in parameter_groups(net, rate=1.0, layer_decay=0.7) for p in group["params"]}
    first, last = (id(net.blocks[k].mlp.fc1.weight) for k in (0, 11))
    assert ours[first] / ours[last] == pytest.approx(theirs[first] / theirs[last])
    embedding = id(net.pos_embed)
    assert ours[embedding] / ours[first] == pytest.approx(theirs[embedding] / theirs[first])


@pytest.mark.parametrize("name", NETWORKS[:4])
def test_every_trainable_parameter_once_and_no_frozen_one(name):
    net = network(name)
    stage = layout(net).stages[3]
    freeze(net, until=stage)
    groups = parameter_groups(net, rate=0.1)
    assert sorted(members(groups)) == sorted(id(p) for p in net.parameters() if p.requires_grad)
    assert len({group["name"] for group in groups}) == len(groups)
    check_groups(torch.optim.AdamW(groups), net)


def test_tied_weights_are_in_one_group():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    net[2].weight = net[0].weight
    groups = parameter_groups(net, rate=0.1, layer_decay=0.5)
    assert [group["stage"] for group in groups for p in group["params"] if p is net[0].weight] == ["0"]
    torch.optim.SGD(groups)


def test_an_optimizer_built_too_early_is_found_out():
    net = network()
    optimizer = torch.optim.AdamW(parameter_groups(freeze(net, until="layer4"), rate=0.1))
    check_groups(optimizer, net)
    unfreeze(net, since="layer3")
    with pytest.raises(
        HeadstartError, match=r"layer3\.0\.conv1\.weight trains but is in no group, and so for \d+ more"
    ):
        check_groups(optimizer, net)
    freeze(net, until="head")
    with pytest.raises(HeadstartError, match=r"layer4\.0\.conv1\.weight is frozen but in a group"):
        check_groups(optimizer, net)


def test_a_replaced_head_a_copy_and_a_repetition_are_found_out():
    net = network()
    optimizer = torch.optim.SGD(parameter_groups(net, rate=0.1))
    with pytest.raises(HeadstartError, match=r"conv1\.weight trains but is in no group"):
        check_groups(optimizer, copy.deepcopy(net))
    net.fc = nn.Linear(512, 7)
    with pytest.raises(HeadstartError, match=r"fc\.weight trains but is in no group"):
        check_groups(optimizer, net)
    groups = parameter_groups(net, rate=0.1)
    with pytest.raises(HeadstartError, match=r"a tensor \(9,\) of group 'mine' is not of this network"):
        check_groups([*groups, {"params": [nn.Parameter(torch.zeros(9))], "name": "mine"}], net)
    with pytest.raises(HeadstartError, match=r"fc\.bias is in more than one place"):
        check_groups([*groups, {"params": [net.fc.bias]}], net)


def test_nothing_to_train_and_rates_out_of_range_are_refused():
    net = network()
    for wrong in (
        {"rate": -1.0},
        {"rate": float("nan")},
        {"rate": 0.1, "layer_decay": 1.5},
        {"rate": 0.1, "weight_decay": -1},
    ):
        with pytest.raises(HeadstartError, match=list(wrong)[-1]):
            parameter_groups(net, **wrong)
    with pytest.raises(HeadstartError, match="nothing of this network trains"):
        parameter_groups(net.requires_grad_(False), rate=0.1)

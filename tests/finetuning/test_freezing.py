import copy
import io
import itertools
import pickle

import pytest
import timm
import torch
from torch import nn

from headstart.finetuning.freezing import freeze, frozen_stages, gradual, is_frozen, layout, unfreeze
from headstart.results import HeadstartError, HeadstartWarning
from headstart.sources import find_stages

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
NORMS = {
    "BatchNorm1d": (1, nn.BatchNorm1d),
    "BatchNorm2d": (2, nn.BatchNorm2d),
    "BatchNorm3d": (3, nn.BatchNorm3d),
    "SyncBatchNorm": (2, nn.SyncBatchNorm),
    "InstanceNorm1d": (1, lambda width: nn.InstanceNorm1d(width, affine=True, track_running_stats=True)),
    "InstanceNorm2d": (2, lambda width: nn.InstanceNorm2d(width, affine=True, track_running_stats=True)),
    "InstanceNorm3d": (3, lambda width: nn.InstanceNorm3d(width, affine=True, track_running_stats=True)),
}


class Block(nn.Module):
    def __init__(self, dimensions, norm, inputs, width):
        super().__init__()
        self.conv = CONV[dimensions](inputs, width, 3, padding=1)
        self.norm = norm(width)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return self.drop(self.norm(self.conv(x)).relu())


class Small(nn.Module):
    """Two blocks, a norm that stands by itself after each, weights held by the root, dropout before the classifier."""

    def __init__(self, dimensions, norm):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.one = Block(dimensions, norm, 3, 6)
        self.bn1 = norm(6)
        self.two = Block(dimensions, norm, 6, 8)
        self.bn2 = norm(8)
        self.pool = nn.Sequential(POOL[dimensions](1), nn.Flatten())
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.bn1(self.one(self.scale * x))
        return self.out(self.drop(self.pool(self.bn2(self.two(x)))))


def small(norm="BatchNorm2d", seed=0):
    torch.manual_seed(seed)
    return Small(*NORMS[norm]), (6, 3, *[6] * NORMS[norm][0])


EMBEDDING = ("cls_token", "pos_embed", "patch_embed.")
# Network, boundary, and what the names of everything that runs before it begin with.
FREEZES = [
    ("tf_efficientnet_lite0", "blocks.4", ("conv_stem.", "bn1.", *(f"blocks.{k}." for k in range(4)))),
    ("tf_efficientnet_lite0", "conv_head", ("conv_stem.", "bn1.", "blocks.")),
    ("tf_efficientnet_lite0", "head", ("conv_stem.", "bn1.", "blocks.", "conv_head.", "bn2.")),
    ("resnet18", "layer2", ("conv1.", "bn1.", "layer1.")),
    ("vit_tiny_patch16_224", "blocks.6", (*EMBEDDING, *(f"blocks.{k}." for k in range(6)))),
    ("vit_tiny_patch16_224", "blocks.0", EMBEDDING),
    ("convnext_atto", "stages.2", ("stem.", "stages.0.", "stages.1.")),
    ("convnext_atto", "head", ("stem.", "stages.", "head.norm.")),
    *((norm, "two", ("scale", "one.", "bn1.")) for norm in NORMS),
    ("BatchNorm2d", "head", ("scale", "one.", "bn1.", "two.", "bn2.")),
    ("BatchNorm2d", "one", ()),
]  # fmt: skip


def build(name):
    if name in NORMS:
        return small(name)
    torch.manual_seed(0)
    size = {"img_size": 64} if name.startswith("vit") else {}
    return timm.create_model(name, num_classes=4, drop_rate=0.2, drop_path_rate=0.2, **size), (4, 3, 64, 64)


def train(net, shape, steps=20):
    """Train the way the trap works: one optimizer over all weights, train mode set again at each step, everywhere."""
    rng = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    for step in range(steps):
        net.train()
        for child in net.children():
            child.train(True)
        if step == 0:
            assert all(module.training for module in net.modules())
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.randn(shape, generator=rng) + 1), torch.arange(shape[0]) % 4)
        loss.backward()
        optimizer.step()
    return net


def changed(net, before):
    return {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


def snapshot(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_the_plain_loop_is_a_trap():
    net, shape = small("BatchNorm1d")
    before = snapshot(net)
    for name, parameter in net.named_parameters():
        parameter.requires_grad = not name.startswith(("scale", "one.", "bn1."))
    net.one.eval()
    net.bn1.eval()
    assert not is_frozen(net, "one")
    moved = changed(train(net, shape), before)
    assert {
        "one.norm.running_mean",
        "one.norm.running_var",
        "bn1.running_mean",
        "one.norm.num_batches_tracked",
    } <= moved


@pytest.mark.parametrize(
    ("name", "until", "prefixes"), FREEZES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_twenty_steps_leave_every_frozen_bit_and_change_the_rest(name, until, prefixes):
    net, shape = build(name)
    before = snapshot(net)
    assert freeze(net, until=until) is net
    moved = changed(train(net, shape), before)
    frozen = {key for key in before if key.startswith(prefixes)} if prefixes else set()
    idle = {
        key for key in before if name.startswith("Instance") and key.endswith("num_batches_tracked")
    }  # never counted
    assert moved == before.keys() - frozen - idle
    assert all(parameter.grad is None for key, parameter in net.named_parameters() if key in frozen)


@pytest.mark.parametrize("name", ["BatchNorm2d", "tf_efficientnet_lite0", "vit_tiny_patch16_224"])
def test_the_frozen_part_is_one_function_of_its_input(name):
    """Dropout, stochastic depth and statistics: the same in train mode as in evaluation."""
    net, shape = build(name)
    boundary = find_stages(net)[len(find_stages(net)) // 2]
    seen = []
    net.get_submodule(boundary).register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].detach()))
    x = torch.randn(shape)
    with torch.no_grad():
        for mode in (False, True, True, True):
            net.train(mode)(x)
        assert not all(torch.equal(seen[0], other) for other in seen[1:])
        freeze(net, until=boundary)
        seen.clear()
        outputs = [net.train()(x), net.train()(x), net.eval()(x)]
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])
    assert not torch.equal(outputs[0], outputs[1])  # what trains keeps its dropout


def through_pickle(net):
    return pickle.loads(pickle.dumps(net))


def through_save(net):
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle, through_save])
def test_copies_are_frozen_by_themselves(copied):
    net, shape = small()
    freeze(net, until="two")
    again = copied(net)
    unfreeze(net)  # the copy's hooks are its own
    before = snapshot(again)
    assert frozen_stages(again) == ("one",) and frozen_stages(net) == ()
    assert not any(name.startswith(("one.", "bn1.", "scale")) for name in changed(train(again, shape), before))
    before = snapshot(again)
    unfreeze(again)
    assert changed(train(again, shape), before) == before.keys()


def test_the_state_dict_shows_nothing_of_it():
    net, shape = small()
    keys = list(net.state_dict())
    frozen = freeze(copy.deepcopy(net), until="two")
    assert list(frozen.state_dict()) == keys
    other, _ = small(seed=1)
    frozen.load_state_dict(other.state_dict())
    assert frozen_stages(frozen) == ("one",)
    assert changed(frozen, other.state_dict()) == set()
    moved = changed(train(frozen, shape), other.state_dict())
    assert "two.conv.weight" in moved and not any(name.startswith("one.") for name in moved)


def test_the_boundary_moves_in_both_directions():
    net, shape = small()
    stages = layout(net).stages
    assert stages == ("one", "two", "head")
    freeze(net, until="head")
    assert frozen_stages(net) == ("one", "two") and is_frozen(net, "two") and not is_frozen(net, "head")
    freeze(net, until="two")
    assert frozen_stages(net) == ("one",)
    before = snapshot(net)
    assert changed(train(net, shape), before) == {name for name in before if name.startswith(("two.", "bn2.", "out."))}
    freeze(net, until="head")
    freeze(net, until="head")
    unfreeze(net, since="two")
    assert frozen_stages(net) == ("one",)
    freeze(net, until="one")
    assert frozen_stages(net) == () and all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_unfreezing_in_evaluation_keeps_evaluation():
    net, _ = small()
    unfreeze(freeze(net.eval(), until="head"))
    assert not any(module.training for module in net.modules())
    unfreeze(freeze(net.train(), until="head"))
    assert all(module.training for module in net.modules())


def test_a_gradient_from_before_is_not_applied_afterwards():
    net, shape = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(shape)).sum().backward()
    optimizer.step()
    freeze(net, until="two")
    before = snapshot(net)
    optimizer.step()
    assert not any(name.startswith(("one.", "bn1.", "scale")) for name in changed(net, before))


def test_what_was_fixed_before_stays_fixed_and_is_said():
    net, _ = small()
    net.scale.requires_grad_(False)
    unfreeze(freeze(net, until="two"))
    assert not net.scale.requires_grad and net.one.conv.weight.requires_grad
    net.two.conv.bias.requires_grad_(False)
    with pytest.warns(HeadstartWarning, match=r"two\.conv\.bias had requires_grad=False before"):
        freeze(net, until="two")


def test_a_norm_without_statistics_cannot_be_frozen_and_that_is_said():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(16, 2)
    )
    with pytest.warns(HeadstartWarning, match="'1' keeps no running statistics"):
        freeze(net, until="head")


def test_power_iteration_of_spectral_norm_stops():
    for wrap in (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm):
        torch.manual_seed(0)
        net = nn.Sequential(wrap(nn.Linear(5, 4)), nn.ReLU(), nn.Linear(4, 2))
        before = snapshot(freeze(net, until="head"))
        net.train()(torch.randn(3, 5)).sum().backward()
        assert changed(net, before) == set()


def test_shared_weights_belong_to_the_first_stage_that_uses_them():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    net[2].weight = net[0].weight
    freeze(net, until="2")
    assert not net[2].weight.requires_grad and net[2].bias.requires_grad
    norm = nn.BatchNorm1d(4)
    net = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), norm) for _ in range(2)), nn.Linear(4, 4))
    assert layout(net).stages == ("0", "1", "head")
    before = snapshot(freeze(net, until="1"))
    assert changed(train(net, (8, 4), 2), before) == {"1.0.weight", "1.0.bias", "2.weight", "2.bias"}


def test_dropout_before_the_classifier_belongs_to_the_head():
    net, shape = small()
    freeze(net, until="head")
    features = []
    net.drop.register_forward_pre_hook(lambda module, arguments: features.append(arguments[0]))
    x = torch.randn(shape)
    outputs = [net.train()(x) for _ in range(2)]
    assert torch.equal(*features) and not torch.equal(*outputs)


def test_a_classifier_may_be_a_stage_or_inside_one():
    class Tail(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = nn.Linear(6, 5), nn.Linear(5, 2)

    net = nn.ModuleDict({"one": nn.Linear(4, 6), "act": nn.ReLU(), "tail": Tail()})
    assert layout(net).stages == ("one", "tail", "head")
    freeze(net, until="head")
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["tail.out.weight", "tail.out.bias"]
    flat = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    assert find_stages(flat) == ("0", "2") and layout(flat).stages == ("0", "head")
    assert frozen_stages(freeze(flat, until="2")) == ("0",)


UNKNOWN = {
    "freeze": lambda net: freeze(net, until="blocks.9"),
    "unfreeze": lambda net: unfreeze(net, since="blocks.9"),
    "is_frozen": lambda net: is_frozen(net, "blocks.9"),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_stage_is_refused_with_the_stages_there_are(call):
    net, _ = small()
    with pytest.raises(HeadstartError, match=r"no stage 'blocks\.9' in this network: its stages are one, two, head"):
        call(net)
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("epochs", [1, 2, 3, 8, 9, 10, 30])
def test_gradual_unfreezing(epochs):
    stages = ("conv_stem", *(f"blocks.{k}" for k in range(7)), "head")
    found = [stages.index(stage) for stage in gradual(stages, epochs)]
    assert len(found) == epochs and found[0] == 8
    assert all(later <= earlier for earlier, later in itertools.pairwise(found))
    if epochs > 1:
        assert found[-1] == 0
    if epochs >= len(stages):  # Howard and Ruder: one more each epoch, then all of them
        assert found == [max(0, 8 - epoch) for epoch in range(epochs)]


def test_gradual_needs_something_to_spread():
    for stages, epochs in (((), 3), (("head",), 0)):
        with pytest.raises(HeadstartError, match="at least one"):
            gradual(stages, epochs)

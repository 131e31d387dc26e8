"""Penalties against NumPy and numerical gradients, and what they do to a training run."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from headstart.results import DataError
from headstart.training.loop import Recipe, train
from headstart.transfer.parameter.penalties import (
    DELTA,
    L2SP,
    BatchSpectralShrinkage,
    FisherL2SP,
    channel_attention,
    network_fisher,
)

X = torch.from_numpy(np.random.default_rng(0).normal(size=(24, 1, 5, 5)))
Y = (X.mean(dim=(1, 2, 3)) > 0).long()


class Tiny(nn.Module):
    """Two stages and a classifier."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh())
        self.two = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Tanh())
        self.classifier = nn.Linear(4, 2)

    def forward(self, x):
        return self.classifier(self.two(self.one(x)).mean(dim=(2, 3)))


def tiny(seed=0):
    torch.manual_seed(seed)
    return Tiny().double()


def moved(net, seed=1):
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.1 * torch.from_numpy(rng.normal(size=weight.shape))
    return net


class Rows:
    def __init__(self, dtype=torch.float32):
        self.x = X.to(dtype)

    def __len__(self):
        return 3

    def epoch(self, number):
        order = torch.from_numpy(np.random.default_rng(number).permutation(24))
        for rows in order.split(8):
            yield self.x[rows], Y[rows]


def fisher():
    rng = np.random.default_rng(2)
    return {name: torch.from_numpy(rng.uniform(0.1, 3, weight.shape)) for name, weight in tiny().named_parameters()}


def delta(strength):
    return DELTA(strength, attention={"one": torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)})


PENALTIES = {
    "L2SP": lambda strength: L2SP(strength, head=0.3 * strength),
    "FisherL2SP": lambda strength: FisherL2SP(strength, fisher()),
    "DELTA": delta,
    "BSS": lambda strength: BatchSpectralShrinkage(strength, k=2),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_are_those_of_small_steps(name):
    net, penalty = tiny(), PENALTIES[name](0.8)
    penalty.attach(net)
    moved(net).train()

    def value():
        net(X[:6])
        return penalty()

    gradients = torch.autograd.grad(value(), list(net.parameters()), allow_unused=True)
    step = 1e-3 if name in ("DELTA", "BSS") else 1e-5  # their features are taken in single precision
    for weight, gradient in zip(net.parameters(), gradients, strict=True):
        flat = weight.data.view(-1)
        for place in range(0, len(flat), 5):
            before = float(flat[place])
            flat[place] = before + step
            high = value().item()
            flat[place] = before - step
            low = value().item()
            flat[place] = before
            expected = 0.0 if gradient is None else float(gradient.view(-1)[place])
            assert (high - low) / (2 * step) == pytest.approx(expected, abs=2e-3, rel=1e-2)
    assert any(gradient is not None and gradient.abs().max() > 0.01 for gradient in gradients)


def test_values_are_those_of_numpy():
    start = {name: weight.detach().numpy().copy() for name, weight in tiny().named_parameters()}
    net = tiny()
    penalties = {name: make(0.8) for name, make in PENALTIES.items()}
    for penalty in penalties.values():
        penalty.attach(net)
    moved(net).train()(X[:6])
    far = {name: (weight.detach().numpy() - start[name]) ** 2 for name, weight in net.named_parameters()}
    carried = [name for name in far if "classifier" not in name]
    head = sum(float((weight.detach() ** 2).sum()) for weight in net.classifier.parameters())
    expected = 0.4 * sum(far[name].sum() for name in carried) + 0.12 * head
    assert float(penalties["L2SP"]()) == pytest.approx(expected)
    F = {name: value.numpy() for name, value in fisher().items() if name in carried}
    mean = np.concatenate([value.ravel() for value in F.values()]).mean()
    expected = 0.4 * sum((F[name] / mean * far[name]).sum() for name in carried)
    assert float(penalties["FisherL2SP"]()) == pytest.approx(expected)

    def maps(network):
        one = network.one(X[:6])
        return one.detach().numpy(), network.two(one).detach().numpy()

    (a, b), (c, d) = maps(net), maps(tiny())
    expected = 0.8 * (((a - c) ** 2).mean(axis=(0, 2, 3)) @ [0.7, 0.2, 0.1] + ((b - d) ** 2).mean())
    assert float(penalties["DELTA"]()) == pytest.approx(expected, rel=1e-5)
    lengths = np.linalg.svd(b.mean(axis=(2, 3)), compute_uv=False)
    assert float(penalties["BSS"]()) == pytest.approx(0.8 * (lengths[-2:] ** 2).sum(), rel=1e-4)


def trained(penalty, recipe=None, **more):
    net = tiny().float()
    groups = [{"params": list(net.parameters()), "lr": 0.02, "weight_decay": 0.01}]
    found = train(net, Rows(), groups, recipe or Recipe(epochs=4), penalty=penalty, **more)
    return net, found


def distance(net, other):
    pairs = zip(net.named_parameters(), other.parameters(), strict=True)
    return sum(float(((a - b) ** 2).sum()) for (name, a), b in pairs if "classifier" not in name) ** 0.5


@pytest.mark.parametrize("name", PENALTIES)
def test_without_strength_training_is_as_it_was_and_nothing_is_left_on_the_network(name):
    plain, losses = trained(None)
    net, found = trained(PENALTIES[name](0.0))
    assert found.losses == losses.losses
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), plain.parameters(), strict=True))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("name", ["L2SP", "FisherL2SP", "DELTA"])
def test_a_huge_strength_stays_at_the_source(name):
    start = tiny().float()
    free = trained(None, Recipe(epochs=12))[0]
    held = trained(PENALTIES[name](1e4), Recipe(epochs=12))[0]
    if name == "DELTA":  # what the stages see, not their weights
        x = X.float()
        far = [float((net.one(x) - start.one(x)).square().mean()) for net in (free, held)]
        assert far[1] < far[0] / 10
    else:
        assert distance(held, start) < distance(free, start) / 4


def test_the_start_is_a_copy_and_the_cut_is_respected():
    net = tiny()
    for weight in net.one.parameters():
        weight.requires_grad_(False)
    penalty = L2SP(1.0)
    penalty.attach(net)
    assert penalty().item() == 0
    moved(net)
    two = sum(float(((a - b) ** 2).sum()) for a, b in zip(net.two.parameters(), tiny().two.parameters(), strict=True))
    assert penalty().item() == pytest.approx(two / 2) and two > 0


@pytest.mark.parametrize("name", PENALTIES)
def test_a_stopped_training_goes_on_to_the_same_weights(name, tmp_path):
    class Stop(Exception):
        pass

    def stop_late(done, count=[0]):  # noqa: B006
        count[0] += 1
        if count[0] == 8:
            raise Stop

    whole, _ = trained(PENALTIES[name](0.5))
    path = tmp_path / "part.ckpt"
    with pytest.raises(Stop):
        trained(PENALTIES[name](0.5), checkpoint=path, advance=stop_late)
    assert path.is_file()
    resumed, _ = trained(PENALTIES[name](0.5), checkpoint=path)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


class Small(nn.Sequential):
    """Stages that run in order, as fine-tuning above a cut needs them."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(6, 2)


@pytest.mark.parametrize("name", ["L2SP", "DELTA"])
def test_fine_tuning_above_a_cut_takes_them(name):
    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import fine_tune
    from headstart.sources import Preprocessing, from_module

    torch.manual_seed(0)
    source = from_module(Small(), Preprocessing((32, 32)), name="small")
    y = np.arange(12) % 2
    shades = 90 * y[:, None, None, None] + np.random.default_rng(0).integers(0, 90, (12, 40, 40, 3))
    store = CutActivations(PictureSet(list(shades.astype(np.uint8))), source, "two", Choice("torch", "cpu", ""))
    recipe, head = Recipe(epochs=6, batch_size=4, rate=1e-2, weight_decay=0.0), (np.eye(2, 6), np.zeros(2))
    start = source.network().two[0].weight.detach()

    def tuned(penalty):
        found = fine_tune(store, y, np.arange(12), head, recipe, penalty=penalty)
        return found.trained.losses, float((found.network.two[0].weight - start).norm())

    kind = {"L2SP": L2SP, "DELTA": DELTA}[name]
    free, nothing, held = tuned(None), tuned(kind(0.0)), tuned(kind(1e4))
    assert nothing == free and held[1] < free[1]


def test_the_fisher_information_is_the_mean_squared_gradient():
    net = tiny()
    found = network_fisher(net, [X[:3], X[3:4]], n_draws=300)
    summed = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    for example in X[:4]:
        for code in range(2):
            net.zero_grad()
            logs = torch.log_softmax(net(example[None])[0], dim=0)
            logs[code].backward()
            for name, weight in net.named_parameters():
                summed[name] += logs[code].exp().detach() * weight.grad**2 / 4
    for name, value in summed.items():
        torch.testing.assert_close(found[name], value, atol=0.15 * float(value.max()), rtol=0.15)


def test_attention_is_what_silencing_each_channel_costs():
    net, batches = tiny(), [(X[:10], Y[:10]), (X[10:], Y[10:])]
    found = channel_attention(net, batches, ["two"])["two"]
    costs = []
    for channel in range(4):
        other = copy.deepcopy(net)
        with torch.no_grad():  # tanh(0) = 0
            other.two[0].weight[channel], other.two[0].bias[channel] = 0, 0
        loss = nn.functional.cross_entropy
        costs.append(float(loss(other(X), Y) - loss(net(X), Y)))
    assert found.numpy() == pytest.approx(np.exp(costs) / np.exp(costs).sum(), abs=1e-6)


def attached(penalty, net):
    penalty.attach(net)
    net(X[:2])
    return penalty()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (lambda: L2SP(-1.0), "strength=-1.0 must be a number from 0 on"),
        (lambda: BatchSpectralShrinkage(k=0), "k=0: give the number"),
        (lambda: DELTA(layers=["three"]), "Tiny has no layer 'three'"),
        (lambda: DELTA(attention={"one": torch.ones(5)}), "attention of 'one' has 5 numbers for 3 channels"),
        (lambda: FisherL2SP(1.0, {}), r"fisher has nothing for 'one.0.weight'"),
        (lambda: FisherL2SP(1.0, {k: 0 * v for k, v in fisher().items()}), "the Fisher information is 0 everywhere"),
    ],
)
def test_what_does_not_fit_is_said(penalty, message):
    with pytest.raises(DataError, match=message):
        attached(penalty(), tiny().train())


def test_a_network_of_which_only_the_head_learns_has_nothing_to_hold():
    net = tiny().requires_grad_(False)
    net.classifier.requires_grad_(True)
    with pytest.raises(DataError, match="nothing that was carried over learns here"):
        L2SP().attach(net)
    with pytest.raises(DataError, match="no linear classifier to watch"):
        BatchSpectralShrinkage().attach(nn.Sequential(nn.Conv2d(1, 2, 3)))
    with pytest.raises(DataError, match="no example"):
        network_fisher(tiny(), [])

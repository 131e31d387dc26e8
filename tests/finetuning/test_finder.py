import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from headstart.finetuning.finder import find_rate, steepest
from headstart.finetuning.freezing import freeze
from headstart.finetuning.groups import parameter_groups
from headstart.results import HeadstartError


def sgd(groups):
    return torch.optim.SGD(groups, lr=1.0)


def least_squares(scale=1.0):
    """A linear regression from zero weights, whole data as its only batch, and the largest curvature of its loss."""
    rng = torch.Generator().manual_seed(0)
    x = scale * torch.randn((200, 8), generator=rng)
    y = x @ torch.randn((8, 1), generator=rng) / scale + 0.1 * torch.randn((200, 1), generator=rng)
    model = nn.Linear(8, 1, bias=False)
    nn.init.zeros_(model.weight)
    curvature = float(torch.linalg.eigvalsh(2 * x.T @ x / 200)[-1])
    return model, [(x, y)], curvature


def swept(scale=1.0, lowest=1e-5, highest=10.0, **options):
    model, batches, curvature = least_squares(scale)
    found = find_rate(
        model, batches, groups=lambda net: parameter_groups(net, rate=1.0, weight_decay=0.0), optimizer=sgd,
        loss=nn.functional.mse_loss, lowest=lowest, highest=highest, **options,
    )  # fmt: skip
    return found, curvature


def test_the_suggestion_is_stable_where_theory_knows_the_limit():
    """Gradient descent on a quadratic diverges from 2 / curvature on, and crawls far below it."""
    found, curvature = swept()
    assert 0.005 / curvature < found.suggestion < 2 / curvature
    assert found.suggestion < found.lowest_at < 10 / curvature
    assert found.diverged and not found.warnings
    model, [(x, y)], _ = least_squares()
    optimizer = torch.optim.SGD(model.parameters(), lr=found.suggestion)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.5 * losses[0]


def test_inputs_ten_times_as_large_want_a_hundredth_of_the_rate():
    plain, _ = swept()
    scaled, _ = swept(10.0, lowest=1e-7, highest=0.1)
    assert scaled.suggestion == pytest.approx(plain.suggestion / 100)
    assert scaled.losses[:80] == pytest.approx(plain.losses[:80], rel=1e-3)  # rounding seeds what explodes


def test_the_proportions_of_the_groups_are_kept():
    """One group at half the rate of the other: what the fastest would do alone at the sweep's rate."""
    model, batches, _ = least_squares()
    seen = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    def groups(net):
        return [{"params": [net.weight], "lr": 0.02}, {"params": [nn.Parameter(torch.zeros(1))], "lr": 0.01}]

    found = find_rate(model, batches, groups=groups, optimizer=lambda g: Spy(g, lr=1), loss=nn.functional.mse_loss,
                      n_steps=30)  # fmt: skip
    assert [pair[0] for pair in seen] == pytest.approx(found.rates)
    assert [pair[1] for pair in seen] == pytest.approx([rate / 2 for rate in found.rates])


def curve(rates, noise, seed):
    """A loss that falls along a sigmoid with its middle at 1e-3, and blows up beyond 0.1."""
    logs = np.log10(rates)
    fall = 2.3 - 1.5 / (1 + np.exp(-(logs + 3) / 0.35))
    return fall + 3 * np.clip(logs + 1, 0, None) ** 2 + np.random.default_rng(seed).normal(0, noise, len(rates))


def test_noise_does_not_move_the_steepest_point():
    rates = np.geomspace(1e-6, 1, 100)
    robust, naive = [], []
    for seed in range(60):
        losses = curve(rates, 0.08, seed)
        robust.append(abs(np.log10(rates[steepest(rates, losses)[0]]) + 3))
        naive.append(abs(np.log10(rates[np.gradient(losses).argmin()]) + 3))
    assert max(robust) < np.log10(3)
    assert np.mean(naive) > 4 * np.mean(robust)


def test_without_noise_smoothing_does_not_shift_it():
    rates = np.geomspace(1e-6, 1, 100)
    position, lowest, smooth, slope = steepest(rates, curve(rates, 0.0, 0))
    assert abs(np.log10(rates[position]) + 3) < 0.04
    assert rates[position] < rates[lowest] and smooth[lowest] == smooth.min()
    # The slope of the sigmoid in its middle is -1.5 / (4 * 0.35) a tenfold; averaged over 1.2 tenfolds it is less.
    assert -1.5 / (4 * 0.35) < slope[position] < -0.8


def test_one_exploded_loss_does_not_bend_the_curve_beyond_its_start():
    rates = np.geomspace(1e-6, 1, 100)
    losses = curve(rates, 0.02, 0)
    losses[-1] = 1e6
    position, _, smooth, _ = steepest(rates, losses)
    assert abs(np.log10(rates[position]) + 3) < np.log10(2)
    assert smooth.max() < 1.1 * losses[:20].max()


def classifier():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


def class_batches(n=7, seed=0):
    rng = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn((3, 6), generator=rng)
    targets = [torch.randint(0, 3, (24,), generator=rng) for _ in range(n)]
    return [(centres[y] + torch.randn((24, 6), generator=rng), y) for y in targets]


@pytest.mark.parametrize("mode", [True, False])
def test_the_model_and_the_generators_are_left_as_they_were(mode):
    model = freeze(classifier(), until="head").train(mode)
    model[4].weight.grad = torch.ones_like(model[4].weight)
    before = copy.deepcopy(model.state_dict())
    flags = [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    states = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002

    class Drawing:
        def __iter__(self):
            for x, y in class_batches():
                yield x + random.random() + np.random.rand() + torch.rand(1), y  # noqa: NPY002

    find_rate(model, Drawing())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training == mode
    for parameter, (trains, gradient) in zip(model.parameters(), flags, strict=True):
        assert parameter.requires_grad == trains
        assert (parameter.grad is None) if gradient is None else torch.equal(parameter.grad, gradient)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[2]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


def test_what_is_frozen_is_frozen_in_the_sweep():
    model = freeze(classifier(), until="head")
    kept = []

    def groups(trial):
        kept.append((trial, copy.deepcopy(trial.state_dict())))
        return parameter_groups(trial, rate=1.0)

    find_rate(model, class_batches(), groups=groups)
    trial, before = kept[0]
    moved = {name for name, tensor in trial.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"4.weight", "4.bias"}


def test_the_suggestion_trains_and_is_the_same_again():
    model = classifier()
    found = find_rate(model, class_batches())
    torch.rand(5)
    assert find_rate(model, class_batches()) == found
    assert find_rate(model, class_batches(), seed=1).losses != found.losses  # dropout
    frame = found.to_frame()
    assert len(frame) == len(found.rates) == len(found.losses) and frame.index.name == "rate"
    assert frame.loc[found.suggestion, "slope"] == frame["slope"][frame.index <= found.lowest_at].min()
    assert f"{found.suggestion:.2g}" in found.headline()
    figure = found.plot()
    assert figure.layout.xaxis.type == "log" and len(figure.data) == 2

    def trained(rate):
        net = copy.deepcopy(model).train()
        optimizer = torch.optim.AdamW(parameter_groups(net, rate=rate))
        for x, y in class_batches(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            return np.mean([float(nn.functional.cross_entropy(net.eval()(x), y)) for x, y in class_batches(50)[40:]])

    assert trained(found.suggestion) < 0.5 * trained(found.suggestion / 1000)


def test_a_sweep_that_misses_the_curve_says_which_end_to_move():
    low, _ = swept(highest=1e-3)
    assert not low.diverged and any("raise `highest` from 0.001" in note for note in low.warnings)
    high, _ = swept(lowest=0.3 / least_squares()[2])
    assert any("lower `lowest`" in note for note in high.warnings)


def test_nothing_to_learn_is_said():
    rng = torch.Generator().manual_seed(0)
    noise = [(torch.randn((8, 6), generator=rng), torch.randint(0, 3, (8,), generator=rng)) for _ in range(100)]
    found = find_rate(classifier(), noise, highest=1e-3)
    assert any("no more than batches differ" in note for note in found.warnings)


def test_what_cannot_be_swept_is_refused():
    model, batches = classifier(), class_batches()
    with pytest.raises(HeadstartError, match="are no range"):
        find_rate(model, batches, lowest=1.0, highest=0.1)
    with pytest.raises(HeadstartError, match="n_steps=5"):
        find_rate(model, batches, n_steps=5)
    with pytest.raises(HeadstartError, match="ran out after 7 of 100 steps"):
        find_rate(model, iter(batches))
    with pytest.raises(HeadstartError, match="ran out after 0"):
        find_rate(model, [])
    with pytest.raises(HeadstartError, match="diverged within 0 steps"):
        find_rate(model, [(x * float("nan"), y) for x, y in batches])
    with pytest.raises(HeadstartError, match="rate 0"):
        find_rate(model, batches, groups=lambda net: parameter_groups(net, rate=0.0))

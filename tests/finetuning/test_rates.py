import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from headstart.finetuning.freezing import freeze, layout
from headstart.finetuning.groups import parameter_groups
from headstart.finetuning.rates import rate_factors, scheduler, stage_rates
from headstart.results import HeadstartError
from headstart.training.schedules import constant, one_cycle


def test_the_limits_of_freedom_and_no_jump_between():
    depths = np.arange(9)
    assert stage_rates(depths, 0).tolist() == [1] + [0] * 8
    assert stage_rates(depths, 1).tolist() == [1] * 9
    grid = np.stack([stage_rates(depths, freedom) for freedom in np.linspace(0, 1, 1001)])
    assert (np.diff(grid, axis=0) >= 0).all() and (np.diff(grid, axis=1) <= 0).all()
    assert np.abs(np.diff(grid, axis=0)).max() < 8 * 0.001 + 1e-9  # the slope of f ** 8 is at most 8


def test_freedom_is_layer_decay():
    net = network()
    decayed = parameter_groups(net, rate=0.2, layer_decay=0.7)
    plain = parameter_groups(net, rate=0.2)
    factors = rate_factors([group["depth"] for group in plain], 3, 10, freedom=0.7, shape=constant)
    assert [group["lr"] for group in decayed] == pytest.approx(
        [g["lr"] * f for g, f in zip(plain, factors, strict=True)]
    )


def test_freedom_may_be_a_line_or_a_function_and_multiplies_the_shared_schedule():
    line = [rate_factors([3, 0], step, 11, freedom=(0.2, 1.0))[0] for step in range(11)]
    assert line == pytest.approx([one_cycle(step, 11) * (0.2 + 0.8 * step / 10) ** 3 for step in range(11)])
    late = rate_factors([1], 7, 10, freedom=lambda step, total: float(step >= total / 2), shape=constant)
    assert late.tolist() == [1]
    assert rate_factors([1], 0, 1, freedom=(0, 1), shape=constant).tolist() == [1]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3)
    )


def steps(net, optimizer, schedule=None, n=20):
    rng = torch.Generator().manual_seed(1)
    for _ in range(n):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.randn(12, 5, generator=rng)), torch.arange(12) % 3).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return net


OPTIMIZERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
    "adamw": torch.optim.AdamW,
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_freedom_0_leaves_every_weight_below_the_head_bit_equal(make):
    net = network()
    before = copy.deepcopy(net)
    optimizer = make(parameter_groups(net, rate=0.05, weight_decay=0.5))
    steps(net.train(), optimizer, scheduler(optimizer, 20, freedom=0.0))
    for (name, now), then in zip(net.named_parameters(), before.parameters(), strict=True):
        same = torch.equal(now.view(torch.int32), then.view(torch.int32))
        assert same == (not name.startswith("6.")), name
    # What a rate of 0 does not hold, as the docstring says.
    assert not torch.equal(net[1].running_mean, before[1].running_mean)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_freezing_is_the_limit_of_a_small_freedom(make):
    """With the statistics held, training ends the nearer to the frozen result the smaller freedom is."""

    def trained(freedom):
        net = network().eval()
        if freedom is None:
            freeze(net, until="head")
        optimizer = make(parameter_groups(net, rate=0.05, weight_decay=0.1))
        return steps(net, optimizer, scheduler(optimizer, 20, freedom=1.0 if freedom is None else freedom))

    frozen = trained(None)
    gaps = []
    for freedom in (1e-1, 1e-2, 1e-3, 0.0):
        pairs = zip(trained(freedom).parameters(), frozen.parameters(), strict=True)
        gaps.append(math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs)))
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] > 0 and gaps[3] == 0


def test_the_scheduler_gives_each_group_its_own_rate_and_resumes():
    net = network()
    plan = layout(net)

    def fresh():
        optimizer = torch.optim.AdamW(parameter_groups(net, rate=0.1, head_rate=1.0))
        return optimizer, scheduler(optimizer, 30, freedom=(0.3, 0.9))

    optimizer, schedule = fresh()
    seen = []
    for step in range(30):
        seen.append([group["lr"] for group in optimizer.param_groups])
        for group, rate in zip(optimizer.param_groups, seen[-1], strict=True):
            base = 1.0 if group["stage"] == "head" else 0.1
            freedom = 0.3 + 0.6 * step / 29
            assert rate == pytest.approx(base * one_cycle(step, 30) * freedom ** plan.depth(group["stage"]))
        optimizer.step()
        schedule.step()
        if step == 11:
            kept = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    optimizer, schedule = fresh()
    optimizer.load_state_dict(kept[0])
    schedule.load_state_dict(kept[1])
    assert [group["lr"] for group in optimizer.param_groups] == seen[12]
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == seen[13]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: stage_rates([1], 1.1), "freedom=1.1"),
        (lambda: stage_rates([-1], 0.5), "depth -1"),
        (lambda: rate_factors([1], 0, 10, freedom=lambda step, total: 2.0), "freedom=2.0"),
        (lambda: scheduler(torch.optim.SGD([nn.Parameter(torch.zeros(1))]), 10), "no depth"),
    ],
)
def test_what_is_out_of_range_is_named(call, what):
    with pytest.raises(HeadstartError, match=what):
        call()

"""Schedules against PyTorch's, and their ends."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from headstart.results import HeadstartError
from headstart.training.schedules import one_cycle, warmup_cosine


def traced(make, total, rate=0.3):
    """Return the rates that a scheduler of PyTorch gives a parameter."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule, found = make(optimizer), []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("total", [7, 40, 333])
@pytest.mark.parametrize("options", [{}, {"warmup": 0.5}, {"warmup": 0.25, "start": 0.1, "final": 0.001}])
def test_one_cycle_is_pytorchs(total, options):
    start, final = options.get("start", 1 / 25), options.get("final", 4e-6)
    expected = traced(
        lambda optimizer: OneCycleLR(
            optimizer, 0.3, total_steps=total, pct_start=options.get("warmup", 0.3), cycle_momentum=False,
            div_factor=1 / start, final_div_factor=start / final,
        ),
        total,
    )  # fmt: skip
    assert [0.3 * one_cycle(step, total, **options) for step in range(total)] == pytest.approx(expected)


def test_warmup_cosine_is_two_of_pytorchs_schedulers():
    def make(optimizer):
        up = LinearLR(optimizer, start_factor=0.04, total_iters=10)
        return SequentialLR(optimizer, [up, CosineAnnealingLR(optimizer, 89, eta_min=0.003)], [10])

    found = [0.3 * warmup_cosine(step, 100, warmup=0.1, start=0.04, final=0.01) for step in range(100)]
    assert found == pytest.approx(traced(make, 100))


@pytest.mark.parametrize("shape", [one_cycle, warmup_cosine])
@pytest.mark.parametrize("total", [1, 2, 3, 4, 50])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.3, 1.0])
def test_short_and_extreme_schedules_stay_between_the_ends_and_reach_the_peak(shape, total, warmup):
    found = [shape(step, total, warmup=warmup, start=0.1, final=0.01) for step in range(total + 3)]
    assert all(0.01 <= value <= 1 for value in found)
    assert max(found[:total]) > 0.4
    if warmup == 0:
        assert found[0] == 1
    if total > 2 and warmup < 1:
        assert found[-1] == found[total - 1] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: one_cycle(-1, 10), "step -1 of 10"),
        (lambda: one_cycle(0, 0), "step 0 of 0"),
        (lambda: one_cycle(0, 10, warmup=1.2), "warmup=1.2"),
        (lambda: warmup_cosine(0, 10, final=-0.1), "final=-0.1"),
    ],
)
def test_what_is_out_of_range_is_named(call, what):
    with pytest.raises(HeadstartError, match=what):
        call()

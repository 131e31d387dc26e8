"""What fits a budget: counted again from the parts, over many budgets."""

from __future__ import annotations

import itertools

import pytest

from headstart.detection.schedule import DetectorPace, plan_training

PACE = DetectorPace({"blocks.2": 0.10, "": 0.15, "blocks.3": 0.08}, find=0.04)
WAYS = ("blocks.2", "", "blocks.3")


@pytest.mark.parametrize(
    ("n", "budget", "scratch", "more"),
    itertools.product([8, 200, 5_000, 200_000], [30, 300, 1_200, 10_000], [False, True], [0, 1]),
)
def test_no_way_takes_longer_than_the_budget(n, budget, scratch, more):
    plan = plan_training(PACE, n, n // 4, budget, ways=WAYS, scratch=scratch, more=more)
    share = budget / 2 if scratch else budget
    judged = plan.judged
    assert judged <= min(n // 4, 300)
    # All that there are, or as many as eight epochs score in a fifth of the time, or twenty.
    assert judged == min(n // 4, 300, max(20, int(share / 5 / 8 / PACE.find)))
    step = dict(PACE.step)
    rounds = (
        [
            *plan.ways,
            *[
                "",
            ]
            * more,
        ]
        if plan.short
        else []
    )
    first = sum(plan.short * plan.pictures * step[way] + judged * PACE.find for way in rounds)
    assert first <= share / 3
    for way in plan.ways:
        last = plan.epochs[way] * (plan.pictures * step[way] + judged * PACE.find)
        # One epoch is trained whatever the budget.
        assert first + last <= share or plan.epochs[way] == 1
        assert not plan.short or plan.epochs[way] >= 8
    own = plan.scratch * (plan.pictures * step[""] + judged * PACE.find)
    assert own <= share or plan.scratch <= 1
    assert bool(plan.scratch) == scratch
    dearest = max(plan.epochs[way] * (plan.pictures * step[way] + judged * PACE.find) for way in plan.ways)
    assert plan.seconds == pytest.approx(first + dearest + own)


def test_where_time_is_short_the_proposal_is_taken_untried():
    plan = plan_training(PACE, 200, 80, 240, ways=WAYS, scratch=False)
    assert (plan.ways, plan.short) == (("blocks.2",), 0)
    assert plan.epochs == {"blocks.2": int(240 // (20 + 3.2))}


def test_without_a_validation_part_nothing_is_tried():
    assert plan_training(PACE, 200, 0, 1e5, ways=WAYS, scratch=False).ways == ("blocks.2",)


def test_an_epoch_of_very_many_pictures_is_a_part_of_them():
    plan = plan_training(PACE, 1_000_000, 1_000, 1_200, ways=WAYS, scratch=False)
    assert plan.pictures < 2_000
    assert plan.epochs["blocks.2"] == 8


def test_few_pictures_get_more_epochs_but_not_without_end():
    few = plan_training(PACE, 20, 5, 1e6, ways=WAYS[:1], scratch=False)
    many = plan_training(PACE, 2_000, 5, 1e6, ways=WAYS[:1], scratch=False)
    assert few.epochs["blocks.2"] == 300  # 1,500 steps of 4 pictures
    assert many.epochs["blocks.2"] == 40

"""Which views, which cut and which rate fine-tuning takes, on made scores."""

import numpy as np
import pytest

from headstart.data.splits import stratified_group_folds
from headstart.features.backends import Choice
from headstart.finetuning.pace import Schedule
from headstart.pipeline.candidates import Bench
from headstart.pipeline.dear import FineTuning, Round, Way

Y = np.arange(400) % 4
BENCH = Bench(Y, np.arange(400), stratified_group_folds(Y, np.arange(400), n_folds=5, random_state=0), 4, 0)


def chosen(scores, cuts=("top", "middle", "low")):
    """What is chosen where training from a cut, with cropped views or others, at a rate reaches these scores."""
    plan = Schedule(cuts, 4, (8,) * len(cuts), (1,) * len(cuts), 0.0, 0.0)
    arm = FineTuning(None, None, None, BENCH, plan, Choice("torch", "cpu", ""), folder=None, cache_size=0)

    def score(way, fold, epochs):
        found = scores[way.cut, way.crops, way.rate]
        arm.rounds.append(Round(way, fold, epochs, found, 1 - found))

    arm._probabilities = score
    way = arm._choose()
    return (way.cut, way.crops, way.rate), arm.rounds


SLOW, FAST = 3e-4, 1e-3


@pytest.mark.parametrize(("fast", "rate"), [(0.97, FAST), (0.9, SLOW)])
def test_views_are_told_apart_above_the_highest_cut_then_the_cuts_then_two_rates(fast, rate):
    scores = {
        ("top", True, SLOW): 0.8, ("top", False, SLOW): 0.9, ("middle", False, SLOW): 0.95, ("low", False, SLOW): 0.6,
        ("middle", False, FAST): fast,
    }  # fmt: skip
    found, rounds = chosen(scores)
    assert found == ("middle", False, rate)
    assert [(one.way.cut, one.way.crops, one.way.rate) for one in rounds] == list(scores)
    assert {(one.fold, one.epochs) for one in rounds} == {(0, 4)}


@pytest.mark.parametrize("crops", [True, False])
def test_of_the_cuts_only_those_with_the_chosen_views_compete(crops):
    scores = {("top", crops, SLOW): 0.8, ("top", not crops, SLOW): 0.5, ("middle", crops, SLOW): 0.3}
    scores |= {("low", crops, SLOW): 0.4, ("top", crops, FAST): 0.1}
    assert chosen(scores)[0] == ("top", crops, SLOW)


def test_where_one_cut_fits_the_budget_nothing_is_tried_first():
    assert chosen({}, cuts=("top",)) == (("top", True, SLOW), [])


def test_a_round_is_one_flat_row():
    row = Round(Way("top", True, SLOW), 0, 4, 0.9, 0.1).to_dict()
    assert row == {"cut": "top", "crops": True, "rate": SLOW, "fold": 0, "epochs": 4, "macro_f1": 0.9, "log_loss": 0.1}

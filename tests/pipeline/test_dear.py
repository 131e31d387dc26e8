"""Which views, which cut and which rate fine-tuning takes, on made scores."""

import numpy as np
import pytest

from headstart.data.splits import stratified_group_folds
from headstart.features.backends import Choice
from headstart.finetuning.pace import Pace, Schedule, schedule
from headstart.pipeline.candidates import Bench
from headstart.pipeline.dear import FineTuning, Round, Way
from headstart.sources import get

Y = np.arange(400) % 4
BENCH = Bench(Y, np.arange(400), stratified_group_folds(Y, np.arange(400), n_folds=5, random_state=0), 4, 0)


def arm_of(scores, cuts=("top", "middle", "low"), rates=2):
    """Fine-tuning where training from a cut, with cropped views or others, at a rate reaches these scores."""
    plan = Schedule(cuts, 4, (8,) * len(cuts), (2,) * len(cuts), (rates,) * len(cuts), 0.0, 0.0)
    arm = FineTuning(
        get("lite0"), None, None, BENCH, plan, Choice("torch", "cpu", ""), folder=None, cache_size=0, rates=(SLOW, FAST)
    )
    arm.probe, arm.tried = lambda rows: None, []

    def score(way, fold, epochs):
        found = scores[way.cut, way.crops]
        arm.rounds.append(Round(way, fold, epochs, found, 1 - found))
        arm.tried.append((way.cut, way.crops, way.rate, fold, epochs))
        return np.full((len(BENCH.folds[fold][1]), 4), 0.25)

    arm._probabilities = score
    return arm


SLOW, FAST = 3e-4, 1e-3


def test_views_are_told_apart_above_the_highest_cut_then_the_cuts_and_each_rate_is_trained_to_the_end():
    arm = arm_of({("top", True): 0.8, ("top", False): 0.9, ("middle", False): 0.95, ("low", False): 0.6})
    found = arm.run()
    tried = [("top", True), ("top", False), ("middle", False), ("low", False)]
    ends = [("middle", False, rate, fold, 8) for rate in (SLOW, FAST) for fold in (1, 2)]
    assert arm.tried == [(*way, SLOW, 0, 4) for way in tried] + ends
    assert [one.name for one in found] == ["fine-tuned from middle on", "fine-tuned from middle on at 0.001"]
    rows = np.concatenate([BENCH.folds[1][1], BENCH.folds[2][1]])
    assert all(set(np.flatnonzero(np.isfinite(one.probabilities[:, 0]))) == set(rows) for one in found)
    assert all(one.sources == ("lite0",) for one in found)


@pytest.mark.parametrize("crops", [True, False])
def test_of_the_cuts_only_those_with_the_chosen_views_compete(crops):
    arm = arm_of({("top", crops): 0.8, ("top", not crops): 0.5, ("middle", crops): 0.3, ("low", crops): 0.4})
    assert arm._choose() == Way("top", crops, SLOW)


@pytest.mark.parametrize(
    ("reached", "taken"),
    [
        ({"source": 0.88, "recalibrated": 0.89, "group": 0.9}, "source"),  # one standard error of 0.9 is 0.034
        ({"source": 0.8, "recalibrated": 0.89, "group": 0.9}, "recalibrated"),
        ({"source": 0.8, "recalibrated": 0.7, "group": 0.9}, "group"),
    ],
)
def test_of_the_ways_of_normalization_the_first_that_cannot_be_told_from_the_best_is_kept_for_all_cuts(reached, taken):
    arm = arm_of({})
    arm.norms = tuple(reached)

    def score(way, fold, epochs):
        found = reached[way.norm] - (0.1 if way.cut != "top" else 0.0)
        arm.rounds.append(Round(way, fold, epochs, found, 1 - found))
        arm.tried.append((way.cut, way.norm))

    arm._probabilities = score
    assert arm._choose() == Way("top", True, SLOW, taken)
    assert arm.tried[:4] == [("top", "source"), ("top", "source"), ("top", "recalibrated"), ("top", "group")]
    assert arm.tried[4:] == [("middle", taken), ("low", taken)]


def test_further_rounds_are_paid_out_of_the_budget():
    pace = Pace({"top": 1.0, "": 3.0}, {"top": 0.1, "": 0.1}, {"top": 1, "": 1})
    plain, more = (schedule(pace, 10, 1e9, share=0.8, n_views=lambda epochs: 0, more=more) for more in (0, 3))
    assert more.seconds - plain.seconds == pytest.approx(10 * (0.8 * 3 * plain.short * 1.0 + 0.1))
    tight = schedule(pace, 10, plain.seconds, share=0.8, n_views=lambda epochs: 0, more=3)
    assert tight.seconds <= plain.seconds and (tight.short, tight.epochs) != (plain.short, plain.epochs)


def test_where_one_cut_fits_the_budget_nothing_is_tried_first():
    arm = arm_of({("top", True): 0.5}, cuts=("top",))
    assert [one.detail[:20] for one in arm.run()] == ["8 epochs, rate 0.000", "8 epochs, rate 0.001"]
    assert {epochs for *_, epochs in arm.tried} == {8}


def test_a_schedule_of_one_rate_has_one_candidate():
    (found,) = arm_of({("top", True): 0.5}, cuts=("top",), rates=1).run()
    assert found.name == "fine-tuned from top on" and "rate 0.0003" in found.detail


def test_nothing_comes_of_a_budget_that_fits_nothing():
    assert arm_of({}, cuts=()).run() == []


def test_a_round_is_one_flat_row():
    row = Round(Way("top", True, SLOW, "group"), 0, 4, 0.9, 0.1).to_dict()
    way = {"cut": "top", "crops": True, "rate": SLOW, "norm": "group"}
    assert row == {**way, "fold": 0, "epochs": 4, "macro_f1": 0.9, "log_loss": 0.1}

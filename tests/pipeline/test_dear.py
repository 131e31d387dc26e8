"""Which views and which cut fine-tuning takes, on made scores."""

import numpy as np
import pytest

from headstart.data.splits import stratified_group_folds
from headstart.features.backends import Choice
from headstart.finetuning.pace import Schedule
from headstart.pipeline.candidates import Bench
from headstart.pipeline.dear import FineTuning, Round

Y = np.arange(400) % 4
BENCH = Bench(Y, np.arange(400), stratified_group_folds(Y, np.arange(400), n_folds=5, random_state=0), 4, 0)


def chosen(scores, cuts=("top", "middle", "low")):
    """What is chosen where training from ``cut`` with cropped views or others reaches these scores."""
    plan = Schedule(cuts, 4, (8,) * len(cuts), (1,) * len(cuts), 0.0, 0.0)
    arm = FineTuning(None, None, None, BENCH, plan, Choice("torch", "cpu", ""), folder=None, cache_size=0)

    def score(cut, crops, fold, epochs):
        arm.rounds.append(Round(cut, crops, fold, epochs, scores[cut, crops], 1 - scores[cut, crops]))

    arm._probabilities = score
    return arm._choose(), arm.rounds


def test_views_are_told_apart_above_the_highest_cut_and_the_cuts_with_the_better_ones():
    scores = {("top", True): 0.8, ("top", False): 0.9, ("middle", False): 0.95, ("low", False): 0.6}
    found, rounds = chosen(scores)
    assert found == ("middle", False)
    assert [(one.cut, one.crops, one.fold, one.epochs) for one in rounds] == [
        ("top", True, 0, 4), ("top", False, 0, 4), ("middle", False, 0, 4), ("low", False, 0, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("crops", [True, False])
def test_of_the_cuts_only_those_with_the_chosen_views_compete(crops):
    scores = {("top", crops): 0.8, ("top", not crops): 0.5, ("middle", crops): 0.3, ("low", crops): 0.4}
    assert chosen(scores)[0] == ("top", crops)


def test_where_one_cut_fits_the_budget_nothing_is_tried_first():
    assert chosen({}, cuts=("top",)) == (("top", True), [])

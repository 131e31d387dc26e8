"""Which seeds the verdict rests on."""

import dataclasses

import numpy as np

from headstart.data.splits import stratified_group_folds
from headstart.pipeline.candidates import Bench, logistic
from headstart.pipeline.contest import SEEDS, _verdict

Y = np.arange(300) % 3
BENCH = Bench(Y, np.arange(300), stratified_group_folds(Y, np.arange(300), n_folds=5, random_state=0), 3, 0)


def sides():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3, 5))[Y] + rng.normal(size=(300, 5))
    noise = rng.normal(size=(300, 5))
    return logistic("good", X.astype(np.float32), BENCH, []), logistic("bad", noise.astype(np.float32), BENCH, [])


def test_what_is_cheap_is_compared_over_several_divisions():
    found = _verdict(*sides(), BENCH)
    assert found.answer == "helps" and len(found.transfer) == len(found.baseline) == SEEDS and found.n == 300


def test_one_training_meets_the_baseline_on_its_own_folds_and_is_not_given_the_other_sides_spread():
    good, bad = sides()
    table = good.probabilities.copy()
    table[np.setdiff1d(np.arange(300), BENCH.folds[1][1])] = np.nan
    trained = dataclasses.replace(good, kind="fine-tuned", probabilities=table, again=None)
    found = _verdict(trained, bad, BENCH)
    rows = BENCH.folds[1][1]
    right = [(one.probabilities[rows].argmax(axis=1) == Y[rows]).mean() for one in (good, bad)]
    assert (found.n, len(found.transfer), len(found.baseline)) == (len(rows), 1, 1)
    assert np.isclose(found.transfer[0] - found.baseline[0], right[0] - right[1], atol=0.02), "classes weigh the same"
    assert found.answer == "helps"

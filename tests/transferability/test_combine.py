"""Weights that are learned where it is known which score tells the truth."""

import numpy as np
import pytest
from scipy.stats import zscore

from headstart.results import DataError
from headstart.transferability.combine import combined, learn_weights, standardized

NAMES = ("good", "noise", "bad")


def table(seed, m=8):
    """A truth, a score that follows it, one that knows nothing, one that says the opposite; any unit."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=m)
    scores = {"good": 100 * (truth + 0.2 * rng.normal(size=m)), "noise": rng.normal(size=m), "bad": -truth}
    return [{name: values[row] for name, values in scores.items()} for row in range(m)], 0.7 + 0.1 * truth


def test_scores_are_standardized_over_the_sources_of_a_target():
    sources, _ = table(0)
    expected = zscore([[one[name] for name in NAMES] for one in sources])
    assert standardized(sources, NAMES) == pytest.approx(expected)


def test_what_a_source_lacks_counts_as_the_worst():
    found = standardized([{"leep": -1.0}, {}, {"leep": -3.0}], ["leep", "all alike"])
    assert found[1, 0] == found[2, 0] < found[0, 0] and not found[:, 1].any()


def test_weight_goes_to_the_score_that_tells_the_truth():
    targets, truths = zip(*(table(seed) for seed in range(12)), strict=True)
    weights = learn_weights(targets, truths, NAMES)
    assert weights["good"] > 0.8 and weights["bad"] == 0 and sum(weights.values()) == pytest.approx(1)
    sources, truth = table(99)
    assert combined(sources, weights).argmax() == truth.argmax()


def test_scores_that_say_the_same_share_the_weight():
    targets, truths = zip(*(table(seed) for seed in range(12)), strict=True)
    twice = [[{**one, "again": one["good"] + 5} for one in sources] for sources in targets]
    weights = learn_weights(twice, truths, ["good", "again"])
    assert weights["good"] == pytest.approx(weights["again"])


def test_bad_input():
    with pytest.raises(DataError, match="no sources"):
        standardized([], ["knn"])

"""The verdict against McNemar's test, and on simulated pairs whose truth is known."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from headstart.evaluation import transfer_verdict
from headstart.results import DataError


def mcnemar_mid_p(better, worse):
    """Two-sided mid-p of McNemar's test (Fagerland et al. 2013), from the discordant pairs alone."""
    n, low = better + worse, min(better, worse)
    return min(1.0, 2 * binom.cdf(low, n, 0.5) - binom.pmf(low, n, 0.5)) if n else 1.0


@pytest.mark.parametrize(("better", "worse"), [(20, 4), (12, 3), (9, 5), (30, 12), (3, 16), (0, 9), (0, 0)])
def test_with_one_seed_it_decides_as_mcnemars_test_does(better, worse):
    baseline = np.ones(400)
    transfer = np.ones(400)
    baseline[:better] = 0
    transfer[better : better + worse] = 0
    found = transfer_verdict(transfer, baseline)
    assert found.gain.value == pytest.approx((better - worse) / 400)
    expected = "no evidence" if mcnemar_mid_p(better, worse) > 0.05 else "helps" if better > worse else "hurts"
    assert found.answer == expected
    assert found.discordant == pytest.approx((better + worse) / 400)


def worlds(n, gain, seeds, count, copies=1, noise=0.0):
    """Pairs of runs on pictures of shared difficulty; about a tenth of the pictures are discordant."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        ease = np.repeat(rng.choice([0.995, 0.5, 0.02], size=n // copies, p=[0.72, 0.2, 0.08]), copies)
        shown = np.repeat(rng.random((2, seeds, n // copies)), copies, axis=2)
        shift = np.array([gain, 0.0])[:, None, None] / 0.2 + rng.normal(0, noise, (2, seeds, 1))
        right = shown < np.where(ease == 0.5, ease + shift, ease)
        yield right[0].astype(float), right[1].astype(float), np.arange(n) // copies


@pytest.mark.parametrize(("n", "seeds", "copies"), [(60, 1, 1), (400, 1, 1), (400, 3, 1), (400, 1, 4)])
def test_false_alarms_are_rare(n, seeds, copies):
    answers = [
        transfer_verdict(ours, theirs, groups=groups, n_boot=600).answer
        for ours, theirs, groups in worlds(n, 0.0, seeds, 60, copies)
    ]
    assert sum(answer != "no evidence" for answer in answers) <= 8, "95 % of 60, and chance"


def test_copies_that_are_not_told_of_would_raise_alarms():
    alarms = [
        transfer_verdict(ours, theirs, n_boot=600).answer != "no evidence"
        for ours, theirs, _ in worlds(400, 0.0, 1, 60, copies=8)
    ]
    assert sum(alarms) > 12


def test_a_difference_of_three_points_is_found():
    answers = [transfer_verdict(*pair[:2], n_boot=600).answer for pair in worlds(1000, 0.03, 3, 25)]
    assert answers.count("helps") >= 20 and "hurts" not in answers


def test_seeds_that_scatter_widen_the_interval():
    rng = np.random.default_rng(0)
    steady = rng.random((3, 500)) < 0.8
    scattered = rng.random((3, 500)) < np.array([[0.7], [0.8], [0.9]])
    baseline = rng.random((3, 500)) < 0.8
    widths = [transfer_verdict(side.astype(float), baseline.astype(float)).gain.width for side in (steady, scattered)]
    assert widths[1] > 2 * widths[0]


def test_balanced_accuracy_weighs_each_class_the_same():
    y = np.repeat([0, 1], [180, 20])
    baseline = (y == 0).astype(float)  # always the majority
    transfer = np.ones(200)
    transfer[:40] = 0  # 40 of the majority lost, the minority found
    plain, balanced = transfer_verdict(transfer, baseline), transfer_verdict(transfer, baseline, y=y)
    assert plain.gain.value == pytest.approx((20 - 40) / 200) and plain.answer == "hurts"
    assert balanced.gain.value == pytest.approx((-40 / 180 + 1) / 2) and balanced.answer == "helps"
    assert balanced.score == "balanced accuracy"


def test_degenerate_input():
    same = transfer_verdict(np.ones((2, 50)), np.ones((2, 50)))
    assert same.answer == "no evidence" and same.gain.value == 0 and "score the same" in same.headline()
    few = transfer_verdict(np.ones(3), np.zeros(3))
    assert few.answer == "no evidence" and math.isnan(few.gain.low)
    with pytest.raises(DataError, match="scores 5 pictures and correct_baseline 4"):
        transfer_verdict(np.ones(5), np.ones(4))
    with pytest.raises(DataError):
        transfer_verdict([1.0, np.nan], [1.0, 0.0])
    with pytest.raises(DataError, match="y has shape"):
        transfer_verdict(np.ones(5), np.zeros(5), y=[0, 1])


def test_it_shows_itself():
    rng = np.random.default_rng(1)
    found = transfer_verdict((rng.random((2, 300)) < 0.9) * 1.0, (rng.random((2, 300)) < 0.7) * 1.0)
    assert found.answer == "helps" and found.headline().startswith("Transfer helps: ")
    assert list(found.to_frame().index) == ["transfer 1", "transfer 2", "baseline 1", "baseline 2", "all"]
    assert len(found.plot().data) > 0 and found.to_dict()["answer"] == "helps"

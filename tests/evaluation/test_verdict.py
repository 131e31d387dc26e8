"""The verdict against McNemar's test, and on simulated pairs whose truth is known."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy.stats import binom

from headstart.evaluation import transfer_verdict
from headstart.evaluation.halves import half_samples, interval, seed_noise, seed_variances
from headstart.metrics import Interval
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


@pytest.mark.parametrize(
    ("n", "seeds", "copies", "noise"),
    [(60, 1, 1, 0.0), (400, 1, 1, 0.0), (400, 3, 1, 0.0), (400, 1, 4, 0.0), (400, 3, 1, 0.15)],
)
def test_false_alarms_are_rare(n, seeds, copies, noise):
    answers = [
        transfer_verdict(ours, theirs, groups=groups, n_boot=600).answer
        for ours, theirs, groups in worlds(n, 0.0, seeds, 60, copies, noise)
    ]
    assert sum(answer != "no evidence" for answer in answers) <= 8, "95 % of 60, and chance"


def test_false_alarms_are_rare_where_a_class_is_rare():
    y = np.arange(400) % 40 == 0
    answers = [transfer_verdict(*pair[:2], y=y, n_boot=600).answer for pair in worlds(400, 0.0, 1, 60)]
    assert sum(answer != "no evidence" for answer in answers) <= 8


def test_seeds_that_are_not_minded_would_raise_alarms():
    alarms = [
        transfer_verdict(ours.mean(axis=0), theirs.mean(axis=0), n_boot=600).answer != "no evidence"
        for ours, theirs, _ in worlds(400, 0.0, 3, 60, noise=0.15)
    ]
    assert sum(alarms) > 12


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


def test_what_is_hard_for_both_cancels():
    rng = np.random.default_rng(0)
    baseline = (rng.random(300) < 0.6).astype(float)
    transfer = baseline.copy()
    transfer[np.flatnonzero(baseline == 0)[:12]] = 1
    assert transfer_verdict(transfer, baseline).answer == "helps"
    assert transfer_verdict(rng.permutation(transfer), baseline).answer == "no evidence"


@pytest.mark.parametrize("grouped", [False, True])
def test_the_ends_invert_the_sign_flip_test(grouped):
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), rng.integers(1, 4, 12)) if grouped else np.arange(12)
    weight = rng.uniform(0.5, 2, len(groups))
    difference = rng.standard_exponential(len(groups)) - 0.4

    def p_above(value):
        """One-sided p of the hypothesis that the mean is ``value``, over all 2 ** 12 flips of the groups' signs."""
        sums = np.array([(weight * (difference - value))[groups == group].sum() for group in range(12)])
        flips = np.array(list(itertools.product([-1, 1], repeat=12)))
        return (flips @ sums >= sums.sum()).mean()

    drawn = half_samples(difference[None], weight, groups, n_boot=40_000, random_state=0)[0]
    found = interval(float(np.average(difference, weights=weight)), drawn, 0.0)
    assert p_above(found.low) == pytest.approx(0.025, abs=0.003)
    assert p_above(found.high) == pytest.approx(0.975, abs=0.003)


def test_swapped_sides_give_the_opposite():
    rng = np.random.default_rng(0)
    one, other = rng.random((5, 200)), rng.random((4, 200)) * 1.5
    there, back = transfer_verdict(one, other), transfer_verdict(other, one)
    assert [there.answer, back.answer] == ["hurts", "helps"]
    assert there.gain.value == pytest.approx(-back.gain.value)
    ends = pytest.approx([-back.gain.high, -back.gain.low], abs=0.1 * back.gain.width)
    assert [there.gain.low, there.gain.high] == ends
    assert there.headline().startswith("Transfer hurts: 0.2") and "take the baseline" in there.headline()


def test_what_the_pictures_explain_of_the_variance_between_seeds():
    """The part is right if simulated means vary by it, and vary more by as much as the seeds really do."""
    rng = np.random.default_rng(0)
    ease, weight = rng.random(50), rng.uniform(0.5, 2, 100)
    groups = np.arange(100) // 2
    for spread in (0.0, 0.1):
        right = np.repeat(rng.random((20_000, 50)) < ease, 2, axis=1) + rng.normal(0, spread, (20_000, 1))
        between, by_chance = np.mean(
            [seed_variances(right[start : start + 4], weight, groups) for start in range(0, 20_000, 4)], axis=0
        )
        assert between == pytest.approx((right @ weight / weight.sum()).var(), rel=0.05)
        assert between - by_chance == pytest.approx(spread**2, abs=1e-4 + 0.04 * spread**2)


def test_a_side_with_one_seed_is_taken_to_vary_like_the_other():
    rng = np.random.default_rng(0)
    steady = np.tile(rng.random(200) < 0.8, (3, 1)).astype(float)
    varying = (rng.random((3, 200)) < np.array([[0.6], [0.7], [0.8]])).astype(float)
    ones, groups = np.ones(200), np.arange(200)

    def spread(ours, theirs):
        noise = seed_noise(ours, theirs, ones, groups, size=4000, random_state=0)
        return np.subtract(*np.quantile(noise, [0.75, 0.25]))

    assert [spread(steady, steady), spread(steady[:1], varying[:1])] == pytest.approx([0, 0], abs=1e-12)
    assert spread(steady[:1], varying) > 1.5 * spread(steady, varying) > 0
    notes = [transfer_verdict(steady[:k], varying[:m]).warnings for k, m in ((1, 3), (3, 1), (1, 1), (3, 2), (3, 3))]
    for note, words in zip(notes, ["of transfer", "of the baseline", "one seed a side", "two seeds"], strict=False):
        assert words in note[0]
    assert not notes[-1]
    assert not transfer_verdict(steady[:2], varying).warnings, "given twice because nothing random enters it"


def test_balanced_accuracy_weighs_each_class_the_same():
    y = np.repeat([0, 1], [180, 20])
    baseline = (y == 0).astype(float)  # always the majority
    transfer = np.ones(200)
    transfer[:40] = 0  # 40 of the majority lost, the minority found
    plain, balanced = transfer_verdict(transfer, baseline), transfer_verdict(transfer, baseline, y=y)
    assert plain.gain.value == pytest.approx((20 - 40) / 200) and plain.answer == "hurts"
    assert balanced.gain.value == pytest.approx((-40 / 180 + 1) / 2) and balanced.answer == "helps"
    assert balanced.score == "balanced accuracy"
    assert "where each picture counts the same" in " ".join(balanced.warnings)


def test_degenerate_input():
    same = transfer_verdict(np.ones((2, 50)), np.ones((2, 50)))
    assert same.answer == "no evidence" and same.gain.value == 0 and "score the same" in same.headline()
    assert same.gain.high == pytest.approx(1 - 0.025 ** (1 / 50)), "Clopper and Pearson: none of 50 differs"
    few = transfer_verdict(np.ones(3), np.zeros(3))
    assert few.answer == "no evidence" and math.isnan(few.gain.low)
    with pytest.raises(DataError, match="scores 5 pictures and correct_baseline 4"):
        transfer_verdict(np.ones(5), np.ones(4))
    one = transfer_verdict([True], [False])
    assert one.answer == "no evidence" and "1 picture with one seed a side can tell nothing" in one.headline()
    with pytest.raises(DataError, match=r"correct_transfer\[0, 1\] is nan"):
        transfer_verdict([1.0, np.nan], [1.0, 0.0])
    with pytest.raises(DataError, match=r"shape \(0,\)"):
        transfer_verdict([], [])
    with pytest.raises(DataError, match="several lengths"):
        transfer_verdict([[1, 0], [1]], [[1, 0]])
    with pytest.raises(DataError, match="groups have shape"):
        transfer_verdict(np.ones(5), np.zeros(5), groups=[0, 1])
    with pytest.raises(DataError, match="y has shape"):
        transfer_verdict(np.ones(5), np.zeros(5), y=[0, 1])


def test_it_shows_itself():
    rng = np.random.default_rng(1)
    ours, theirs = ((rng.random((2, 300)) < right).astype(float) for right in (0.9, 0.7))
    found = transfer_verdict(ours, theirs, groups=np.arange(300) // 2)
    gain = found.gain
    text = f"{100 * gain.value:.1f} points of accuracy ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
    assert found.headline() == (
        f"Transfer helps: {text} above the baseline, on 300 pictures (150 independent) with 2 seeds a side."
    )
    frame = found.to_frame()
    assert list(frame.index) == ["transfer 1", "transfer 2", "baseline 1", "baseline 2", "all"]
    assert frame["accuracy"].tolist() == pytest.approx([*ours.mean(axis=1), *theirs.mean(axis=1), ours.mean()])
    assert frame.loc["transfer 2", "gain"] == pytest.approx(ours[1].mean() - theirs.mean())
    *seeds, whole = found.plot().data
    assert len(seeds) == 2 and whole.x[0] == pytest.approx(100 * gain.value)
    assert whole.x[0] - whole.error_x.arrayminus[0] == pytest.approx(100 * gain.low)
    json.dumps(found.to_dict(), allow_nan=False)
    few = transfer_verdict(ours[:, :5], theirs[:, :5])
    few.plot()
    json.dumps(few.to_dict(), allow_nan=False)
    assert transfer_verdict(ours, theirs).to_dict() == transfer_verdict(ours, theirs).to_dict()


def test_any_score():
    rng = np.random.default_rng(0)
    loss = rng.exponential(size=(3, 80))
    found = transfer_verdict(-0.5 * loss, -loss)
    assert found.answer == "helps" and found.score == "mean score"
    assert f"{found.gain.value:.3g} of mean score" in found.headline()


def test_a_source_that_knows_nothing_is_not_said_to_help():
    baseline = np.tile([1, 1, 1, 0], 100)
    transfer = np.where(np.arange(400) % 20 == 3, 1, baseline)
    found = transfer_verdict(transfer, baseline)
    unproven = found.of_a_source(Interval(0.003, -0.01, 0.02))
    assert (unproven.answer, unproven.gain) == ("no evidence", found.gain)
    assert "the gain is the source's: 5.0 points of accuracy" in unproven.headline()
    *before, note = unproven.warnings
    assert tuple(before) == found.warnings
    assert "weights in random order (-1.0 to 2.0 points of balanced accuracy)" in note
    proven = found.of_a_source(Interval(0.3, 0.2, 0.4))
    assert proven.answer == "helps" and proven.headline() == found.headline()
    hurt = transfer_verdict(baseline, transfer)
    assert hurt.of_a_source(Interval(0.3, 0.2, 0.4)).answer == "hurts"
    json.dumps(unproven.to_dict(), allow_nan=False)

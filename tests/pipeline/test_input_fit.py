import numpy as np
import pytest
from sklearn.metrics import f1_score

from headstart.data.splits import sample_rows
from headstart.metrics.paired import paired_gain
from headstart.pipeline.input_fit import choose_input_fit


def features_of(quality, seed=0, n=200):
    """Features that tell three classes apart as well as ``quality`` says, for each way."""
    y = np.arange(n) % 3

    def features(fit):
        rng = np.random.default_rng([seed, sum(fit.encode())])
        return (rng.normal(size=(n, 20)) + quality[fit] * np.eye(20)[y]).astype(np.float32)

    return features, y


def test_a_clearly_better_way_is_taken_and_its_gain_is_stated():
    features, y = features_of({"crop": 0.3, "squash": 3.0, "pad": 0.3})
    answer = choose_input_fit(features, y, np.arange(len(y)), own="crop", random_state=0)
    assert answer.fit == "squash" and answer.gain["squash"].low > 0.2
    assert "squash" in answer.headline() and "over crop" in answer.headline()
    assert list(answer.to_frame().index) == ["crop", "squash", "pad"]


@pytest.mark.parametrize("own", ["crop", "pad"])
def test_without_a_difference_the_sources_own_way_mostly_stays(own):
    """Nine of ten times at least, where each of two other ways has a chance of one in forty to look better."""
    kept = 0
    for seed in range(30):
        features, y = features_of(dict.fromkeys(("crop", "squash", "pad"), 1.0), seed, n=120)
        kept += choose_input_fit(features, y, np.arange(len(y)), own=own, random_state=seed).fit == own
    assert kept >= 26


def test_the_sample_keeps_shares_and_small_classes():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [9000, 900, 3])
    rows = np.flatnonzero(rng.random(len(y)) < 0.9)
    sample = sample_rows(y, rows, 400, rng)
    assert set(sample) <= set(rows) and (np.diff(sample) > 0).all()
    counts = np.bincount(y[sample])
    assert counts[2] == (y[rows] == 2).sum() and 340 < counts[0] < 380 and 30 < counts[1] < 45
    assert sample_rows(y, rows[:50], 400, rng) is not None and len(sample_rows(y, rows[:50], 400, rng)) == 50


def test_paired_gain_is_the_difference_of_scikit_learns_scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300)
    ours, theirs = (rng.dirichlet(np.ones(4), 300) + weight * np.eye(4)[y] for weight in (0.6, 0.3))
    gain = paired_gain(y, ours, theirs, np.arange(300), random_state=0)
    expected = f1_score(y, ours.argmax(1), average="macro") - f1_score(y, theirs.argmax(1), average="macro")
    assert gain.value == pytest.approx(expected, abs=1e-12) and gain.low > 0
    same = paired_gain(y, ours, ours, np.arange(300), random_state=0)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    four = [np.repeat(part, 4, axis=0) for part in (y, ours, theirs)]
    copies = paired_gain(*four, np.arange(300).repeat(4), random_state=0)
    assert copies.width == pytest.approx(gain.width, rel=1e-9), "copies add no evidence"

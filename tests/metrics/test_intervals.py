import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from headstart.metrics import METRICS, bootstrap, bootstrap_classes, paired_gain, scores
from headstart.metrics.intervals import _groups, bias_corrected, resamples
from headstart.metrics.scores import weighted_scores
from headstart.results import DataError

PREVALENCE = np.array([0.26, 0.15, 0.12, 0.1, 0.1, 0.08, 0.07, 0.05, 0.04, 0.03])


def world(rng, n, prevalence=PREVALENCE, sharp=2.5):
    """Examples of a world whose true metrics a large sample tells."""
    k = len(prevalence)
    y = rng.choice(k, n, p=prevalence)
    z = rng.standard_normal((n, k))
    z[np.arange(n), y] += sharp
    table = np.exp(2 * z) * prevalence
    return y, table / table.sum(axis=1, keepdims=True)


def test_a_resample_scored_by_weights_is_the_resample_scored_row_by_row():
    rng = np.random.default_rng(0)
    y, table = world(rng, 90, np.array([0.6, 0.3, 0.1]))
    groups = rng.integers(0, 40, 90)
    weights = np.concatenate(list(resamples(_groups(groups, 90), 20, 1)))
    found = weighted_scores(y, table, weights, METRICS)
    for b, weight in enumerate(weights.astype(int)):
        assert all(len(set(weight[groups == group])) == 1 for group in set(groups))  # whole groups
        rows = np.repeat(np.arange(90), weight)
        expected = scores(y[rows], table[rows])
        assert {name: found[name][b] for name in METRICS} == pytest.approx(expected, abs=1e-10, nan_ok=True)
        assert expected["macro_f1"] == pytest.approx(f1_score(y[rows], table[rows].argmax(axis=1), average="macro"))
        there = [code for code in range(3) if (y[rows] == code).any()]
        ranks = [(y[rows] == code, table[rows, code]) for code in there]
        assert expected["roc_auc"] == pytest.approx(np.mean([roc_auc_score(*pair) for pair in ranks]))
        assert expected["pr_auc"] == pytest.approx(np.mean([average_precision_score(*pair) for pair in ranks]))


def test_as_many_groups_are_drawn_as_there_are():
    chunks = list(resamples(np.arange(50), 30, 3, cells=1_000_000))
    assert len(chunks) > 1
    assert (np.concatenate(chunks).sum(axis=1) == 50).all()
    assert np.array_equal(np.concatenate(chunks), np.concatenate(list(resamples(np.arange(50), 30, 3))))


def test_coverage():
    """200 test sets of 300 examples, ten classes: the intervals hold the truth about as often as they say.

    With 600 sets and 500 resamples, for n = 370 and n = 1,000: macro-F1 0.947, 0.940; balanced accuracy 0.948, 0.945;
    accuracy 0.943, 0.933; ROC-AUC 0.917, 0.943; PR-AUC 0.928, 0.952; log loss 0.935, 0.945; calibration error 0.875,
    0.875. For n = 150 in four classes of 60 to 5 %: 0.940, 0.893, 0.955, 0.923, 0.872, 0.925, 0.932.
    """
    truth = scores(*world(np.random.default_rng(0), 300_000))
    held = dict.fromkeys(METRICS, 0)
    for seed in range(200):
        y, table = world(np.random.default_rng(seed + 1), 300)
        for name, found in bootstrap(y, table, n_boot=200, random_state=seed, metrics=METRICS).items():
            held[name] += found.low <= truth[name] <= found.high
    for name in METRICS:
        assert held[name] / 200 > (0.8 if name == "ece" else 0.88), (name, held[name])


def test_copies_are_no_evidence():
    y, table = world(np.random.default_rng(0), 150)
    four = np.repeat(np.arange(150), 4)
    once = bootstrap(y, table, random_state=0)
    grouped = bootstrap(y[four], table[four], four, random_state=0)
    alone = bootstrap(y[four], table[four], random_state=0)
    for name in ("accuracy", "macro_f1", "roc_auc"):
        assert grouped[name].width == pytest.approx(once[name].width, rel=0.15)
        assert alone[name].width < 0.65 * once[name].width  # half as wide: four times the rows, none of them new


def test_same_seed_same_interval():
    y, table = world(np.random.default_rng(0), 100)
    assert bootstrap(y, table, random_state=4) == bootstrap(y, table, random_state=4)
    assert bootstrap(y, table, random_state=4) != bootstrap(y, table, random_state=5)


def test_no_mistake_seen_is_not_no_mistake():
    y = np.arange(40) % 2
    found = bootstrap(y, np.eye(2)[y], np.arange(40) // 2)
    # Clopper and Pearson: 20 of 20 right.
    from scipy.stats import binomtest

    assert found["accuracy"].low == pytest.approx(binomtest(20, 20).proportion_ci(method="exact").low)
    assert found["macro_f1"].high == 1.0


def test_undefined_is_nan_not_an_error():
    found = bootstrap([1, 1, 1], [[0.2, 0.8]] * 3)["roc_auc"]
    assert np.isnan([found.value, found.low, found.high]).all()
    # One example of class 1: about a third of the resamples have none, and those are left out.
    rare = bootstrap([0] * 9 + [1], [[0.9, 0.1]] * 9 + [[0.4, 0.6]])["roc_auc"]
    assert (rare.value, rare.low, rare.high) == (1, 1, 1)


def test_bias_correction_is_efrons():
    from scipy.stats import bootstrap as reference
    from scipy.stats import norm

    drawn = np.random.default_rng(0).normal(0.3, 1, 4000)
    shift = norm.ppf((drawn < 0).mean())
    expected = np.quantile(drawn, norm.cdf([2 * shift - 1.959964, 2 * shift + 1.959964]))
    found = bias_corrected(0.0, drawn)
    assert [found.low, found.high] == pytest.approx(expected, abs=1e-6)
    # and close to the full BCa interval of a mean, whose acceleration is small
    sample = np.random.default_rng(1).exponential(size=300)
    bca = reference((sample,), np.mean, n_resamples=4000, rng=np.random.default_rng(2)).confidence_interval
    means = np.concatenate([weights @ sample / 300 for weights in resamples(np.arange(300), 4000, 3)])
    ours = bias_corrected(float(sample.mean()), means)
    assert [ours.low, ours.high] == pytest.approx([bca.low, bca.high], abs=0.02)


def test_each_class():
    y, table = world(np.random.default_rng(0), 400)
    found = bootstrap_classes(y, table, random_state=0)
    predicted = table.argmax(axis=1)
    assert [one.value for one in found["f1"]] == pytest.approx(f1_score(y, predicted, average=None))
    recall = found["recall"][0]
    n = (y == 0).sum()
    assert recall.width == pytest.approx(2 * 1.96 * np.sqrt(recall.value * (1 - recall.value) / n), rel=0.25)


def test_a_paired_gain_is_narrower_than_two_intervals():
    rng = np.random.default_rng(0)
    y, table = world(rng, 400)
    other = table.copy()
    other[:20] = np.eye(10)[(y[:20] + 1) % 10]
    gain = paired_gain(y, table, other, np.arange(400), metric="accuracy", random_state=0)
    assert gain.value == pytest.approx(scores(y, table)["accuracy"] - scores(y, other)["accuracy"])
    assert 0 < gain.low < gain.value < gain.high
    assert gain.width < bootstrap(y, table, metrics=["accuracy"])["accuracy"].width


def test_what_does_not_fit_is_said():
    with pytest.raises(DataError, match="auc"):
        bootstrap([0, 1], np.eye(2), metrics=["auc"])
    with pytest.raises(DataError, match=r"groups have shape \(3,\) for 2"):
        bootstrap([0, 1], np.eye(2), [0, 1, 2])

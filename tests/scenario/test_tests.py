"""The tests of this room against brute force, other libraries and their own null distributions."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, ks_2samp, mannwhitneyu
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from headstart.results import DataError
from headstart.scenario import bbse, classifier_test, feature_shifts, holm, mmd_test
from headstart.scenario.basis import Basis, basis, ridge_out_of_fold
from headstart.scenario.classifier_test import _auc, told_apart
from headstart.scenario.conditional import residual_test
from headstart.scenario.label_shift import resampled, says_test, shares_test
from headstart.scenario.table import read_table

RNG = np.random.default_rng


def test_ridge_out_of_fold_is_ridge_of_each_fold():
    rng = RNG(0)
    table, wanted, fold = rng.normal(size=(40, 5)) + 3, rng.normal(size=(40, 2)), np.arange(40) % 4
    found = ridge_out_of_fold(table, wanted, fold, [0.1, 2.0])
    for position, penalty in enumerate((0.1, 2.0)):
        for number in range(4):
            train, test = fold != number, fold == number
            model = Ridge(alpha=penalty * train.sum()).fit(table[train], wanted[train])
            assert found[position, test] == pytest.approx(model.predict(table[test]))


def test_the_leading_components_keep_all_distances_where_they_are_all_kept():
    table = RNG(0).normal(size=(30, 200))
    seen = basis(table - table.mean(axis=0), RNG(0)).linear
    assert seen.shape == (30, 29)
    ours, theirs = (np.linalg.norm(one[:, None] - one, axis=2) for one in (seen, table))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] == pytest.approx(1)


def test_random_waves_are_the_gaussian_kernel():
    rng = RNG(0)
    table = rng.normal(size=(60, 2))
    gram = np.mean([waves @ waves.T for waves in _waves(table, 40)], axis=0)
    width = np.median(np.linalg.norm(table[:, None] - table, axis=2)[np.triu_indices(60, 1)])
    kernel = np.exp(-(np.linalg.norm(table[:, None] - table, axis=2) ** 2) / (2 * width**2))
    centre = np.eye(60) - 1 / 60
    assert gram == pytest.approx(centre @ kernel @ centre, abs=0.08)


def _waves(table, times):
    for seed in range(times):
        wide = basis(table, RNG(seed)).wide[:, table.shape[1] :]
        yield wide / np.sqrt(wide.shape[1])


def test_auc_within_strata_is_the_mann_whitney_statistic():
    rng = RNG(0)
    scores, origin = rng.normal(size=50).round(1), rng.integers(0, 2, 50)
    assert _auc(scores, origin, np.zeros(50, int)) == pytest.approx(roc_auc_score(origin, scores))
    strata = np.arange(50) % 2
    total = weight = 0.0
    for code in (0, 1):
        one, two = (scores[(strata == code) & (origin == side)] for side in (1, 0))
        total += mannwhitneyu(one, two).statistic / (len(one) + len(two) + 1)
        weight += len(one) * len(two) / (len(one) + len(two) + 1)
    assert _auc(scores, origin, strata) == pytest.approx(total / weight)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.3)])
def test_p_values_of_the_classifier_test_hold(shares):
    """At most as many as the level says are below it, also within classes whose shares differ."""
    found = []
    for seed in range(80):
        rng = RNG(seed)
        ys, yt = rng.random(50) < shares[0], rng.random(40) < shares[1]
        Xs, Xt = rng.normal(size=(50, 3)) + 2 * ys[:, None], rng.normal(size=(40, 3)) + 2 * yt[:, None]
        strata = None if shares[0] == shares[1] else (ys, yt)
        found.append(classifier_test(Xs, Xt, strata=strata, n_permutations=19, random_state=seed).p_value)
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.125  # 0.05 and three standard errors
    assert 0.33 <= np.mean(np.array(found) <= 0.5) <= 0.67


def test_the_classifier_sees_more_than_means_and_a_class_that_moves_alone():
    rng = RNG(1)
    wide = classifier_test(rng.normal(size=(150, 2)), rng.normal(0, 2, size=(150, 2)), n_permutations=99)
    assert wide.p_value == 0.01 and wide.auc > 0.6
    # The classes change places in the target: X is alike, and so is it for no class by itself.
    y = np.arange(300) % 2
    X = rng.normal(size=(600, 2)) + 1.5 * np.concatenate([y, 1 - y])[:, None]
    assert classifier_test(X[:300], X[300:], n_permutations=99).p_value > 0.05
    assert classifier_test(X[:300], X[300:], strata=(y, y), n_permutations=99).p_value == 0.01


def test_mmd_is_the_double_sum():
    rng = RNG(0)
    Xs, Xt = rng.normal(size=(12, 3)), rng.normal(0.5, 1, size=(9, 3))
    found = mmd_test(Xs, Xt, n_permutations=49)

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * found.width**2))

    within_s = np.mean([kernel(a, b) for i, a in enumerate(Xs) for j, b in enumerate(Xs) if i != j])
    within_t = np.mean([kernel(a, b) for i, a in enumerate(Xt) for j, b in enumerate(Xt) if i != j])
    across = np.mean([kernel(a, b) for a in Xs for b in Xt])
    assert found.mmd2 == pytest.approx(within_s + within_t - 2 * across)
    assert (mmd_test(Xs, Xt, most=5, n_permutations=9).n_source) == 5


def test_p_values_of_mmd_hold():
    found = [
        mmd_test(RNG(seed).normal(size=(15, 2)), RNG(seed + 999).normal(size=(25, 2)), n_permutations=19).p_value
        for seed in range(200)
    ]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.1


def test_each_feature_is_tested_as_scipy_does_and_holm_is_its_definition():
    rng = RNG(0)
    source = pd.DataFrame({"a": rng.normal(size=80), "b": rng.choice(list("xyz"), 80), "c": [1.0] * 80})
    target = pd.DataFrame({"a": rng.normal(1, 1, size=60), "b": rng.choice(list("xy"), 60), "c": [1.0] * 60})
    found = {one.name: one for one in feature_shifts(read_table(source), read_table(target), ["a", "b", "c"])}
    assert found["a"].p_value == pytest.approx(ks_2samp(source["a"], target["a"]).pvalue)
    crossed = pd.crosstab(np.r_[np.zeros(80), np.ones(60)], np.r_[source["b"], target["b"]])
    assert found["b"].p_value == pytest.approx(chi2_contingency(crossed, correction=False).pvalue)
    assert found["c"].p_value == 1 and found["c"].distance == 0
    p = np.array([0.2, 0.001, 0.03, 0.03])
    for level in (0.005, 0.05, 0.1, 0.5):
        rejected, ordered = 0, np.sort(p)
        while rejected < 4 and ordered[rejected] <= level / (4 - rejected):
            rejected += 1
        assert (holm(p) <= level).sum() == rejected


def test_bbse_finds_the_shares_and_stays_where_the_model_is_blind():
    rng = RNG(0)
    y, yt = rng.choice(3, 20_000, p=[0.4, 0.4, 0.2]), rng.choice(3, 20_000, p=[0.1, 0.3, 0.6])
    says = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    assert bbse(says[y], y, says[yt]) == pytest.approx([0.1, 0.3, 0.6], abs=0.02)
    blind = np.full((3, 3), 1 / 3)
    assert bbse(blind[y], y, blind[yt]) == pytest.approx(np.bincount(y) / len(y))


def test_shares_test_is_chi2_on_large_counts_and_says_test_holds():
    counts = np.array([[120, 80, 40], [100, 100, 60]])
    assert shares_test(counts, 9999, RNG(0)) == pytest.approx(
        chi2_contingency(counts, correction=False).pvalue, abs=0.015
    )
    rng = RNG(0)
    found = [says_test(rng.dirichlet([1, 2, 3], 60), rng.dirichlet([1, 2, 3], 80)) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09


def test_resampled_rows_have_the_shares_and_none_stands_twice():
    codes = np.repeat([0, 1, 2], [100, 60, 40])
    rows = resampled(codes, np.array([0.2, 0.0, 0.8]), RNG(0))
    assert np.bincount(codes[rows], minlength=3).tolist() == [10, 0, 40] and len(set(rows)) == 50


def _residuals(seed, changed, n=150):
    rng = RNG(seed)
    X = rng.normal(size=(2 * n, 2))
    X[n:, 0] += 0.7
    slope = np.where(np.arange(2 * n) < n, 1.0, -1.0 if changed else 1.0)
    y = (rng.random(2 * n) < 1 / (1 + np.exp(-1.5 * X[:, 0] - 1.5 * slope * X[:, 1]))).astype(int)
    return residual_test(basis(X, rng), (np.arange(2 * n) >= n).astype(int), y, rng.exponential(size=2 * n), rng, 199)


def test_the_residual_test_holds_under_covariate_shift_and_sees_a_changed_slope():
    found = np.array([_residuals(seed, changed=False).p_value for seed in range(12)])
    assert np.mean(found <= 0.05) <= 0.17  # at 5 % more has probability 0.02
    assert found.min() < 0.2 < found.max()
    assert all(_residuals(seed, changed=True).p_value == 0.005 for seed in range(2))


def test_samples_that_lie_apart_do_not_overlap():
    rng = RNG(0)
    X = rng.normal(size=(200, 2)) + 20 * (np.arange(200) >= 100)[:, None]
    y = rng.integers(0, 2, 200)
    found = residual_test(basis(X, rng), (np.arange(200) >= 100).astype(int), y, np.ones(200), rng, 99)
    assert found.overlap < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classifier_test(np.ones((1, 2)), np.ones((3, 2))), "1 source rows and 3 target rows"),
        (lambda: classifier_test(np.ones((3, 2)), np.ones((3, 2)), strata=([0] * 3, [1] * 3)), "no class is in source"),
        (lambda: classifier_test(np.ones((3, 2)), np.ones((3, 2)), strata=([0], [1])), "strata of shape"),
        (lambda: classifier_test([[np.nan]] * 3, [[1.0]] * 3), "features of row 0"),
        (lambda: mmd_test(np.ones((1, 2)), np.ones((3, 2))), "at least two of each"),
        (lambda: bbse(np.ones((2, 2)), [0], np.ones((2, 2))), "do not fit"),
        (lambda: bbse(np.ones((0, 2)), np.zeros(0, int), np.ones((2, 2))), "at least one row"),
    ],
)
def test_what_cannot_be_tested_is_said(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_constants_are_no_difference():
    assert told_apart(Basis(np.zeros((20, 1)), np.zeros((20, 3))), 10, None, 19, RNG(0)).p_value > 0.05
    assert classifier_test(np.ones((5, 2)), np.ones((5, 2)), n_permutations=19).p_value > 0.05
    assert mmd_test(np.ones((5, 2)), np.ones((5, 2)), n_permutations=19).p_value == 1

"""Cut points and thresholds of labels against every threshold tried by scikit-learn's metrics."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from headstart.imbalance import tune_cuts, tune_label_thresholds
from headstart.imbalance.cuts import HALF_WAY, PROBABLE, TUNED, best_cuts, cut
from headstart.results import DataError


def ranks(n, k, seed, noise=0.8):
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=np.array([0.6, 0.25, 0.1, 0.05])[:k] / np.array([0.6, 0.25, 0.1, 0.05])[:k].sum())
    seen = y + rng.normal(0, noise, n)
    p = np.exp(-((np.arange(k) - seen[:, None]) ** 2))
    return y, p / p.sum(axis=1, keepdims=True)


def kappa(y, said):
    return cohen_kappa_score(y, said, weights="quadratic")


def every_place(place):
    values = np.unique(place)
    return [-1.0, *((values[:-1] + values[1:]) / 2), 9.0]


@pytest.mark.parametrize("seed", range(5))
def test_one_cut_point_is_the_best_of_all(seed):
    y, p = ranks(40, 2, seed)
    place = p @ np.arange(2)
    best = max(kappa(y, cut(place, [one])) for one in every_place(place))
    assert kappa(y, cut(place, best_cuts(y, place, 2))) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(2))
def test_several_cut_points_can_none_of_them_be_moved_for_the_better(seed):
    y, p = ranks(40, 4, seed)
    place = p @ np.arange(4)
    cuts = best_cuts(y, place, 4)
    reached = kappa(y, cut(place, cuts))
    assert (np.diff(cuts) >= 0).all()
    assert reached >= kappa(y, cut(place, [0.5, 1.5, 2.5])) - 1e-12
    for number, other in itertools.product(range(3), every_place(place)):
        moved = cuts.copy()
        moved[number] = other
        if (np.diff(moved) >= 0).all():
            assert kappa(y, cut(place, moved)) <= reached + 1e-9


def test_two_cut_points_come_near_the_best_pair():
    gaps = []
    for seed in range(4):
        y, p = ranks(12, 3, seed)
        place = p @ np.arange(3)
        best = max(
            kappa(y, cut(place, pair)) for pair in itertools.combinations_with_replacement(every_place(place), 2)
        )
        gaps.append(best - kappa(y, cut(place, best_cuts(y, place, 3))))
    assert min(gaps) >= -1e-12 and np.median(gaps) < 0.01


def test_the_rule_that_is_taken_is_measured_on_rows_that_did_not_tune():
    y, p = ranks(400, 4, 0)
    found = tune_cuts(y, p, n_boot=100)
    assert found.kappas[PROBABLE].value == pytest.approx(kappa(y, p.argmax(axis=1)))
    assert found.kappas[HALF_WAY].value == pytest.approx(kappa(y, np.rint(p @ np.arange(4)).astype(int)))
    assert found.kappas[TUNED].value <= found.flattered + 1e-12
    assert found.kappas[found.rule].value == max(one.value for one in found.kappas.values())
    assert kappa(y, found.decisions) == pytest.approx(found.kappas[found.rule].value)
    frame = found.to_frame()
    assert frame["taken"].sum() == 1 and "kappa" in found.headline()


def test_on_noise_tuning_flatters_and_cross_fitting_does_not():
    rng = np.random.default_rng(0)
    found = [tune_cuts(rng.integers(0, 3, 150), rng.dirichlet([1, 1, 1], 150), n_boot=2) for _ in range(8)]
    assert np.mean([one.flattered for one in found]) > 0.08
    assert abs(np.mean([one.kappas[TUNED].value for one in found])) < 0.05


def test_the_threshold_of_each_label_is_the_best_of_all():
    rng = np.random.default_rng(0)
    Y = (rng.random((90, 3)) < [0.5, 0.3, 0.2]).astype(float)
    p = 1 / (1 + np.exp(-(rng.normal(size=(90, 3)) + 2 * Y - 2)))
    found = tune_label_thresholds(Y, p, labels=["a", "b", "c"], n_boot=100)
    for number, threshold in enumerate(found.tuned):
        best = max(f1_score(Y[:, number], p[:, number] >= one) for one in p[:, number])
        assert f1_score(Y[:, number], p[:, number] >= threshold) == pytest.approx(best)
    assert found.untuned_f1.value == pytest.approx(f1_score(Y, p >= 0.5, average="macro"))
    assert found.gain.value == pytest.approx(found.tuned_f1.value - found.untuned_f1.value)
    assert found.taken == (found.gain.low > 0)
    assert list(found.to_frame().index) == ["a", "b", "c"]


def test_labels_with_few_examples_keep_a_half_and_good_probabilities_need_none():
    rng = np.random.default_rng(1)
    Y = np.zeros((100, 2))
    Y[:4, 0], Y[:50, 1] = 1, 1
    p = np.clip(0.8 * Y + 0.2 * rng.random((100, 2)), 0, 1)
    found = tune_label_thresholds(Y, p, labels=["rare", "usual"], n_boot=100)
    assert found.tuned[0] == 0.5 and "'rare'" in found.warnings[0]
    assert not found.taken and found.thresholds == (0.5, 0.5) and np.array_equal(found.decisions, Y)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: tune_cuts([0, 1], [[1.0, 0.0], [0.0, 1.0]], groups=[0, 0]), "1 independent rows"),
        (lambda: tune_cuts([0, 0], [[1.0], [1.0]]), "two or more"),
        (lambda: tune_cuts([0, 1], [[0.9, 0.0], [0.0, 1.0]]), "add up to 1"),
        (lambda: tune_label_thresholds([[0], [1]], [[0.1], [0.9]], groups=[1, 1]), "1 independent rows"),
        (lambda: tune_label_thresholds([[0], [1]], [[0.1], [0.9]], labels=["a", "b"]), "2 names for 1 labels"),
    ],
)
def test_what_does_not_fit_is_said(call, told):
    with pytest.raises(DataError, match=told):
        call()

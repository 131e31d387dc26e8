"""Metrics of numbers, ranks and labels against scikit-learn and SciPy; weights against rows that are repeated."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics as sk

from headstart.metrics import intervals, label_each, label_scores, number_scores, ordered_scores
from headstart.results import DataError


def numbers(seed=0, n=60):
    rng = np.random.default_rng(seed)
    y = np.round(rng.normal(size=n), 1)  # with ties
    return y, np.round(0.5 * y + rng.normal(size=n), 1)


def labels(seed=0, n=50, m=4):
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, m)) < [0.5, 0.3, 0.2, 0.1]).astype(float)
    Y[0] = 1
    return Y, np.round(np.clip(0.4 * Y + 0.6 * rng.random((n, m)), 0, 1), 2)


def test_numbers_are_measured_as_by_scikit_learn_and_scipy():
    y, said = numbers()
    found = {name: value[0] for name, value in number_scores(y, said).items()}
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, said))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, said))
    assert found["r2"] == pytest.approx(sk.r2_score(y, said))
    assert found["spearman"] == pytest.approx(spearmanr(y, said).statistic)


def test_ranks_are_measured_as_by_scikit_learn():
    rng = np.random.default_rng(1)
    y = rng.choice(5, 80, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    said = np.clip(y + rng.integers(-2, 3, 80), 0, 4)
    found = {name: value[0] for name, value in ordered_scores(y, said, 5).items()}
    assert found["qwk"] == pytest.approx(sk.cohen_kappa_score(y, said, weights="quadratic"))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, said))
    by_class = [sk.mean_absolute_error(y[y == code], said[y == code]) for code in np.unique(y)]
    assert found["macro_mae"] == pytest.approx(np.mean(by_class))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, said))
    assert found["within_one"] == pytest.approx(np.mean(np.abs(y - said) <= 1))


def test_labels_are_measured_as_by_scikit_learn():
    Y, p = labels()
    said = (p >= 0.5).astype(float)
    found = {name: value[0] for name, value in label_scores(Y, p).items()}
    assert found["macro_f1"] == pytest.approx(sk.f1_score(Y, said, average="macro"))
    assert found["micro_f1"] == pytest.approx(sk.f1_score(Y, said, average="micro"))
    assert found["macro_ap"] == pytest.approx(sk.average_precision_score(Y, p, average="macro"))
    assert found["exact"] == pytest.approx(sk.accuracy_score(Y, said))
    assert found["hamming"] == pytest.approx(sk.hamming_loss(Y, said))
    each = label_each(Y, p)
    assert each["f1"] == pytest.approx(sk.f1_score(Y, said, average=None))
    assert each["precision"] == pytest.approx(sk.precision_score(Y, said, average=None))
    assert each["ap"] == pytest.approx(sk.average_precision_score(Y, p, average=None))


def test_a_weight_of_two_is_a_row_that_stands_twice():
    times = np.random.default_rng(3).integers(0, 4, 50)
    y, said = numbers(n=50)
    Y, p = labels(n=50)
    ranks = np.random.default_rng(4).integers(0, 4, (2, 50))
    for scores, arrays in (
        (number_scores, (y, said)), (lambda a, b, w=None: ordered_scores(a, b, 4, w), tuple(ranks)),
        (lambda a, b, w=None: label_scores(a, b, None, w), (Y, p)),
    ):  # fmt: skip
        weighted = scores(*arrays, times[None].astype(float))
        repeated = scores(*(np.repeat(one, times, axis=0) for one in arrays))
        for name, value in weighted.items():
            assert value[0] == pytest.approx(repeated[name][0]), name


def test_what_is_undefined_is_nan_and_constants_have_no_agreement():
    constant = number_scores([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert np.isnan(constant["r2"][0]) and np.isnan(constant["spearman"][0])
    assert ordered_scores([0, 1, 2], [1, 1, 1], 3)["qwk"][0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(ordered_scores([1, 1], [1, 1], 3)["qwk"][0])
    never = label_scores([[1, 0], [0, 0]], [[0.9, 0.1], [0.2, 0.1]])  # a label that neither occurs nor is said
    assert never["macro_f1"][0] == 1 and never["macro_ap"][0] == 1
    shifted = number_scores(np.array([1.0, 2.0, 3.0]) + 1e6, np.array([1.0, 2.5, 3.0]) + 1e6)
    assert shifted["r2"][0] == pytest.approx(0.875, abs=1e-3)


def test_intervals_cover_a_known_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    hit = 0
    for seed in range(100):
        y = rng.normal(size=60)
        found = intervals(lambda w, y=y: {"mean": w @ y / w.sum(axis=1)}, np.arange(60), n_boot=200, random_state=seed)
        hit += found["mean"].low <= 0 <= found["mean"].high
    assert 86 <= hit <= 100


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: number_scores([], []), "n at least 1"),
        (lambda: number_scores([1, 2], [1.0, np.nan]), "row 1 has y 2 and predicted nan"),
        (lambda: number_scores([1, 2], [1, 2], [[1, -1]]), "none negative"),
        (lambda: ordered_scores([0, 3], [0, 1], 3), "class indices from 0 to 2"),
        (lambda: ordered_scores([], [], 3), "n at least 1"),
        (lambda: label_scores([[0, 2]], [[0.1, 0.2]]), "Y holds other values than 0 and 1"),
        (lambda: label_scores([[0, 1]], [[0.1]]), "probabilities \\(1, 1\\)"),
        (lambda: label_scores([[0, 1]], [[0.1, np.inf]]), "not all finite"),
    ],
)
def test_what_does_not_fit_is_said(call, told):
    with pytest.raises(DataError, match=told):
        call()

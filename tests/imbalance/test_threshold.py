"""Decisions against brute force over all thresholds, and what tuning claims against rows it never saw."""

import itertools

import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score
from sklearn import metrics

from headstart.imbalance import bayes_decision, decide, parse_cost, tune_thresholds
from headstart.imbalance._counted import COUNTED, Objective
from headstart.imbalance.offsets import _along, best_offsets
from headstart.results import DataError

OF_SKLEARN = {
    "f1_macro": lambda y, said: metrics.f1_score(y, said, average="macro"),
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "accuracy": metrics.accuracy_score,
    "matthews_corrcoef": metrics.matthews_corrcoef,
    "geometric_mean": lambda y, said: geometric_mean_score(y, said, average="multiclass"),
    "f1": metrics.f1_score,
}


def scored(n=200, shares=(0.8, 0.2), signal=1.5, seed=0):
    """Labels and probabilities of a model that is right about the densities."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    y = np.r_[np.arange(k), rng.choice(k, n - k, p=shares)]
    x = rng.normal(size=(n, k)) + signal * np.eye(k)[y]
    logits = signal * x + np.log(shares)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("k", [2, 4])
def test_metrics_of_decisions_are_scikit_learns(name, k):
    if name == "f1" and k > 2:
        return
    rng = np.random.default_rng(1)
    for n in (3, 50):
        y, said = np.r_[np.arange(k), rng.integers(0, k, n)], rng.integers(0, k, n + k)
        matrix = metrics.confusion_matrix(y, said, labels=range(k)).astype(float)
        found = Objective.of(name, 1, k).of_matrix(matrix)
        assert found == pytest.approx(OF_SKLEARN[name](y, said))
        constant = np.zeros((k, k))
        constant[:, 0] = np.bincount(y, minlength=k)
        assert Objective.of(name, 1, k).of_matrix(constant) == pytest.approx(OF_SKLEARN[name](y, np.zeros_like(y)))


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("name", [*COUNTED, "neg_cost"])
def test_all_thresholds_of_a_class_in_one_pass_are_the_confusion_matrices_one_by_one(name, k):
    if name == "f1" and k > 2:
        return
    rng = np.random.default_rng(3)
    cost = rng.uniform(1, 9, (k, k)) * (1 - np.eye(k))
    objective = Objective(name, cost=cost) if name == "neg_cost" else Objective.of(name, 1, k)
    for code, n in itertools.product(range(k), (1, 2, 40)):
        true, other = rng.integers(0, k, n), rng.choice(np.delete(np.arange(k), code), n)
        for t, value in enumerate(_along(true, other, objective, code, k)):
            said = np.where(np.arange(n) < t, code, other)
            matrix = metrics.confusion_matrix(true, said, labels=range(k)).astype(float)
            assert value == pytest.approx(float(objective.of_matrix(matrix)), abs=1e-12)


@pytest.mark.parametrize("name", COUNTED)
def test_two_classes_get_the_best_of_all_thresholds(name):
    for seed in range(4):
        y, p = scored(60, seed=seed)
        objective = Objective.of(name, 1, 2)
        reached = OF_SKLEARN[name](y, decide(p, best_offsets(y, p, objective)))
        cuts = np.r_[-1, np.unique(p[:, 1]), 2]
        assert reached == pytest.approx(max(OF_SKLEARN[name](y, (p[:, 1] > cut).astype(int)) for cut in cuts))


def test_ties_and_certain_probabilities_are_thresholds_too():
    y = np.array([0, 0, 1, 1, 0, 1])
    p = np.array([0.0, 0.3, 0.3, 1.0, 0.3, 0.3])
    table = np.column_stack([1 - p, p])
    for name in COUNTED:
        best = max(OF_SKLEARN[name](y, (p > cut).astype(int)) for cut in (-1, 0.1, 0.5, 2))
        found = best_offsets(y, table, Objective.of(name, 1, 2))
        assert OF_SKLEARN[name](y, decide(table, found)) == pytest.approx(best) and np.isfinite(found).all()


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy", "matthews_corrcoef"])
def test_three_classes_come_near_the_best_of_a_fine_grid_and_never_below_no_offsets(name):
    y, p = scored(80, shares=(0.7, 0.2, 0.1))
    reached = OF_SKLEARN[name](y, decide(p, best_offsets(y, p, Objective.of(name, 1, 3))))
    grid = np.linspace(-4, 4, 17)
    best = max(OF_SKLEARN[name](y, decide(p, [0, a, b])) for a, b in itertools.product(grid, grid))
    assert reached >= OF_SKLEARN[name](y, p.argmax(axis=1)) and reached >= best - 0.02


def test_no_single_class_can_gain_once_the_ascent_ends():
    y, p = scored(120, shares=(0.6, 0.2, 0.15, 0.05))
    offsets = best_offsets(y, p, Objective.of("f1_macro", 1, 4))
    reached = OF_SKLEARN["f1_macro"](y, decide(p, offsets))
    for code, move in itertools.product(range(4), np.linspace(-5, 5, 81)):
        assert OF_SKLEARN["f1_macro"](y, decide(p, offsets + move * np.eye(4)[code])) <= reached + 1e-12


def test_a_cost_matrix_is_made_as_low_as_any_threshold_makes_it():
    y, p = scored(80)
    cost = parse_cost("fn=10,fp=1,tp=0.5")
    found = tune_thresholds(y, p, cost=cost, n_boot=50)
    lowest = min(cost[y, (p[:, 1] > cut).astype(int)].mean() for cut in np.r_[-1, np.unique(p[:, 1]), 2])
    assert found.metric == "neg_cost" and found.flattered == pytest.approx(-lowest)
    assert found.untuned.value == pytest.approx(-cost[y, bayes_decision(p, cost)].mean())


def test_cross_fitted_decisions_use_other_rows_only():
    """On noise with distinct probabilities the tuned rows look good; the estimate must not."""
    gains, flattered = [], []
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)  # not the seed of the folds, which would then know p
        p = rng.random(60)
        found = tune_thresholds(
            rng.permutation(np.repeat([0, 1], 30)), np.column_stack([1 - p, p]),
            metric="balanced_accuracy", n_boot=2, random_state=seed,
        )  # fmt: skip
        gains.append(found.tuned.value)
        flattered.append(found.flattered)
    assert np.mean(flattered) > 0.55 and abs(np.mean(gains) - 0.5) < 0.03


def test_the_estimate_is_that_of_offsets_refitted_by_hand():
    """With one group a row and as many folds as rows every fold is one left-out row."""
    y, p = scored(24)
    found = tune_thresholds(y, p, metric="accuracy", n_folds=24, n_boot=50)
    objective = Objective.of("accuracy", 1, 2)
    rows = np.arange(24)
    said = [decide(p[[i]], best_offsets(y[rows != i], p[rows != i], objective))[0] for i in rows]
    assert found.tuned.value == pytest.approx((np.array(said) == y).mean())
    assert found.gain.value == pytest.approx(found.tuned.value - found.untuned.value)


def test_groups_are_kept_whole():
    y, p = scored(30)
    twice = tune_thresholds(np.repeat(y, 2), np.repeat(p, 2, axis=0), groups=np.repeat(np.arange(30), 2), n_boot=50)
    once = tune_thresholds(y, p, n_boot=50)
    assert twice.tuned.value == pytest.approx(once.tuned.value) and twice.offsets == pytest.approx(once.offsets)


def test_it_finds_the_shift_that_a_wrong_prior_made():
    y, p = scored(4000, shares=(0.95, 0.05))
    found = tune_thresholds(y, p, metric="balanced_accuracy", n_boot=100)
    assert abs(found.threshold - 0.05) < 0.04, "balanced accuracy of true probabilities is best at the prevalence"
    assert found.gain.low > 0 and found.headline().startswith("Moved thresholds help")
    assert found.predict(p).tolist() == (p[:, 1] > found.threshold).astype(int).tolist()
    again = tune_thresholds(y, p, metric="balanced_accuracy", n_boot=100)
    assert again == found and found.to_frame().shape == (2, 2) and found.to_dict()["metric"] == "balanced_accuracy"


def test_classes_with_one_example_or_none():
    y, p = np.array([0] * 10 + [1]), np.full((11, 3), 1 / 3)
    found = tune_thresholds(y, p, n_boot=20, classes=["a", "b", "c"])
    assert len(found.offsets) == 3 and np.isfinite(found.offsets).all() and "'b', 'c'" in found.warnings[0]
    with pytest.raises(DataError, match="3 classes have no single threshold"):
        _ = found.threshold
    assert np.isfinite(tune_thresholds([0, 0, 0], np.full((3, 2), 0.5), n_boot=20).offsets).all()


@pytest.mark.parametrize("k", [2, 4])
def test_the_bayes_decision_costs_least_of_all(k):
    rng = np.random.default_rng(0)
    p, cost = rng.dirichlet(np.ones(k), 50), rng.uniform(1, 10, (k, k))
    np.fill_diagonal(cost, rng.uniform(0, 1, k))
    for row, said in zip(p, bayes_decision(p, cost), strict=True):
        expected = [sum(row[i] * cost[i, j] for i in range(k)) for j in range(k)]
        assert expected[said] == min(expected)


def test_two_classes_turn_at_elkans_threshold():
    cost = parse_cost("fn=10,fp=2,tn=1,tp=3")
    turn = (2 - 1) / (2 - 1 + 10 - 3)
    near = np.array([turn - 1e-6, turn + 1e-6])
    assert bayes_decision(np.column_stack([1 - near, near]), cost).tolist() == [0, 1]


def test_costs_are_read():
    assert parse_cost(" FN = 10 , fp=1").tolist() == [[0, 1], [10, 0]]
    assert parse_cost("fn=10,fp=1,tn=0.5", positive=0).tolist() == [[0, 10], [1, 0.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write it like 'fn=10,fp=1'"),
        ("fn=ten,fp=1", "'fn=ten' cannot be read"),
        ("fn=inf,fp=1", "'fn=inf'"),
        ("miss=3", "'miss=3'"),
        ("fn=1,fn=2,fp=1", "gives fn twice"),
        ("fn=10", "to say class 1 of an example of class 0 costs 0 and to be right 0"),
        ("fn=1,fp=1,tp=2", "to say class 0 of an example of class 1 costs 1 and to be right 2"),
    ],
)
def test_costs_that_make_no_sense_are_said(text, message):
    with pytest.raises(DataError, match=message):
        parse_cost(text)


GOOD = np.full((4, 2), 0.5)


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        ([0, 1], GOOD, {}, "shape"),
        ([0, 1, 0, 5], GOOD, {}, "from 0 to 1"),
        ([0, 1, 0, 1], GOOD * 2, {}, "row 0 are .* add up to 1"),
        ([0, 1, 0, 1], GOOD, {"metric": "roc_auc"}, "'roc_auc' is no function of decisions"),
        ([0, 1, 0, 1], np.full((4, 4), 0.25), {"metric": "f1"}, "choose f1_macro"),
        ([0, 1, 0, 1], GOOD, {"cost": np.eye(2)}, "let each mistake cost more"),
        ([0, 1, 0, 1], GOOD, {"cost": np.zeros((3, 3))}, r"shape \(3, 3\) for 2"),
        ([0, 1, 0, 1], GOOD, {"n_folds": 1}, "4 independent rows in 1 folds"),
        ([0, 1, 0, 1], GOOD, {"groups": [0] * 4}, "1 independent rows"),
        ([0, 1, 0, 1], GOOD, {"classes": ["a"]}, "1 class names for 2"),
        ([0] * 4, np.ones((4, 1)), {}, "one class"),
        ([], np.ones((0, 2)), {}, "empty"),
    ],
)
def test_what_cannot_be_tuned_is_said(y, p, options, message):
    with pytest.raises(DataError, match=message):
        tune_thresholds(y, p, **options)


def test_predict_wants_as_many_columns():
    with pytest.raises(DataError, match="3 columns for 2"):
        tune_thresholds([0, 1, 0, 1], GOOD, n_boot=10).predict(np.full((1, 3), 1 / 3))

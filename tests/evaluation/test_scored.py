"""Useless answers against scikit-learn's dummies, figures in parts against a loop, heads against single metrics."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import average_precision_score, cohen_kappa_score, f1_score, mean_absolute_error

from headstart.evaluation import score_heads, score_labels, score_numbers, score_ordered


def test_numbers_beside_the_mean_and_the_median_and_in_their_tails():
    rng = np.random.default_rng(0)
    learned, y = rng.exponential(size=300), rng.exponential(size=120)
    said = 0.5 * y + 0.5
    found = score_numbers(y, said, learned)
    for name, strategy in (("the mean", "mean"), ("the median", "median")):
        dummy = DummyRegressor(strategy=strategy).fit(np.zeros((300, 1)), learned)
        expected = mean_absolute_error(y, dummy.predict(np.zeros((120, 1))))
        assert found.useless[name]["mae"] == pytest.approx(expected)
    assert found.best_constant("mae")[0] == "the median"
    edge = np.quantile(learned, 0.9)
    tail = found.each[f"from {edge:.4g}"]
    assert tail["examples"] == (y >= edge).sum()
    assert tail["mean absolute error"] == pytest.approx(np.abs(said - y)[y >= edge].mean())
    assert "predictions there lie below the truth" in found.warnings[0], "halved numbers shrink towards the middle"
    assert found.metrics["mae"].low < mean_absolute_error(y, said) < found.metrics["mae"].high
    assert "R²" in found.headline() and list(found.to_frame().columns[-2:]) == ["always the mean", "always the median"]


def test_ranks_beside_the_most_frequent_and_the_median_class():
    rng = np.random.default_rng(0)
    learned = rng.choice(3, 300, p=[0.45, 0.25, 0.3])
    y = rng.choice(3, 90, p=[0.45, 0.25, 0.3])
    said = np.clip(y + rng.integers(-1, 2, 90), 0, 2)
    found = score_ordered(y, said, learned, classes=["none", "slight", "severe"])
    usual = DummyClassifier(strategy="most_frequent").fit(np.zeros((300, 1)), learned).predict(np.zeros((90, 1)))
    assert found.useless["'none' (most frequent)"]["mae"] == pytest.approx(mean_absolute_error(y, usual))
    assert found.useless["'slight' (median)"]["within_one"] == 1
    assert found.metrics["qwk"].value == pytest.approx(cohen_kappa_score(y, said, weights="quadratic"))
    assert found.confusion.sum() == 90 and found.each["none"]["recall"] == pytest.approx((said[y == 0] == 0).mean())
    assert any("within one step flatters" in note for note in found.warnings)


def test_labels_beside_no_label_and_every_label():
    rng = np.random.default_rng(0)
    learned = (rng.random((200, 3)) < [0.6, 0.2, 0.04]).astype(float)
    Y = (rng.random((100, 3)) < [0.6, 0.2, 0.04]).astype(float)
    p = np.clip(0.6 * Y + 0.4 * rng.random((100, 3)), 0, 1)
    found = score_labels(Y, p, (p > 0.5).astype(float), learned, labels=["a", "b", "c"])
    assert found.useless["no label"]["hamming"] == pytest.approx(Y.mean())
    assert found.useless["every label"]["macro_f1"] == pytest.approx(f1_score(Y, np.ones_like(Y), average="macro"))
    assert found.useless["the usual labels"]["micro_f1"] == pytest.approx(
        f1_score(Y, np.tile([1, 0, 0], (100, 1)), average="micro")
    )
    assert found.useless["no label"]["macro_ap"] == pytest.approx(Y.mean(axis=0).mean())
    assert found.each["b"]["average precision"] == pytest.approx(average_precision_score(Y[:, 1], p[:, 1]))
    assert any("fewer than 10 test examples: 'c'" in note for note in found.warnings)


def test_heads_are_means_over_the_heads():
    rng = np.random.default_rng(0)
    Y = np.column_stack([rng.integers(0, 3, 80), rng.integers(0, 2, 80)])
    tables = [rng.dirichlet(np.ones(k), 80) for k in (3, 2)]
    found = score_heads(Y, tables, Y, heads={"kind": ("a", "b", "c"), "style": ("x", "y")})
    said = np.column_stack([table.argmax(axis=1) for table in tables])
    each = [f1_score(Y[:, head], said[:, head], average="macro") for head in range(2)]
    assert found.metrics["macro_f1"].value == pytest.approx(np.mean(each))
    assert found.each["kind"]["macro-F1"] == pytest.approx(each[0])
    assert found.metrics["exact"].value == pytest.approx((said == Y).all(axis=1).mean())
    assert found.metrics["hamming"].value == pytest.approx((said != Y).mean())


def test_one_example_and_one_class_in_the_test_part_are_measured():
    one = score_numbers([2.0], [2.5], [1.0, 2.0, 3.0])
    assert one.metrics["mae"].value == 0.5 and np.isnan(one.metrics["r2"].value)
    same = score_ordered([1, 1, 1], [1, 1, 0], [0, 1, 2], classes="abc")
    assert same.metrics["qwk"].value == pytest.approx(0, abs=1e-12) and np.isnan(same.each["a"]["recall"])

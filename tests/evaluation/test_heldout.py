import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from headstart.evaluation import evaluate
from headstart.evaluation.plots import class_bars, reliability_diagram
from headstart.results import DataError

CLASSES = ["cat", "dog", "ünïcode"]


def some(n=150, right=0.8, prevalence=(0.5, 0.3, 0.2), seed=0):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=prevalence)
    said = np.where(rng.random(n) < right, y, rng.integers(0, 3, n))
    table = rng.dirichlet(np.ones(3), n) + 2 * np.eye(3)[said]
    return y, table / table.sum(axis=1, keepdims=True)


def test_the_answer():
    y, table = some()
    found = evaluate(y, table, classes=CLASSES, groups=np.arange(150) // 2)
    predicted = table.argmax(axis=1)
    assert found.metrics["macro_f1"].value == pytest.approx(f1_score(y, predicted, average="macro"))
    assert found.metrics["accuracy"].value == pytest.approx(accuracy_score(y, predicted))
    assert all(one.low <= one.value <= one.high for one in found.metrics.values())
    assert np.array_equal(found.confusion, confusion_matrix(y, predicted))
    assert (found.n, found.n_groups) == (150, 75)
    report = classification_report(y, predicted, target_names=CLASSES, output_dict=True)
    frame = found.to_frame()
    assert frame["F1"].is_monotonic_increasing
    for name in CLASSES:
        row = [report[name][key] for key in ("precision", "recall", "f1-score", "support")]
        assert frame.loc[name, ["precision", "recall", "F1", "support"]].tolist() == pytest.approx(row)
    assert found.metrics_frame().loc["PR-AUC", "baseline"] == pytest.approx(1 / 3)
    assert found.calibration.count.sum() == 150
    json.dumps(found.to_dict(), allow_nan=False)
    same = evaluate(y, table, classes=CLASSES, groups=np.arange(150) // 2)
    assert same.to_dict() == found.to_dict()


def test_the_headline_names_the_weakest_class_and_what_it_is_taken_for():
    y = np.repeat([0, 1, 2], 20)
    predicted = y.copy()
    predicted[20:29] = 2
    predicted[29] = 0
    line = evaluate(y, np.eye(3)[predicted], classes=CLASSES).headline()
    assert "'dog', of which 50% are found (most often taken for 'ünïcode')" in line
    perfect = evaluate(y, np.eye(3)[y], classes=CLASSES)
    assert "every example is named rightly" in perfect.headline()
    assert any("training part" in note for note in perfect.warnings)


def test_warnings():
    y, table = some(60, prevalence=(0.5, 0.42, 0.08))
    notes = " ".join(evaluate(y, table, classes=CLASSES).warnings)
    assert f"'ünïcode' ({(y == 2).sum()})" in notes
    assert "wide" in notes
    large, right = some(4000)
    assert not evaluate(large, right, classes=CLASSES).warnings


def test_imbalance_that_flatters_is_named():
    y = np.array([0] * 180 + [1] * 20)
    notes = evaluate(y, np.tile([0.8, 0.2], (200, 1)), classes=["many", "few"]).warnings
    assert any("accuracy (0.900) flatters" in note and "'many' would be right for 90%" in note for note in notes)


def test_a_class_without_test_examples():
    y, table = some()
    keep = y != 1
    found = evaluate(y[keep], table[keep], classes=CLASSES)
    assert np.isnan(found.by_class["recall"][1])
    assert "'dog' (0)" in " ".join(found.warnings)
    assert "'dog'," not in found.headline()
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_class_one_example():
    found = evaluate([1], [[0.4, 0.6]], classes=["a", "b"])
    assert found.metrics["accuracy"].value == 1
    assert found.metrics["accuracy"].low == pytest.approx(0.025)
    assert np.isnan(found.metrics["roc_auc"].value)
    found.headline()


def test_plots():
    y, table = some()
    found = evaluate(y, table, classes=CLASSES)
    heat = found.plot().data[0]
    assert np.allclose(heat.z.sum(axis=1), 1)
    assert np.array_equal(heat.text, found.confusion)
    bars = class_bars(found).data[0]
    assert list(bars.x) == sorted(found.by_class["f1"])
    low = np.array(bars.x) - np.array(bars.error_x.arrayminus)
    assert sorted(low) == pytest.approx(sorted(one.low for one in found.by_class_intervals["f1"]))
    _, dots = reliability_diagram(found.calibration).data
    assert sum(dots.customdata) == 150


def test_columns_that_do_not_fit():
    with pytest.raises(DataError, match="3 columns for 2 classes"):
        evaluate([0], [[0.2, 0.3, 0.5]], classes=["a", "b"])

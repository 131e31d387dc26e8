import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from headstart.metrics import confusion, per_class, scores
from headstart.results import DataError


def predictions(rng, n=200, k=4, *, decimals=8):
    y = rng.integers(0, k, n)
    table = rng.dirichlet(np.ones(k), n) + 0.5 * np.eye(k)[y]
    table = np.round(table / table.sum(axis=1, keepdims=True), decimals) + 1e-9
    return y, table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct", "ties"])
@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_agrees(k, decimals, weighted):
    rng = np.random.default_rng(k)
    y, table = predictions(rng, k=k, decimals=decimals)
    weight = rng.integers(1, 4, len(y)).astype(float) if weighted else None
    found = scores(y, table, n_classes=k, weight=weight)
    predicted, more = table.argmax(axis=1), {"sample_weight": weight}
    expected = {
        "macro_f1": f1_score(y, predicted, average="macro", **more),
        "balanced_accuracy": balanced_accuracy_score(y, predicted, **more),
        "accuracy": accuracy_score(y, predicted, **more),
        "roc_auc": roc_auc_score(y, table[:, 1] if k == 2 else table, multi_class="ovr", **more),
        "pr_auc": average_precision_score(np.eye(k)[y], table, average="macro", **more),
        "log_loss": log_loss(y, table, **more),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-10)


def test_a_weight_of_two_is_a_row_twice_and_none_is_no_row():
    rng = np.random.default_rng(0)
    y, table = predictions(rng, 60)
    weight = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weight)
    assert scores(y, table, weight=weight) == pytest.approx(scores(y[rows], table[rows]), abs=1e-12)


def test_a_class_that_does_not_occur():
    y = np.array([0, 0, 1, 1])
    table = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.7, 0.2], [0.3, 0.6, 0.1]])
    found = scores(y, table)
    predicted = table.argmax(axis=1)
    assert found["macro_f1"] == pytest.approx(f1_score(y, predicted, average="macro"))  # predicted once: counts as 0
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["roc_auc"] == pytest.approx(np.mean([roc_auc_score(y == code, table[:, code]) for code in (0, 1)]))
    never = scores(y, table[:, [0, 1]] @ np.array([[1, 0, 0], [0, 1, 0]]))
    assert never["macro_f1"] == scores(y, table[:, :2])["macro_f1"]  # neither there nor predicted: left out


def test_one_class_only():
    found = scores([1, 1], [[0.3, 0.7], [0.6, 0.4]])
    assert np.isnan(found["roc_auc"])
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx(f1_score([1, 1], [1, 0], average="macro"))
    assert found["pr_auc"] == 1.0  # nothing but positives: precision is 1 everywhere


def test_perfect_and_worst():
    y = np.array([0, 1, 2] * 4)
    good = scores(y, np.eye(3)[y])
    assert [good[name] for name in ("macro_f1", "balanced_accuracy", "accuracy", "roc_auc", "pr_auc")] == [1] * 5
    assert good["ece"] == good["log_loss"] == 0
    bad = scores(y, np.eye(3)[(y + 1) % 3])
    assert bad["macro_f1"] == bad["accuracy"] == 0
    assert bad["ece"] == 1
    assert bad["log_loss"] == pytest.approx(log_loss(y, np.eye(3)[(y + 1) % 3]))


def test_each_class_as_scikit_learn_sees_it():
    y, table = predictions(np.random.default_rng(5), k=5)
    predicted, found = table.argmax(axis=1), per_class(y, table)
    expected = precision_recall_fscore_support(y, predicted)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert found[name] == pytest.approx(values)
    assert found["pr_auc"] == pytest.approx(average_precision_score(np.eye(5)[y], table, average=None))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(np.eye(5)[y], table, average=None))
    assert found["prevalence"].sum() == pytest.approx(1)
    assert np.array_equal(confusion(y, predicted, 5), confusion_matrix(y, predicted))


def test_each_class_where_undefined():
    found = per_class([0, 0, 1], [[0.6, 0.4, 0], [0.6, 0.4, 0], [0.6, 0.4, 0]])
    assert np.isnan(found["precision"]).tolist() == [False, True, True]
    assert np.isnan(found["recall"]).tolist() == [False, False, True]
    assert np.isnan(found["f1"]).tolist() == [False, False, True]
    assert found["f1"][1] == 0
    assert np.isnan([found["roc_auc"][2], found["pr_auc"][2]]).all()
    assert found["roc_auc"][0] == 0.5  # all tied


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: scores([0, 1], [[0.5, 0.5]]), r"\(2,\).*\(1, 2\)"),
        (lambda: scores([0, 2], [[0.5, 0.5]] * 2), "from 0 to 1"),
        (lambda: scores([0.0, 1.0], [[0.5, 0.5]] * 2), "float64"),
        (lambda: scores([0, 1], [[0.5, np.nan]] * 2), "row 0"),
        (lambda: scores([], np.empty((0, 2))), "empty"),
        (lambda: scores([0], [[1.0, 0.0]], n_classes=3), "2 columns for 3"),
        (lambda: scores([0], [[1.0, 0.0]], weight=[-1]), "none negative"),
        (lambda: confusion([0], [5], 3), "predicted"),
    ],
)
def test_what_does_not_fit_is_said(call, says):
    with pytest.raises(DataError, match=says):
        call()

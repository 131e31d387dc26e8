import json

import numpy as np
import pytest

from headstart.evaluation import confident_mistakes, label_issues
from headstart.results import DataError
from headstart.training import out_of_fold

CLASSES = ["a", "b", "c"]


def separated(n=240, wrong=8, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    X = rng.standard_normal((n, 5)) * 0.4
    X[np.arange(n), true] += 3
    y, spoiled = true.copy(), rng.choice(n, wrong, replace=False)
    y[spoiled] = (y[spoiled] + 1) % 3
    return X, y, true, spoiled


def test_planted_errors_are_found_and_the_right_label_is_suggested():
    X, y, true, spoiled = separated()
    ids = np.array([f"photo {row}.jpg" for row in range(len(y))])
    table = out_of_fold(X, y, np.arange(len(y)), random_state=0)
    found = label_issues(y, table, ids, CLASSES)
    planted = {ids[row] for row in spoiled}
    assert len(planted & set(found.ids)) >= len(planted) - 1
    assert found.n_found <= len(planted) + 1
    rows = [int(name.split()[1].split(".")[0]) for name in found.ids]
    assert [CLASSES[true[row]] for row in rows if row in spoiled] == [
        label for label, row in zip(found.predicted, rows, strict=True) if row in spoiled
    ]
    for row, given, probability in zip(rows, found.given, found.given_probability, strict=True):
        assert given == CLASSES[y[row]]
        assert probability == pytest.approx(table[row, y[row]])
    assert f"{found.n_found} of 240" in found.headline()
    frame = found.to_frame()
    assert frame.index.name == "id"
    assert frame.columns.tolist() == ["given", "predicted", "probability", "given probability"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_list_is_cut_and_the_count_is_not():
    X, y, _, _ = separated(wrong=20)
    found = label_issues(y, out_of_fold(X, y, np.arange(240), random_state=0), np.arange(240).astype(str), CLASSES, 5)
    assert len(found) == len(found.ids) == 5
    assert found.n_found > 15


@pytest.mark.parametrize(
    ("y", "table"),
    [
        ([0, 1, 2] * 5, np.eye(3)[[0, 1, 2] * 5]),  # nothing wrong
        ([0, 0, 0], [[1, 0, 0]] * 3),  # one class
        ([0], [[0.2, 0.3, 0.5]]),  # one example
        ([0, 1], [[0.9, 0.1, 0], [0.1, 0.9, 0]]),  # a class without examples
        ([0, 0, 0, 0, 1], [[1, 0, 0]] * 4 + [[0, 1, 0]]),  # a class with one
        ([0, 1] * 4, [[0, 0, 1]] * 8),  # nothing but the class without examples
    ],
)
def test_degenerate(y, table):
    found = label_issues(y, np.asarray(table, float), [str(row) for row in range(len(y))], CLASSES)
    assert found.n == len(y)
    assert len(found.to_frame()) == len(found)
    if not found.n_found:
        assert "None of" in found.headline()


def test_nothing_is_printed(capfd):
    X, y, _, _ = separated()
    label_issues(y, out_of_fold(X, y, np.arange(240), random_state=0), np.arange(240).astype(str), CLASSES)
    out, err = capfd.readouterr()
    assert out == err == ""


def test_a_weak_model_is_doubted_before_the_labels():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    table = rng.dirichlet(np.full(3, 0.1), 300)
    found = label_issues(y, table, np.arange(300).astype(str), CLASSES)
    assert any("model is weak" in note for note in found.warnings)


def test_mistakes_by_confidence():
    y = [0, 1, 2, 0]
    table = [[0.1, 0.9, 0], [0.1, 0.9, 0], [0.95, 0, 0.05], [0.4, 0.1, 0.5]]
    found = confident_mistakes(y, table, ["p", "q", "r", "s"], CLASSES, n_most=2)
    assert found.ids == ("r", "p")
    assert found.given == ("c", "a")
    assert found.predicted == ("a", "b")
    assert found.probability == (0.95, 0.9)
    assert found.given_probability == (0.05, 0.1)
    assert (found.n, found.n_found) == (4, 3)
    assert "3 of 4" in found.headline()
    none = confident_mistakes([0], [[1.0, 0, 0]], ["p"], CLASSES)
    assert "None of 1" in none.headline()
    assert none.to_frame().empty


def test_ids_that_do_not_fit():
    with pytest.raises(DataError, match="1 ids"):
        confident_mistakes([0, 1], np.eye(3)[:2], ["p"], CLASSES)

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

from headstart.data.splits import stratified_group_folds
from headstart.evaluation import cross_validate
from headstart.evaluation.honest import bias_corrected_cv, nested
from headstart.results import DataError
from headstart.training import LogisticHead, choose
from headstart.training.path import Choice

CS = (1e-3, 1e-2, 1e-1, 1.0)


def noise(rng, n=80, d=20, k=2):
    return rng.standard_normal((n, d)), np.arange(n) % k


def blobs(rng, n, d=30, k=3, apart=1.5):
    y = rng.integers(0, k, n)
    X = rng.standard_normal((n, d))
    X[np.arange(n), y] += apart
    return X, y


def test_noise_is_chance_however_much_is_chosen_from():
    """Nested and corrected figures of pure noise are chance; the best of a grid is above it."""
    honest, corrected, best = [], [], []
    for seed in range(24):
        X, y = noise(np.random.default_rng(seed))
        groups = np.arange(len(y))
        options = {"metric": "accuracy", "n_folds": 4, "n_repeats": 1, "random_state": seed}
        honest.append(nested(X, y, groups, CS, classes="ab", **options).estimate.value)
        folds = stratified_group_folds(y, groups, n_folds=4, random_state=seed)
        found = choose(X, y, folds, CS, n_classes=2, metric="accuracy")
        corrected.append(
            bias_corrected_cv(found, y, groups, metric="accuracy", random_state=seed, n_boot=100).estimate.value
        )
        best.append(max(found.scores))
    for values in (honest, corrected):
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - 0.5) < 3 * error
    assert np.mean(best) > np.mean(honest)
    assert np.mean(best) >= np.mean(corrected)


def test_bbc_takes_out_what_choosing_among_coins_puts_in():
    """Forty predictors that toss coins: the best looks good, its corrected figure does not."""
    rng = np.random.default_rng(0)
    best, corrected = [], []
    for seed in range(40):
        y = np.arange(120) % 2
        tables = np.eye(2)[rng.integers(0, 2, (40, 120))] * 0.8 + 0.1
        scores = tuple((table.argmax(axis=1) == y).mean() for table in tables)
        choice = Choice(tuple(range(1, 41)), scores, (1.0,) * 40, int(np.argmax(scores)), tables)
        found = bias_corrected_cv(choice, y, np.arange(120), metric="accuracy", random_state=seed, n_boot=100)
        best.append(max(scores))
        corrected.append(found.estimate.value)
    assert np.mean(best) > 0.58
    assert abs(np.mean(corrected) - 0.5) < 4 * np.std(corrected) / np.sqrt(40)


def test_nested_is_nested():
    """The shared fits give what plain loops over outer and inner folds give."""
    X, y = blobs(np.random.default_rng(0), 90)
    groups = np.arange(90)
    found = nested(X, y, groups, [0.1], classes="abc", metric="macro_f1", n_folds=4, n_repeats=2, random_state=7)
    rng = np.random.default_rng(7)
    figures = []
    for _ in range(2):
        predicted = np.empty(90, int)
        for train, test in stratified_group_folds(y, groups, n_folds=4, random_state=rng):
            predicted[test] = LogisticHead(C=0.1, tol=1e-4).fit(X[train], y[train]).predict(X[test])
        figures.append(f1_score(y, predicted, average="macro"))
    assert found.estimate.value == pytest.approx(np.mean(figures), abs=0.005)
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert found.picks.tolist() == [8]


def test_the_inner_choice_never_sees_the_outer_fold(monkeypatch):
    """Spoiling the labels of one outer fold must not change what is chosen for it."""
    X, y = blobs(np.random.default_rng(1), 90, apart=1.0)
    groups = np.arange(90)
    folds = stratified_group_folds(y, groups, n_folds=3, random_state=0)
    monkeypatch.setattr("headstart.evaluation.honest.stratified_group_folds", lambda *a, **k: folds)
    seen = []
    from headstart.evaluation import honest

    class Spy(honest._Repeat):
        def outer(self):
            seen.append([(trace.best, trace.scores) for trace in self.inner])
            return super().outer()

    monkeypatch.setattr(honest, "_Repeat", Spy)
    options = {"classes": "abc", "metric": "macro_f1", "n_folds": 3, "n_repeats": 1, "random_state": 0}
    nested(X, y, groups, CS, **options)
    spoiled = y.copy()
    spoiled[folds[0][1]] = (spoiled[folds[0][1]] + 1) % 3
    nested(X, spoiled, groups, CS, **options)
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_copies_torn_apart_flatter_and_groups_do_not():
    rng = np.random.default_rng(0)
    X, y = noise(rng, 60, d=80)
    X, y, groups = np.repeat(X, 3, axis=0), np.repeat(y, 3), np.repeat(np.arange(60), 3)
    options = {"classes": ["a", "b"], "Cs": (0.01, 1.0), "n_folds": 3, "metric": "accuracy"}
    honest = cross_validate(X, y, groups, **options).estimate
    torn = cross_validate(X, y, np.arange(180), **options).estimate
    assert torn.value > 0.8
    assert honest.value < 0.7
    assert honest.width > 1.4 * torn.width
    assert honest.low < 0.5 < honest.high


@pytest.mark.parametrize("rule", ["nested", "bbc"])
def test_coverage(rule):
    """The interval holds the true score of the model that is made; see the figures in ``honest``."""
    held = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X, y = blobs(rng, 100)
        truth, labels = blobs(rng, 5000)
        groups = np.arange(100)
        if rule == "nested":
            found = nested(
                X, y, groups, CS, classes="abc", metric="accuracy", n_folds=4, n_repeats=1, random_state=seed
            )
        else:
            folds = stratified_group_folds(y, groups, n_folds=4, random_state=seed)
            choice = choose(X, y, folds, CS, n_classes=3, metric="accuracy")
            found = bias_corrected_cv(choice, y, groups, metric="accuracy", random_state=seed, n_boot=200)
        true = LogisticHead(C=found.choice.C, tol=1e-4).fit(X, y).score(truth, labels)
        held += found.estimate.low <= true <= found.estimate.high
    assert held >= 24


@pytest.mark.parametrize("n", [300, 1100])
def test_the_answer(n):
    X, y = load_digits(return_X_y=True)
    X, y = X[:n].astype(np.float32), y[:n]
    classes = [f"digit {code}" for code in range(10)]
    found = cross_validate(X, y, np.arange(n), classes=classes, n_folds=3)
    assert found.method == ("nested" if n == 300 else "bbc")
    assert found.probabilities.shape == (n, 10)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    chosen = found.Cs.index(found.C)
    if n == 1100:  # nested cross-validation shows means over the divisions
        assert f1_score(y, found.probabilities.argmax(axis=1), average="macro") == pytest.approx(found.scores[chosen])
    frame = found.to_frame()
    assert len(frame) == len(found.Cs) == len(found.picks)
    assert frame["chosen"].tolist().index(True) == chosen
    assert frame["picked"].sum() == pytest.approx(1)
    assert 0.85 < found.estimate.low < found.estimate.value < found.estimate.high < 1
    assert f"{found.estimate.value:.3f}" in found.headline()
    assert {"nested": "nested", "bbc": "BBC-CV"}[found.method] in found.headline()
    assert "probabilities" not in found.to_dict()
    json.dumps(found.to_dict(), allow_nan=False)
    assert list(found.plot().data[0].y) == list(found.scores)
    again = cross_validate(X, y, np.arange(n), classes=classes, n_folds=3)
    assert again.to_dict() == found.to_dict()
    assert np.array_equal(again.probabilities, found.probabilities)


def test_what_a_person_should_know():
    rng = np.random.default_rng(0)
    X, y = blobs(rng, 60, apart=6)
    y[:3] = 3
    found = cross_validate(X, y, np.arange(60), classes=["a", "b", "c", "rare"], Cs=(1e-6, 1e-5))
    notes = " ".join(found.warnings)
    assert "'rare'" in notes
    assert "1e-05 is the largest that was tried" in notes
    assert "wide" in notes


def test_two_groups_are_enough_for_a_figure():
    X, y = blobs(np.random.default_rng(0), 40, k=2)
    found = cross_validate(X, y, np.arange(40) % 2, classes=["a", "b"], Cs=(0.01, 0.1))
    assert found.method == "bbc"
    assert np.isfinite(found.estimate.value)


def test_a_class_in_one_group_is_named():
    X, y = blobs(np.random.default_rng(0), 40)
    y[0] = 3
    y[1:][y[1:] == 3] = 0
    with pytest.raises(DataError, match="'rare'"):
        cross_validate(X, y, np.arange(40), classes=["a", "b", "c", "rare"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X": np.zeros((5, 2))}, r"\(5, 2\)"),
        ({"y": np.zeros(6, int)}, "one class"),
        ({"y": np.array([0, 1, 2] * 2)}, "from 0 to 1"),
        ({"X": np.vstack([np.zeros((5, 2)), [[0, np.nan]]])}, "row 5"),
        ({"metric": "ece"}, "ece"),
    ],
)
def test_what_does_not_fit_is_said(change, says):
    given = {
        "X": np.arange(12.0).reshape(6, 2),
        "y": np.array([0, 1] * 3),
        "groups": np.arange(6),
        "metric": "accuracy",
    }
    given.update(change)
    with pytest.raises(DataError, match=says):
        cross_validate(given["X"], given["y"], given["groups"], classes=["a", "b"], metric=given["metric"], n_folds=3)

from itertools import chain

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold

from headstart.results import DataError
from headstart.training import LogisticHead, choose, logistic_path, out_of_fold
from headstart.training.path import CS, Trace, select


def digits(n=300, extra=0):
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    return np.hstack([X[:n], rng.standard_normal((n, extra))]), y[:n]


def folds_of(y, n_folds=3):
    return list(StratifiedKFold(n_folds).split(np.zeros(len(y)), y))


@pytest.mark.parametrize("extra", [0, 300], ids=["n>d", "n<d"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_warm_path_is_the_cold_fits(extra, dtype):
    X, y = digits(extra=extra)
    X = X.astype(dtype)
    folds, Cs = folds_of(y), [1e-4, 1e-3, 1e-2, 1e-1]
    for C, found in zip(Cs, logistic_path(X, y, folds, Cs, n_classes=10), strict=True):
        for (train, test), table in zip(folds, found, strict=True):
            cold = LogisticHead(C=C, tol=1e-8).fit(X[train].astype(float), y[train]).predict_proba(X[test])
            assert np.abs(table - cold).max() < 0.02  # the path's tolerance is for choosing
            assert np.abs(table - cold).mean() < 0.001


def test_what_is_not_kept_is_computed_again(monkeypatch):
    X, y = digits()
    kept = list(logistic_path(X, y, folds_of(y), [1e-3, 1e-2], n_classes=10))
    monkeypatch.setattr("headstart.training.path._KEPT", 0)
    again = list(logistic_path(X, y, folds_of(y), [1e-3, 1e-2], n_classes=10))
    assert all(np.array_equal(a, b) for a, b in zip(chain(*kept), chain(*again), strict=True))


def test_threads_do_not_change_the_result(monkeypatch):
    X, y = digits()
    two = choose(X, y, folds_of(y), n_classes=10)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    one = choose(X, y, folds_of(y), n_classes=10)
    assert two.Cs == one.Cs
    assert np.array_equal(two.probabilities, one.probabilities)


def test_the_choice_and_its_evidence():
    X, y = load_breast_cancer(return_X_y=True)
    found = choose(X, y, folds_of(y), n_classes=2)
    assert len(found.Cs) < len(CS)
    assert found.Cs == CS[: len(found.Cs)]
    for score, loss, table in zip(found.scores, found.losses, found.probabilities, strict=True):
        assert score == pytest.approx(f1_score(y, table.argmax(axis=1), average="macro"))
        assert loss == pytest.approx(log_loss(y, table))
    assert found.best == np.argmin(found.losses)
    assert found.Cs[found.best] == found.C


def test_out_of_fold_probabilities_without_further_ado():
    X, y = digits()
    found = out_of_fold(X, y, np.arange(len(y)), random_state=0)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == y).mean() > 0.9


def test_the_lowest_log_loss_among_those_that_cannot_be_told_from_the_best():
    n = 400  # one standard error at 0.8: 0.02
    scores = np.array([0.5, 0.77, 0.79, 0.80, 0.79])
    losses = np.array([0.9, 0.4, 0.5, 0.6, 0.5])
    assert select(scores, losses, n) == 2  # 0.77 is too low; of equal losses the stronger penalty
    assert select(scores, losses, 100) == 1
    assert select(scores, losses, 10**6) == 3
    assert select(np.array([np.nan, 0.4]), np.array([0.1, 0.2]), n) == 1
    many = np.random.default_rng(0).random((2, 50, 5))
    assert select(many[0], many[1], n).tolist() == [int(select(a, b, n)) for a, b in zip(*many, strict=True)]


@pytest.mark.parametrize(("late", "end"), [(0.62, 5), (0.7, None)])
def test_the_path_ends_when_the_loss_rises_and_its_lowest_is_taken(late, end):
    trace, steps = Trace(100), [(0.1, 2.0), (0.1, 1.9), (0.6, 1.0), (0.5, 1.1), (late, 1.2), (late, 1.3)]
    ends = []
    for step in steps:
        trace.add(*step)
        ends.append(trace.is_past_top())
    assert (ends.index(True) + 1 if any(ends) else None) == end


def test_classes_that_a_training_side_lacks():
    X, y = digits(60)
    train, test = np.flatnonzero(y != 3), np.flatnonzero(y == 3)
    pair = np.flatnonzero((y == 1) | (y == 2))
    single = np.flatnonzero(y == 5)
    (first, second, third), *_ = logistic_path(
        X, y, [(train, test), (pair, test), (single, test)], [0.01], n_classes=10
    )
    assert (first[:, 3] == 0).all()
    assert np.allclose(first.sum(axis=1), 1)
    assert np.allclose(second[:, [1, 2]].sum(axis=1), 1)
    assert (third[:, 5] == 1).all()


def test_nothing_is_fitted_before_it_is_asked_for():
    X, y = digits(60)
    done = []
    path = logistic_path(X, y, folds_of(y), CS, n_classes=10, advance=done.append)
    assert not done
    next(path)
    assert sum(done) == 3


@pytest.mark.parametrize("Cs", [[], [1, 0.1], [0, 1], [1, 1], [1, np.inf]])
def test_a_grid_that_is_none(Cs):
    X, y = digits(60)
    with pytest.raises(DataError, match="ascending"):
        choose(X, y, folds_of(y), Cs, n_classes=10)


def test_a_metric_that_cannot_choose():
    X, y = digits(60)
    with pytest.raises(DataError, match="log_loss"):
        choose(X, y, folds_of(y), n_classes=10, metric="log_loss")

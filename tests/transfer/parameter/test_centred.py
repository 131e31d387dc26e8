"""The adapters against what they are made of, and on worlds where the answer is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from headstart import Domain
from headstart.results import DataError
from headstart.transfer import ADAPTERS
from headstart.transfer.parameter import CentredPrior, FisherPrior, PriorRidge

BOTH = [CentredPrior, FisherPrior]


def world(n, k=3, d=6, turn=0.3, seed=0):
    """Examples of one rule, and of one that is turned away from it a little."""
    rng = np.random.default_rng(0)
    w, other = rng.normal(size=(d, k)) * 2, rng.normal(size=(d, k)) * 2
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2, n, d)) * 3 + 1
    y = [(X[0] @ w).argmax(axis=1), (X[1] @ (w + turn * other)).argmax(axis=1)]
    return X[0], y[0], X[1], y[1]


def accuracy(model, X, y):
    return float((model.predict(X) == y).mean())


def test_they_are_registered():
    assert ADAPTERS["CentredPrior"] is CentredPrior and ADAPTERS["FisherPrior"].kind == "parameters"


@pytest.mark.parametrize("adapter", BOTH)
def test_better_than_source_and_target_alone(adapter):
    Xs, ys, Xt, yt = world(600, d=20)
    few, rest = slice(0, 30), slice(30, None)
    adapted = adapter().fit(Xs, ys, Xt[few], yt[few])
    alone = LogisticRegression(max_iter=5000).fit(Xt[few], yt[few])
    source = LogisticRegression(max_iter=5000).fit(Xs, ys)
    assert accuracy(adapted, Xt[rest], yt[rest]) > accuracy(alone, Xt[rest], yt[rest]) + 0.05
    assert accuracy(adapted, Xt[rest], yt[rest]) > accuracy(source, Xt[rest], yt[rest])


@pytest.mark.parametrize("adapter", BOTH)
def test_a_wrong_source_is_given_up_for_zero(adapter):
    Xs, ys, Xt, yt = world(400, d=40)
    few, rest = slice(0, 60), slice(60, None)
    wrong = adapter(LogisticRegression()).fit(Xs, (ys + 1) % 3, Xt[few], yt[few])
    assert wrong.trust_ == 0 and wrong.scaler_.mean_ == pytest.approx(Xt[few].mean(axis=0))
    assert adapter(LogisticRegression()).fit(Xs, ys, Xt[few], yt[few]).trust_ == 1
    Z = wrong.scaler_.transform(Xt)
    alone = LogisticRegressionCV(Cs=13, cv=5, scoring="neg_log_loss", max_iter=5000).fit(Z[few], yt[few])
    assert accuracy(wrong, Xt[rest], yt[rest]) > accuracy(alone, Z[rest], yt[rest]) - 0.05


@pytest.mark.parametrize("adapter", BOTH)
@pytest.mark.parametrize("k", [2, 3])
def test_the_strongest_prior_predicts_as_the_source_does(adapter, k):
    Xs, ys, Xt, yt = world(200, k)
    own = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, tol=1e-8)).fit(Xs, ys)
    adapted = adapter(LogisticRegression(C=0.3, tol=1e-8), strength=1e12).fit(Xs, ys, Xt, yt)
    assert adapted.predict_proba(Xt) == pytest.approx(own.predict_proba(Xt), abs=1e-3)


def test_the_precision_is_what_the_source_knows():
    Xs, ys, Xt, yt = world(300)
    Xs[:, 2] *= np.where(ys == 1, 1.0, 1e-9)  # hardly known
    adapted = FisherPrior(LogisticRegression(C=0.5), strength=1.0).fit(Xs, ys, Xt[:20], yt[:20])
    S, told = adapted.scaler_.transform(Xs), adapted.source_estimator_.predict_proba(adapted.scaler_.transform(Xs))
    expected = np.einsum("nk,nd->kd", told * (1 - told), S**2) + 1 / 0.5
    assert adapted.estimator_.precision == pytest.approx(expected / expected.mean())


@pytest.mark.parametrize("adapter", BOTH)
def test_label_spaces_that_differ(adapter):
    Xs, ys, Xt, yt = world(150, k=4)
    known = ys < 2
    adapted = adapter().fit(Xs[known], ys[known], Xt[:60], yt[:60])  # two classes are new
    assert adapted.classes_.tolist() == [0, 1, 2, 3] and accuracy(adapted, Xt[60:], yt[60:]) > 0.6
    seen = yt[:60] < 2
    adapted = adapter().fit(Xs, ys, Xt[:60][seen], yt[:60][seen])  # two classes are missing
    assert adapted.classes_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("adapter", BOTH)
def test_rows_without_a_label_change_nothing_and_a_source_may_stand_in_the_constructor(adapter):
    Xs, ys, Xt, yt = world(80)
    hidden = np.where(np.arange(80) < 20, yt, -1)
    model = LogisticRegression()
    given = adapter(model).fit(Xs, ys, Xt[:20], yt[:20]).predict_proba(Xt)
    assert adapter(model).fit(Xs, ys, Xt, hidden).predict_proba(Xt) == pytest.approx(given)
    assert adapter(model, source=Domain(Xs, ys)).fit(Xt[:20], yt[:20]).predict_proba(Xt) == pytest.approx(given)


def test_numbers_are_ridge_around_the_sources_ridge():
    rng = np.random.default_rng(0)
    Xs, Xt, w = rng.normal(size=(200, 5)) * 4 + 2, rng.normal(size=(60, 5)) * 4, rng.normal(size=5)
    ys, yt = Xs @ w + rng.normal(size=200), Xt @ (w + 0.1) + 3 + rng.normal(size=60)
    adapted = CentredPrior(Ridge(2.0)).fit(Xs, ys, Xt[:8], np.where(np.arange(8) < 6, yt[:8], np.nan))
    scaler = StandardScaler().fit(Xs)
    source = Ridge(2.0).fit(scaler.transform(Xs), ys)
    own = PriorRidge(coef_prior=source.coef_).fit(scaler.transform(Xt[:6]), yt[:6])
    assert adapted.trust_ == 1
    assert adapted.predict(Xt) == pytest.approx(own.predict(scaler.transform(Xt)))
    error = np.abs(adapted.predict(Xt[8:]) - yt[8:]).mean()
    assert error < np.abs(Ridge(2.0).fit(Xt[:6], yt[:6]).predict(Xt[8:]) - yt[8:]).mean() / 2


@pytest.mark.parametrize("adapter", BOTH)
def test_little_and_odd_targets(adapter):
    Xs, ys, Xt, yt = world(100)
    Xs[:, 0], Xt[:, 0] = 4.0, 4.0
    for rows in ([0], list(range(5)), np.flatnonzero(yt == 1)):
        told = adapter(LogisticRegression()).fit(Xs, ys, Xt[rows], yt[rows]).predict_proba(Xt)
        assert told.shape == (100, 3) and np.isfinite(told).all()


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (None, np.full(20, -1), "CentredPrior needs some labelled target rows"),
        (SVC(), None, r"SVC\(\) has no coef_ to carry over: give a linear model"),
    ],
)
def test_what_cannot_be_is_said(model, labels, message):
    Xs, ys, Xt, yt = world(20)
    with pytest.raises(DataError, match=message):
        CentredPrior(model).fit(Xs, ys, Xt, yt if labels is None else labels)
    with pytest.raises(DataError, match=r"the source is of one class, \[1\]"):
        CentredPrior().fit(Xs, np.ones(20, dtype=int), Xt, yt)


@pytest.mark.parametrize("adapter", BOTH)
@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_settled_keeps_strength_and_trust(adapter, turn):
    Xs, ys, Xt, yt = world(300, turn=turn)
    chosen = adapter().fit(Xs, ys, Xt[:60], yt[:60])
    again = chosen.settled().fit(Xs, ys, Xt[:60], yt[:60])
    assert again.trust_ == chosen.trust_ and again.estimator_.losses_.size == 0  # nothing is chosen anew
    np.testing.assert_allclose(again.predict_proba(Xt), chosen.predict_proba(Xt), atol=1e-6)
    other = chosen.settled().fit(Xs, ys, Xt[60:90], yt[60:90])
    assert other.estimator_.alpha_ == chosen.estimator_.alpha_


def test_a_trust_that_is_none():
    Xs, ys, Xt, yt = world(60)
    with pytest.raises(DataError, match=r"trust=0\.5: give 1 "):
        CentredPrior(trust=0.5).fit(Xs, ys, Xt, yt)

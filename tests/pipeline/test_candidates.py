"""Candidates that know nothing but the target."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart.data.splits import stratified_group_folds
from headstart.features.handmade import blocks
from headstart.pipeline.candidates import Bench, handmade, logistic, machine
from headstart.training import LogisticHead

Y = np.arange(120) % 3
BENCH = Bench(Y, np.arange(120), stratified_group_folds(Y, np.arange(120), n_folds=4, random_state=0), 3, 0)


def test_a_head_on_some_columns_reads_all_of_them_and_heeds_only_its_own():
    rng = np.random.default_rng(0)
    d = max(part.stop for part in blocks().values())
    X = rng.normal(size=(120, d)).astype(np.float32)
    X[:, blocks()["colour"]] += Y[:, None] * 0.6
    found = {one.name: one for one in handmade(X, BENCH)}
    part, whole = found["logistic on colour and texture"], found["logistic on handmade features"]
    right = [(one.probabilities.argmax(axis=1) == Y).mean() for one in (part, whole)]
    assert right[0] > 0.9 and {one.kind for one in found.values()} == {"target-only"}

    model = part.make()
    kept = np.r_[blocks()["texture"], blocks()["colour"]]
    expected = LogisticHead(C=part.C).fit(X[:, kept], Y).predict_proba(X[:, kept])
    assert model.handmade and np.allclose(model.predict_proba(X), expected, atol=1e-6)
    changed = X.copy()
    changed[:, blocks()["shape"]] = 7
    assert np.allclose(model.predict_proba(changed), expected, atol=1e-6)


def test_other_folds_are_predicted_at_the_penalty_that_was_chosen():
    X = np.random.default_rng(0).normal(size=(120, 20)) + Y[:, None] * 0.4
    found = logistic("one", X, BENCH, [])
    others = stratified_group_folds(Y, BENCH.groups, n_folds=4, random_state=1)
    expected = np.zeros((120, 3))
    for train, test in others:
        head = make_pipeline(StandardScaler(), LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000))
        expected[test] = head.fit(X[train], Y[train]).predict_proba(X[test])
    assert found.C not in (1e-5, 100) and np.allclose(found.again(others), expected, atol=1e-3)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_machine_repeats_what_it_said_of_the_folds_it_was_chosen_on(kernel):
    X = np.random.default_rng(0).normal(size=(120, 20)) + Y[:, None] * 0.4
    found = machine("one", X, BENCH, [], kernel=kernel)
    others = stratified_group_folds(Y, BENCH.groups, n_folds=4, random_state=1)
    assert np.allclose(found.again(BENCH.folds), found.probabilities, atol=0.01)
    assert not np.allclose(found.again(others), found.probabilities, atol=0.01)

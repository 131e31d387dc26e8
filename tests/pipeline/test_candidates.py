"""Candidates that know nothing but the target."""

import numpy as np

from headstart.data.splits import stratified_group_folds
from headstart.features.handmade import blocks
from headstart.pipeline.candidates import Bench, handmade
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

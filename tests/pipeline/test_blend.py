"""The mean of two models: what it says out of fold is what the model made of both says."""

import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from headstart.data.splits import stratified_group_folds
from headstart.pipeline.blend import blend, blends
from headstart.pipeline.candidates import Bench, logistic, machine
from headstart.training.temperature import best_sharpness


@pytest.fixture(params=[2, 4])
def bench(request):
    y = np.arange(160) % request.param
    return Bench(
        y, np.arange(160), stratified_group_folds(y, np.arange(160), n_folds=5, random_state=0), request.param, 0
    )


def features(bench, seed, d=6):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(bench.n_classes, d))[bench.y] + rng.normal(size=(len(bench.y), d)) * 1.5).astype(
        np.float32
    )


def candidates(bench):
    X, Z = features(bench, 1), features(bench, 2)
    return X, Z, [logistic("X", X, bench, []), logistic("Z", Z, bench, [])]


def test_the_model_is_the_mean_of_the_logits(bench):
    X, Z, (one, other) = candidates(bench)
    both = blend(one, other, bench)
    logits = (np.log(one.probabilities) + np.log(other.probabilities)) / 2
    sharpness = best_sharpness(softmax(logits, axis=1), bench.y)
    assert np.allclose(both.probabilities, softmax(sharpness * logits, axis=1), atol=1e-9)

    heads = one.make().predict_proba(X), other.make().predict_proba(Z)
    expected = softmax(sharpness * (np.log(heads[0]) + np.log(heads[1])) / 2, axis=1)
    assert np.allclose(both.make().predict_proba(np.hstack([X, Z])), expected, atol=1e-6)


def test_a_fine_tuned_candidate_is_blended_with_the_best_linear_frozen_one(bench):
    X, _, (_, other) = candidates(bench)
    noise = np.random.default_rng(3).normal(size=X.shape).astype(np.float32)
    best = logistic("best", np.hstack([X, features(bench, 2)]), bench, [])
    kernel = machine("kernel", X, bench, [], kernel="rbf")
    tuned = dataclasses.replace(other, name="tuned", kind="fine-tuned")
    tuned.probabilities[bench.folds[0][1]] = np.nan
    (found,) = blends([logistic("noise", noise, bench, []), best, kernel, tuned], bench)
    assert (found.name, found.kind, found.linear) == ("tuned, with best", "fine-tuned", True)
    rows = np.isnan(found.probabilities).any(axis=1)
    assert set(np.flatnonzero(rows)) == set(bench.folds[0][1]), "only what both predicted"
    assert blends([best, kernel], bench) == []

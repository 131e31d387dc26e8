import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from headstart.results import DataError
from headstart.training import LogisticHead
from headstart.training.design import Design


@parametrize_with_checks([LogisticHead(), LogisticHead(class_weight="balanced")])
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def wide(n=40, d=150, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.standard_normal((n, d)) * rng.uniform(0.1, 30, d) + rng.uniform(-9, 9, d) + y[:, None], y


@pytest.mark.parametrize("data", [load_iris(return_X_y=True), load_wine(return_X_y=True), wide(), wide(k=2)])
@pytest.mark.parametrize("C", [1e-3, 1.0])
def test_the_usual_pipeline_gives_the_same(data, C):
    X, y = data
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-9, max_iter=10_000)).fit(X, y)
    head = LogisticHead(C=C, tol=1e-9, max_iter=10_000).fit(X, y)
    assert np.allclose(head.predict_proba(X), reference.predict_proba(X), atol=1e-6)
    assert np.array_equal(head.predict(X), reference.predict(X))
    assert np.allclose(head.decision_function(X), reference.decision_function(X), atol=1e-4)
    assert head.coef_.shape == reference[-1].coef_.shape
    assert np.allclose(head.coef_ * reference[0].scale_, reference[-1].coef_, atol=1e-6)  # original scale


def test_fewer_rows_than_features_are_rotated_without_loss():
    X, _ = wide()
    design = Design.of(X)
    standardized = StandardScaler().fit_transform(X)
    assert design.rows.shape == (40, 39)  # centring takes one direction
    assert np.allclose(design.rows @ design.basis, standardized)
    assert np.allclose(design.basis @ design.basis.T, np.eye(39))


@pytest.mark.parametrize("n", [30, 300])
def test_constant_and_repeated_features_are_harmless(n):
    X, y = wide(n=n, d=60)
    head = LogisticHead(tol=1e-8).fit(X, y)
    constant = np.full((n, 2), [7.3, 0.0])
    more = LogisticHead(tol=1e-8).fit(np.hstack([X, constant]), y)
    assert np.isfinite(more.coef_).all()
    assert np.allclose(more.coef_[:, -2:], 0)
    assert np.allclose(more.predict_proba(np.hstack([X, constant])), head.predict_proba(X), atol=1e-6)
    assert np.isfinite(LogisticHead().fit(constant, y).predict_proba(constant)).all()


def test_weights_count_rows():
    X, y = load_wine(return_X_y=True)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    a = LogisticHead(tol=1e-8).fit(X, y, sample_weight=weight)
    b = LogisticHead(tol=1e-8).fit(X[rows], y[rows])
    assert np.allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)


def test_float32_features_fit_as_well():
    X, y = wide(n=300)
    a, b = LogisticHead().fit(X, y), LogisticHead().fit(X.astype(np.float32), y)
    assert a.coef_.dtype == b.coef_.dtype == np.float64
    assert np.allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("k", [2, 3])
def test_arrays_there_and_back(k):
    from safetensors.numpy import load, save
    from scipy.special import softmax

    X, y = wide(k=k)
    names = np.array(["a", "b", "c"])[y]
    head = LogisticHead().fit(X, names)
    arrays = load(save(head.to_arrays()))
    assert arrays["weight"].shape == (k, X.shape[1])
    assert np.allclose(softmax(X @ arrays["weight"].T + arrays["bias"], axis=1), head.predict_proba(X))
    again = LogisticHead.from_arrays(arrays, head.classes_)
    assert np.array_equal(again.predict(X), head.predict(X))
    assert np.allclose(again.decision_function(X), head.decision_function(X))
    assert LogisticHead.from_arrays(arrays).classes_.tolist() == list(range(k))
    with pytest.raises(DataError, match="do not fit"):
        LogisticHead.from_arrays(arrays, ["a"])


def test_one_class_is_refused():
    with pytest.raises(DataError, match="one class"):
        LogisticHead().fit([[1.0], [2.0]], ["a", "a"])


def test_same_data_same_head():
    X, y = wide()
    assert np.array_equal(LogisticHead().fit(X, y).coef_, LogisticHead().fit(X, y).coef_)

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.special import softmax
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from headstart.results import DataError, HeadstartError
from headstart.training import SVMHead, svm_out_of_fold
from headstart.training.design import Design
from headstart.training.machine import Machine, calibrate
from headstart.training.nystroem import KernelDesign, median_distance


@parametrize_with_checks([SVMHead(), SVMHead(kernel="rbf"), SVMHead(class_weight="balanced")])
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def wide(n=40, d=150, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.standard_normal((n, d)) * rng.uniform(0.1, 30, d) + rng.uniform(-9, 9, d) + y[:, None], y


def solved(design, y, C, weight=None, start=()):
    machine = Machine(design, y, np.ones(len(y)) if weight is None else weight, int(y.max()) + 1)
    for earlier in start:
        machine.solve(earlier, tol=1e-3, max_iter=1000)
    return machine.solve(C, tol=1e-7, max_iter=20_000)


@pytest.mark.parametrize("data", [load_iris(return_X_y=True), load_wine(return_X_y=True), wide(), wide(k=2)])
@pytest.mark.parametrize("C", [1e-3, 0.1])
def test_the_linear_machine_is_liblinears_with_a_free_intercept(data, C):
    X, y = data
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    design = Design.of(X)
    Z = StandardScaler().fit_transform(X)
    reference = LinearSVC(C=C, dual=False, tol=1e-9, intercept_scaling=1000, max_iter=100_000)
    reference.fit(Z, y, sample_weight=weight)
    for start in ((), (C / 10, C / 3)):
        coefficients, intercepts = solved(design, y, C, weight, start)
        values = X @ coefficients.T + intercepts
        expected = reference.decision_function(Z).reshape(values.shape)
        assert np.abs(values - expected).max() < 2e-3


@pytest.mark.parametrize("gamma_factor", [0.3, 2.0])
def test_with_every_row_a_landmark_the_kernel_machine_is_exact(gamma_factor):
    """The squared hinge adds 1 / 2C to the diagonal of the kernel of a machine with a hard margin."""
    X, y = load_wine(return_X_y=True)
    y, C = (y == 1).astype(int), 3.0
    train, test = np.arange(0, len(y), 2), np.arange(1, len(y), 2)
    design = KernelDesign.of(X[train], gamma_factor=gamma_factor)
    coefficients, intercepts = solved(design, y[train], C)
    scaler = StandardScaler().fit(X[train])
    Z = scaler.transform(X)
    gamma = gamma_factor / np.median(pdist(Z[train], "sqeuclidean"))
    kernel = np.exp(-gamma * cdist(Z, Z[train], "sqeuclidean"))
    hard = SVC(C=1e6, kernel="precomputed", tol=1e-8).fit(kernel[train] + np.eye(len(train)) / (2 * C), y[train])
    found = design.map(X[test]) @ coefficients.T + intercepts
    assert np.abs(found[:, 0] - hard.decision_function(kernel[test])).max() < 1e-4


def test_fewer_landmarks_come_close():
    X, y = load_digits(return_X_y=True)
    whole = SVMHead(3, kernel="rbf").fit(X[:900], y[:900])
    part = SVMHead(3, kernel="rbf", n_components=300).fit(X[:900], y[:900])
    assert part.coef_.shape == (10, 300)
    assert np.abs(part.predict_proba(X[900:]) - whole.predict_proba(X[900:])).mean() < 0.01
    assert part.score(X[900:], y[900:]) > 0.93


def test_the_median_distance():
    rows = np.random.default_rng(0).normal(size=(100, 7))
    assert median_distance(rows) == pytest.approx(np.median(pdist(rows, "sqeuclidean")))
    assert median_distance(np.repeat(rows[:2], 50, axis=0)) == pytest.approx(((rows[0] - rows[1]) ** 2).sum())
    assert median_distance(np.ones((5, 3))) == 1
    by_class = np.sort(np.random.default_rng(0).normal(size=2000))[:, None]  # sorted rows
    assert median_distance(by_class) == pytest.approx(np.median(pdist(by_class, "sqeuclidean")), rel=0.05)


@pytest.mark.parametrize("k", [2, 4])
def test_calibration_finds_the_scale_that_was_taken_away(k):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, k)) * 2
    y = np.array([rng.choice(k, p=p) for p in softmax(logits, axis=1)])
    values = (logits[:, 1:] - logits[:, :1] - 1) / 3 if k == 2 else logits / 3
    slope, shift = calibrate(values, y, np.ones(len(y)))
    assert slope == pytest.approx(3, rel=0.05)
    assert shift == pytest.approx(1 if k == 2 else 0, abs=0.05)


def test_with_two_classes_calibration_is_a_logistic_regression_of_the_values():
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=(500, 1)), rng.integers(1, 4, 500).astype(float)
    y = (values[:, 0] + rng.normal(size=500) > 0.7).astype(int)
    reference = LogisticRegression(C=1e6, tol=1e-8).fit(values, y, sample_weight=weight)
    found = calibrate(values, y, weight)
    assert found == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), rel=0.02)


def test_values_that_separate_the_classes_are_not_taken_for_certainty():
    y = np.arange(20) % 2
    slope, _ = calibrate(np.where(y, 1.0, -1.0)[:, None], y, np.ones(20))
    assert 1 / (1 + np.exp(-slope)) == pytest.approx(21 / 22, abs=1e-3)
    slope, _ = calibrate(np.where(y, -1.0, 1.0)[:, None], y, np.ones(20))
    assert slope == 0  # what is always wrong is not turned round
    assert calibrate(np.empty((0, 1)), y[:0], np.ones(0)) == (1, 0)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_probabilities_are_about_right_on_new_rows(kernel):
    X, y = make_blobs(3000, centers=4, n_features=6, cluster_std=4.5, random_state=0)
    table = SVMHead(0.1, kernel=kernel).fit(X[:600], y[:600]).predict_proba(X[600:])
    assert np.allclose(table.sum(axis=1), 1)
    assert (table.argmax(axis=1) == y[600:]).mean() == pytest.approx(table.max(axis=1).mean(), abs=0.04)
    assert log_loss(y[600:], table) < log_loss(y[600:], np.full_like(table, 0.25)) / 1.5


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1, 1: 3, 2: 0.5}])
def test_a_weight_counts_rows_and_their_order_does_not_matter(kernel, class_weight):
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, len(y))
    rows = rng.permutation(np.repeat(np.arange(len(y)), weight))
    head = SVMHead(0.1, kernel=kernel, class_weight=class_weight)
    a = head.fit(X, y, sample_weight=weight).predict_proba(X)
    b = head.fit(X[rows], y[rows]).predict_proba(X)
    assert np.abs(a - b).max() < 1e-8


def test_class_weights_bring_a_rare_class_to_the_fore():
    X, y = make_blobs([400, 25], n_features=5, cluster_std=6, random_state=1)
    plain, balanced = (SVMHead(0.1, class_weight=w).fit(X, y).predict(X).mean() for w in (None, "balanced"))
    assert plain < 25 / 425 < balanced


def test_groups_are_not_torn_apart_by_the_folds_that_calibrate():
    """Labels are noise; a row's near copy on the other side of a fold makes it look as if they were not."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(60), 3)
    y = rng.integers(0, 2, 60)[group]
    X = rng.normal(size=(60, 200))[group] + rng.normal(size=(180, 200)) * 1e-3
    torn, whole = (SVMHead(0.01).fit(X, y, groups=g).predict_proba(rng.normal(size=(500, 200))) for g in (None, group))
    assert torn.max(axis=1).mean() > 0.7 > 0.6 > whole.max(axis=1).mean()


def test_a_class_with_one_row_is_known_and_not_calibrated_on():
    X, y = load_iris(return_X_y=True)
    rows = np.r_[:60, 100]
    head = SVMHead(1.0).fit(X[rows], y[rows])
    assert head.classes_.tolist() == [0, 1, 2]
    assert head.predict(X[100:101]).tolist() == [2]
    three = [0, 50, 100]
    assert SVMHead(1.0).fit(X[three], y[three]).predict(X[three]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("k", [2, 3])
def test_arrays_there_and_back(k, kernel):
    from safetensors.numpy import load, save

    X, y = wide(n=90, k=k)
    names = np.array(["a", "b", "c"])[y]
    head = SVMHead(0.01, kernel=kernel).fit(X, names)
    arrays = load(save(head.to_arrays()))
    inner = X
    if kernel == "rbf":
        inner = np.exp(-cdist((X - arrays["centre"]) * arrays["scale"], arrays["landmarks"], "sqeuclidean"))
    assert np.allclose(softmax(inner @ arrays["weight"].T + arrays["bias"], axis=1), head.predict_proba(X))
    again = SVMHead.from_arrays(arrays, head.classes_)
    assert np.array_equal(again.predict(X), head.predict(X))
    assert np.allclose(again.decision_function(X), head.decision_function(X))
    assert again.kernel == kernel and again.n_features_in_ == X.shape[1]
    with pytest.raises(DataError, match="do not fit"):
        SVMHead.from_arrays(arrays, ["a"])


def test_clear_errors():
    with pytest.raises(DataError, match="one class"):
        SVMHead().fit([[1.0], [2.0]], ["a", "a"])
    with pytest.raises(HeadstartError, match="'poly'"):
        SVMHead(kernel="poly").fit([[1.0], [2.0]], [0, 1])


def folds_of(y, n_folds=3):
    return list(StratifiedKFold(n_folds).split(np.zeros(len(y)), y))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_choice_and_its_evidence(kernel):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300].astype(np.float32), y[:300]
    done = []
    found = svm_out_of_fold(X, y, folds_of(y), kernel=kernel, n_classes=10, advance=done.append)
    assert len(found.Cs) == len(found.gamma_factors) == len(found.scores) == len(done) / 3
    for score, loss, table in zip(found.scores, found.losses, found.probabilities, strict=True):
        assert np.allclose(table.sum(axis=1), 1)
        assert score == pytest.approx(f1_score(y, table.argmax(axis=1), average="macro"))
        assert loss == pytest.approx(log_loss(y, table), rel=1e-6)
    assert found.scores[found.best] > 0.9
    head = found.head(class_weight="balanced")
    assert (head.C, head.kernel, head.class_weight) == (found.C, kernel, "balanced")
    assert head.gamma_factor == found.gamma_factors[found.best]


def test_the_path_gives_what_the_head_gives():
    """A fold's probabilities are those of a head fitted on its training rows, but for the folds of the calibration."""
    X, y = load_wine(return_X_y=True)
    folds = folds_of(y)
    found = svm_out_of_fold(X, y, folds, kernel="rbf", n_classes=3, Cs=[1.0, 3.0], gamma_factors=[0.5])
    for train, test in folds:
        head = SVMHead(3.0, kernel="rbf", gamma_factor=0.5).fit(X[train], y[train])
        assert np.abs(found.probabilities[1][test] - head.predict_proba(X[test])).mean() < 0.02


def test_threads_do_not_change_the_result(monkeypatch):
    X, y = load_wine(return_X_y=True)
    two = svm_out_of_fold(X, y, folds_of(y), kernel="rbf", n_classes=3)
    head = SVMHead(0.1).fit(X, y)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    one = svm_out_of_fold(X, y, folds_of(y), kernel="rbf", n_classes=3)
    assert (one.Cs, one.gamma_factors, one.best) == (two.Cs, two.gamma_factors, two.best)
    assert np.array_equal(one.probabilities, two.probabilities)
    assert np.array_equal(SVMHead(0.1).fit(X, y).coef_, head.coef_)


def test_rows_in_no_fold_and_classes_that_a_training_side_lacks():
    X, y = load_iris(return_X_y=True)
    folds = [(np.r_[:40, 50:90], np.r_[40:50, 100:110]), (np.r_[:50, 100:150], np.r_[50:60])]
    found = svm_out_of_fold(X, y, folds, kernel="linear", n_classes=3)
    table = found.probabilities[found.best]
    assert np.isnan(table[110:]).all() and np.isfinite(table[100:110]).all()


@pytest.mark.parametrize(
    ("change", "message"), [({"kernel": "poly"}, "'poly'"), ({"metric": "log_loss"}, "log_loss"), ({}, "two or more")]
)
def test_a_choice_that_cannot_be_made(change, message):
    X, y = load_iris(return_X_y=True)
    folds = folds_of(y) if change else folds_of(y)[:1]
    with pytest.raises(DataError, match=message):
        svm_out_of_fold(X, y, folds, **{"kernel": "linear", "n_classes": 3, **change})

"""Each score against its definition, written out slowly or taken from another library."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from headstart.results import DataError
from headstart.transferability import gbc, h_score, knn_score, leep, linear_probe_score, nce, nleep, parc, transrate


def data(n=90, d=12, classes=3, signal=1.0, seed=0):
    """Features and labels, the first class being half of them."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(classes), rng.choice(classes, n - classes, p=np.r_[0.5, np.full(classes - 1, 0.5 / 2)])]
    return rng.normal(size=(n, d)) * rng.uniform(0.2, 2, d) + signal * rng.normal(size=(classes, d))[y] + 1.0, y


def repeated(y, *arrays):
    """Rows repeated until each class is equally large: what class weights stand for."""
    counts = np.bincount(y)
    rows = np.concatenate([np.repeat(np.flatnonzero(y == k), np.lcm.reduce(counts) // counts[k]) for k in range(3)])
    return y[rows], *(array[rows] for array in arrays)


@pytest.mark.parametrize("d", [5, 150])
def test_h_score_is_the_trace_with_the_covariance_of_ledoit_and_wolf(d):
    X, y = data(d=d)
    fitted = LedoitWolf().fit(X)
    means = np.array([X[y == k].mean(axis=0) for k in range(3)])[y]
    expected = np.trace(np.linalg.inv(fitted.covariance_) @ np.cov(means.T, bias=True)) * (1 - fitted.shrinkage_)
    assert h_score(X, y) == pytest.approx(expected)


def test_h_score_does_not_saturate_on_noise():
    noise = np.random.default_rng(0).normal(size=(60, 500))
    assert h_score(noise, np.arange(60) % 3) < 0.5, "the plain score is 2, whatever the labels"


def test_nce_is_mutual_information_less_the_entropy_of_the_labels():
    _, y = data()
    z = (y + np.random.default_rng(1).integers(0, 2, len(y))) % 3
    shares = np.bincount(y) / len(y)
    assert nce(z, y) == pytest.approx(mutual_info_score(z, y) + (shares * np.log(shares)).sum())
    balanced, z = repeated(y, z)
    assert nce(z, balanced) == pytest.approx(mutual_info_score(z, balanced) - np.log(3))
    assert nce(np.array(["cat", "dog", "cow"])[z], balanced) == pytest.approx(nce(z, balanced))


def slow_leep(theta, y, weights):
    joint = np.zeros((3, theta.shape[1]))
    for row, k in enumerate(y):
        joint[k] += weights[row] * theta[row]
    total = 0.0
    for row, k in enumerate(y):
        total += weights[row] * np.log(
            sum(joint[k, z] / joint[:, z].sum() * theta[row, z] for z in range(theta.shape[1]) if joint[:, z].sum())
        )
    return total / weights.sum()


def test_leep_is_its_definition():
    _, y = data()
    theta = np.random.default_rng(2).dirichlet(np.ones(7), len(y))
    theta[:, 3] = 0.0
    theta /= theta.sum(axis=1, keepdims=True)
    assert leep(theta, y) == pytest.approx(slow_leep(theta, y, np.ones(len(y))))
    expected = slow_leep(theta, y, (len(y) / (3 * np.bincount(y)))[y])
    assert leep(theta, y, class_weight="balanced") == pytest.approx(expected)


def test_leep_of_a_head_that_says_one_class_each_is_nce():
    _, y = data()
    z = np.random.default_rng(3).integers(0, 5, len(y))
    assert leep(np.eye(5)[z], y) == pytest.approx(nce(z, y))


def test_leep_wants_probabilities():
    with pytest.raises(DataError, match=r"row 1 lie between -1 and 2 and add up to 1.*softmax"):
        leep([[0.5, 0.5], [2.0, -1.0]], [0, 1])


def test_nleep_is_leep_of_a_mixture_of_the_principal_components():
    X, y = data(n=400, d=20)
    Z = PCA(0.8, svd_solver="full").fit_transform(X)
    Z /= Z.std(axis=0).max()
    mixture = GaussianMixture(15, covariance_type="diag", random_state=0).fit(Z)
    found = nleep(X, y)
    assert found == pytest.approx(leep(mixture.predict_proba(Z), y)) and found.n_iter == mixture.n_iter_
    assert nleep(1000 * X, y) == pytest.approx(found, rel=1e-6), "the unit of the features does not matter"


@pytest.mark.parametrize("spherical", [True, False])
def test_gbc_adds_up_the_coefficients_of_all_ordered_pairs(spherical):
    X, y = data(n=200, d=10)
    Z = PCA(4).fit_transform(X)
    total = 0.0
    for i in range(3):
        for j in range(3):
            if i != j:
                a, b = Z[y == i], Z[y == j]
                s, t = (np.diag(np.full(4, c.var(axis=0).mean()) if spherical else c.var(axis=0)) for c in (a, b))
                middle, gap = (s + t) / 2, a.mean(axis=0) - b.mean(axis=0)
                distance = gap @ np.linalg.inv(middle) @ gap / 8
                distance += np.log(np.linalg.det(middle) / np.sqrt(np.linalg.det(s) * np.linalg.det(t))) / 2
                total -= np.exp(-distance)
    assert gbc(X, y, n_components=4, spherical=spherical) == pytest.approx(total)


def test_transrate_is_its_definition_and_counts_classes_by_their_share():
    X, y = data()
    Z = X - X.mean(axis=0)

    def rate(rows):
        return np.linalg.slogdet(np.eye(12) + rows.T @ rows / (len(rows) * 0.01))[1] / 2

    within = sum((y == k).mean() * rate(Z[y == k]) for k in range(3))
    assert transrate(X, y, epsilon=0.01) == pytest.approx(rate(Z) - within)


def test_transrate_of_noise_is_small_where_classes_are_not_equally_large():
    """The paper's code divides by the number of classes: on this noise it says tens of nats more."""
    X = np.random.default_rng(0).normal(size=(1000, 32))
    y = (np.arange(1000) < 20).astype(int)
    Z = X - X.mean(axis=0)
    rates = [np.linalg.slogdet(np.eye(32) + rows.T @ rows / (len(rows) * 1e-4))[1] / 2 for rows in (Z[y == 1], Z)]
    assert transrate(X, y) < 2.5 and (rates[1] - rates[0]) / 2 > 10


def test_parc_is_spearman_of_the_two_distances():
    X, y = data(n=80)
    pairs = np.tril_indices(80, -1)
    a, b = 1 - np.corrcoef(X), np.round(1 - np.corrcoef(np.eye(3)[y]), 9)  # rounding would break ties
    assert parc(X, y) == pytest.approx(spearmanr(a[pairs], b[pairs])[0])


def test_parc_of_many_rows_is_that_of_a_share_of_them():
    X, y = data(n=1200)
    found = parc(X, y, max_rows=400)
    assert found == pytest.approx(parc(X, y), abs=0.05) and found.warnings == ("400 of 1,200 examples",)


@pytest.mark.parametrize("k", [1, 5])
def test_knn_score_is_leave_one_out_accuracy(k):
    X, y = data(n=120, signal=0.7)
    y = np.minimum(y, 1)  # scikit-learn breaks a tie of three classes another way
    said = cross_val_predict(KNeighborsClassifier(k, metric="cosine"), X, y, cv=LeaveOneOut())
    assert knn_score(X, y, k=k) == pytest.approx((said == y).mean())
    assert knn_score(X, y, k=1, class_weight="balanced") == pytest.approx(
        balanced_accuracy_score(y, cross_val_predict(KNeighborsClassifier(1, metric="cosine"), X, y, cv=LeaveOneOut()))
    )


@pytest.mark.parametrize("d", [6, 70])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_linear_probe_score_is_what_leaving_each_out_says(d, class_weight):
    X, y = data(n=60, d=d, signal=0.6)
    weights = (60 / (3 * np.bincount(y)))[y] if class_weight else np.ones(60)
    mean = weights @ X / 60
    largest = np.linalg.svd(np.sqrt(weights)[:, None] * (X - mean), compute_uv=False)[0] ** 2
    best = (np.inf, None)
    for penalty in largest * np.logspace(-6, 2, 17):
        said = np.empty((60, 3))
        for row in range(60):
            kept = np.arange(60) != row
            said[row] = Ridge(penalty).fit(X[kept], np.eye(3)[y[kept]], weights[kept]).predict(X[row : row + 1])[0]
        error = weights @ ((np.eye(3)[y] - said) ** 2).sum(axis=1)
        best = min(best, (error, weights @ (said.argmax(axis=1) == y) / 60))
    assert linear_probe_score(X, y, class_weight=class_weight) == pytest.approx(best[1], abs=1e-9)


@pytest.mark.parametrize("score", [h_score, transrate, lambda X, y, **more: gbc(X, y, n_components=8, **more)])
def test_class_weights_stand_for_classes_that_are_equally_large(score):
    """Against the same rows, repeated; H-score's shrinkage also depends on how many there are, so X has many."""
    X, y = data(n=3000, d=8)
    larger, rows = repeated_roughly(X, y)
    assert score(X, y, class_weight="balanced") == pytest.approx(score(rows, larger), rel=0.02)


def repeated_roughly(X, y):
    counts = np.bincount(y)
    rows = np.concatenate([np.resize(np.flatnonzero(y == k), 20 * counts.max()) for k in range(3)])
    return y[rows], X[rows]

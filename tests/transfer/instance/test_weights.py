"""The weightings against brute force, other solvers and, where it is installed, skada."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, linprog, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler

from headstart.results import DataError, HeadstartWarning
from headstart.transfer.instance import (
    KMM,
    classifier_weights,
    effective_sample_size,
    kliep_weights,
    kmm_weights,
    neighbour_weights,
    ulsif_weights,
)
from headstart.transfer.instance._rows import Rows
from headstart.transfer.instance.kliep import ratio
from headstart.transfer.instance.kmm import matched
from headstart.transfer.instance.quadratic import Bounds, least_quadratic
from headstart.transfer.instance.ulsif import coefficients, left_out

ALL = [kmm_weights, kliep_weights, ulsif_weights, partial(classifier_weights, C=0.1), neighbour_weights]
NAMES = ["kmm", "kliep", "ulsif", "classifier", "neighbours"]
WEIGHED = pytest.mark.parametrize("weigh", ALL, ids=NAMES)


def sides(ns=40, nt=25, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ns, d)), 0.7 * rng.normal(size=(nt, d)) + 0.6


def standardized(Xs, Xt):
    scaler = StandardScaler().fit(np.vstack([Xs, Xt]))
    return scaler.transform(Xs), scaler.transform(Xt)


@pytest.mark.parametrize("B, eps", [(1000.0, None), (1.5, None), (1000.0, 0.0), (2.0, 0.01)])
def test_kmm_is_the_quadratic_programs_optimum(B, eps):
    Xs, Xt = sides()
    ns, nt = len(Xs), len(Xt)
    found = matched(Rows.of(Xs, Xt), B=B, eps=eps, gamma=0.5, n_components=None, random_state=0)
    Zs, Zt = standardized(Xs, Xt)
    K = rbf_kernel(Zs, gamma=0.5)
    kappa = rbf_kernel(Zs, Zt, gamma=0.5).sum(axis=1) * ns / nt
    slack = ns * ((np.sqrt(ns) - 1) / np.sqrt(ns) if eps is None else eps)
    reference = minimize(
        lambda w: w @ K @ w / 2 - kappa @ w, np.ones(ns), jac=lambda w: K @ w - kappa, method="SLSQP",
        bounds=[(0, B)] * ns, constraints=LinearConstraint(np.ones((1, ns)), ns - slack, ns + slack),
        options={"ftol": 1e-12, "maxiter": 1000},
    )  # fmt: skip
    assert found.objective == pytest.approx(reference.fun, rel=1e-3) and found.gap <= 1e-3 * abs(found.objective)
    assert found.objective - found.gap <= reference.fun + 1e-9 * abs(reference.fun)  # the gap bounds the optimum
    assert (found.x >= 0).all() and (found.x <= B + 1e-9).all() and abs(found.x.sum() - ns) <= slack + 1e-6
    w = kmm_weights(Xs, Xt, B=B, eps=eps, gamma=0.5)
    w *= found.x.mean()
    assert w @ K @ w / 2 - kappa @ w == pytest.approx(found.objective, rel=1e-5)  # in the order that was given


def test_kmm_is_skadas_kmm():
    skada = pytest.importorskip("skada")
    Xs, Xt = standardized(*sides())
    ns = len(Xs)
    model = skada.KMMReweightAdapter(gamma=0.5, B=1000.0, tol=1e-9, max_iter=5000)
    model.fit(np.vstack([Xs, Xt]), sample_domain=np.r_[np.ones(ns), -2 * np.ones(len(Xt))])
    theirs = np.asarray(model.source_weights_).ravel()
    K, kappa = rbf_kernel(Xs, gamma=0.5), rbf_kernel(Xs, Xt, gamma=0.5).sum(axis=1) * ns / len(Xt)
    found = matched(Rows.of(Xs, Xt), B=1000.0, eps=None, gamma=0.5, n_components=None, random_state=0)
    theirs *= found.x.sum() / theirs.sum()
    assert theirs @ K @ theirs / 2 - kappa @ theirs == pytest.approx(found.objective, rel=1e-3)


def test_kmm_with_as_many_landmarks_as_rows_is_the_dense_one():
    Xs, Xt = sides(30, 30)
    options = {"B": 1000.0, "eps": None, "gamma": 0.5, "random_state": 0}
    dense = matched(Rows.of(Xs, Xt), n_components=None, **options)
    assert matched(Rows.of(Xs, Xt), n_components=60, **options).objective == pytest.approx(dense.objective, rel=1e-3)


@pytest.mark.parametrize("n, n_components", [(315, None), (4095, 40)])
def test_kmm_treats_rows_alike_whatever_their_number(n, n_components):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(n, 2)), rng.normal(size=(64, 2)) + 0.5
    rest = n % 100
    Xs[-rest:] = Xs[:rest]  # what a split into hundreds, or thousands, would leave over
    rows, solved = Rows.of(Xs, Xt), np.empty(n)
    solved[rows.place] = matched(rows, B=1e3, eps=None, gamma=None, n_components=n_components, random_state=0).x
    assert solved[-rest:] == pytest.approx(solved[:rest], abs=1e-3) and solved[-rest:].max() > 1
    weights = kmm_weights(Xs, Xt, n_components=n_components)
    assert np.array_equal(weights[-rest:], weights[:rest])
    order = rng.permutation(n)
    assert np.array_equal(kmm_weights(Xs[order], Xt, n_components=n_components), weights[order])


def test_kmm_takes_landmarks_by_itself_where_there_are_many_rows(monkeypatch):
    Xs, Xt = sides()
    monkeypatch.setattr("headstart.transfer.instance.kmm._DENSE", 39)
    monkeypatch.setattr("headstart.transfer.instance.kmm._LANDMARKS", 10)
    assert np.array_equal(kmm_weights(Xs, Xt), kmm_weights(Xs, Xt, n_components=10))
    assert not np.allclose(kmm_weights(Xs[:39], Xt), kmm_weights(Xs[:39], Xt, n_components=10))


@WEIGHED
def test_blocks_of_a_few_rows_are_the_same_sums(weigh, monkeypatch):
    Xs, Xt = sides()
    whole = weigh(Xs, Xt)
    monkeypatch.setattr("headstart.transfer.instance._rows._CELLS", 100)
    assert weigh(Xs, Xt) == pytest.approx(whole, rel=1e-6)


def test_projection_and_least_slope_are_those_of_a_linear_program_and_of_brute_force():
    rng = np.random.default_rng(0)
    for low, high in ((6.0, 7.0), (0.0, 2.0), (3.0, 3.0)):
        bounds = Bounds(1.2, low, high)
        x, slope = rng.normal(size=8), rng.normal(size=8)
        nearest = minimize(
            lambda z, x=x: ((z - x) ** 2).sum(), np.full(8, (low + high) / 16), method="SLSQP", bounds=[(0, 1.2)] * 8,
            constraints=LinearConstraint(np.ones((1, 8)), low, high), options={"ftol": 1e-14},
        )  # fmt: skip
        assert bounds.nearest(x) == pytest.approx(nearest.x, abs=1e-5)
        program = linprog(slope, A_ub=np.stack([np.ones(8), -np.ones(8)]), b_ub=[high, -low], bounds=(0, 1.2))
        assert bounds.lowest(slope) == pytest.approx(program.fun, abs=1e-9)


def test_a_quadratic_without_curvature_ends_at_once():
    found = least_quadratic(lambda x: 0 * x, np.zeros(5), Bounds(2.0, 1.0, 5.0))
    assert found.objective == 0 and found.gap == 0 and found.n_iter == 10


def test_kliep_is_the_maximum_that_another_solver_finds():
    Xs, Xt = sides()
    Zs, Zt = standardized(Xs, Xt)
    own, other = rbf_kernel(Zs, Zt, gamma=1.0), rbf_kernel(Zt, Zt, gamma=1.0)
    # A mixture's shares, as a softmax, which needs no constraint.
    table = other / own.mean(axis=0)

    def less(free):
        shares = np.exp(free - free.max()) / np.exp(free - free.max()).sum()
        slope = (table / (table @ shares)[:, None]).mean(axis=0)
        return -np.log(table @ shares).mean(), -shares * (slope - 1)

    reference = minimize(less, np.zeros(len(Zt)), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-14})
    found = ratio(other, own.mean(axis=0))
    assert np.log(other @ found).mean() == pytest.approx(-reference.fun, abs=1e-5)
    assert (own @ found).mean() == pytest.approx(1) and (found >= 0).all()
    assert kliep_weights(Xs, Xt, gamma=1.0) == pytest.approx(own @ found, abs=1e-6)


def test_kliep_chooses_the_width_that_explains_rows_left_out():
    rng = np.random.default_rng(0)
    Xs = rng.uniform(-3, 3, size=(400, 1))
    Xt = rng.normal(size=(200, 1))
    scale = np.vstack([Xs, Xt]).std()
    truth = np.exp(-(Xs[:, 0] ** 2) / 2)
    right = np.corrcoef(kliep_weights(Xs, Xt), truth)[0, 1]
    narrow = np.corrcoef(kliep_weights(Xs, Xt, gamma=5000 * scale), truth)[0, 1]
    assert right > 0.95 > narrow


def test_ulsif_is_the_closed_form_and_its_score_leaves_one_out():
    Xs, Xt = sides(14, 9)
    Zs, Zt = standardized(Xs, Xt)
    own, other = rbf_kernel(Zs, Zt, gamma=0.7), rbf_kernel(Zt, Zt, gamma=0.7)
    H, h = own.T @ own / 14, other.mean(axis=0)
    # Before negative coefficients are cut, it is where J has no slope.
    unconstrained = minimize(lambda a: a @ H @ a / 2 - h @ a + 0.1 * a @ a / 2, np.zeros(9), options={"gtol": 1e-10})
    assert coefficients(H, h, 0.1) == pytest.approx(np.maximum(0, unconstrained.x), abs=1e-6)
    weights = own @ np.maximum(0, unconstrained.x)
    assert ulsif_weights(Xs, Xt, gamma=0.7, penalty=0.1) == pytest.approx(weights / weights.mean(), abs=1e-5)
    score = 0.0
    for i in range(14):
        rest = np.delete(own, i, axis=0)
        score += (own[i] @ coefficients(rest.T @ rest / 13, h, 0.1)) ** 2 / 28
    for j in range(9):
        score -= other[j] @ coefficients(H, np.delete(other, j, axis=0).mean(axis=0), 0.1) / 9
    assert left_out(own, other, H, h, 0.1) == pytest.approx(score, rel=1e-9)


def test_ulsif_takes_the_pair_with_the_lowest_score():
    Xs, Xt = sides()
    Zs, Zt = standardized(Xs, Xt)
    squares = ((np.vstack([Zs, Zt])[:, None] - np.vstack([Zs, Zt])[None]) ** 2).sum(axis=-1)[np.triu_indices(65, 1)]
    scale = 1 / np.median(squares)
    best, lowest = None, np.inf
    for width in (0.3, 3.0):
        own, other = rbf_kernel(Zs, Zt, gamma=width * scale), rbf_kernel(Zt, Zt, gamma=width * scale)
        for penalty in (0.01, 1.0):
            score = left_out(own, other, own.T @ own / 40, other.mean(axis=0), penalty)
            if score < lowest:
                best, lowest = (width * scale, penalty), score
    chosen = ulsif_weights(Xs, Xt, widths=(0.3, 3.0), penalties=(0.01, 1.0))
    assert chosen == pytest.approx(ulsif_weights(Xs, Xt, gamma=best[0], penalty=best[1]), rel=1e-6)


def test_classifier_weights_are_the_true_ratio_of_two_normal_distributions():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2000, 1)), rng.normal(size=(1000, 1)) + 0.5
    truth = np.exp(0.5 * Xs[:, 0] - 0.125)
    weights = classifier_weights(Xs, Xt)
    assert weights.mean() == pytest.approx(1)
    assert np.abs(weights - truth).mean() < 0.08 < np.abs(1 - truth).mean()


def test_classifier_weights_come_from_heads_that_did_not_see_the_row():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 40)), rng.normal(size=(30, 40))  # no difference, and separable
    inside = LogisticRegression(C=100.0).fit(np.vstack([Xs, Xt]), np.repeat([0, 1], 30)).predict_proba(Xs)
    assert effective_sample_size(classifier_weights(Xs, Xt, C=1e-3)) > 25
    assert (inside[:, 1] < 0.1).all()  # what asking the rows that it was trained on would say
    assert (classifier_weights(Xs, Xt, C=100.0) > 1).any()


def test_neighbour_weights_are_counted_by_hand():
    Xs, Xt = sides(20, 50)
    Xs = np.vstack([Xs, Xs[:3]])  # copies share
    Zs, Zt = standardized(Xs, Xt)
    expected = np.ones(23)
    for row in Zt:
        squares = ((Zs - row) ** 2).sum(axis=1)
        nearest = np.flatnonzero(squares < squares.min() + 1e-12)
        expected[nearest] += 1 / len(nearest)
    assert neighbour_weights(Xs, Xt) == pytest.approx(expected / expected.mean())


@WEIGHED
def test_every_weighting_follows_the_target_and_not_the_order(weigh):
    Xs, Xt = sides(200, 100)
    weights = weigh(Xs, Xt)
    assert weights.shape == (200,) and (weights >= 0).all() and weights.mean() == pytest.approx(1)
    off = [np.linalg.norm(np.average(Xs, axis=0, weights=w) - Xt.mean(axis=0)) for w in (weights, None)]
    assert off[0] < 0.75 * off[1]
    order = np.random.default_rng(1).permutation(200)
    assert np.array_equal(weigh(Xs[order], Xt[::-1]), weights[order])
    scaled = weigh(Xs * [1000, 0.001] + 5, Xt * [1000, 0.001] + 5)
    assert np.corrcoef(scaled, weights)[0, 1] > 0.99  # the unit of a feature is no matter


@WEIGHED
def test_every_weighting_survives_what_is_degenerate(weigh):
    rng = np.random.default_rng(0)
    Xs, Xt = sides()
    cases = [(Xs, Xt[:1]), (Xs[:1], Xt), (Xs[:1], Xt[:1]), (np.ones((9, 2)), np.ones((4, 2))), (Xs, Xs),
             (Xs, Xt + 1e6), (Xs * 1e9, Xt * 1e9), (np.repeat(Xs[:2], 20, axis=0), Xt), (Xs, np.repeat(Xt[:1], 9, 0)),
             (rng.normal(size=(9, 300)), rng.normal(size=(9, 300)))]  # fmt: skip
    for source, target in cases:
        weights = weigh(source, target)
        assert np.isfinite(weights).all() and (weights >= 0).all() and weights.mean() == pytest.approx(1)
    assert weigh(*cases[3]) == pytest.approx(np.ones(9))
    assert effective_sample_size(weigh(Xs, Xs)) > 25


@WEIGHED
def test_bad_input_gets_one_line_with_the_way_out(weigh):
    Xs, Xt = sides()
    with pytest.raises(DataError, match="choose common features"):
        weigh(Xs, Xt[:, :1])
    with pytest.raises(DataError, match="Xs of row 3 are not all finite"):
        weigh(np.where(np.arange(40)[:, None] == 3, np.nan, Xs), Xt)
    with pytest.raises(DataError, match="the target has no rows"):
        weigh(Xs, Xt[:0])
    with pytest.raises(DataError, match="one row an example"):
        weigh(Xs[:, 0], Xt)


@pytest.mark.parametrize(
    "weigh, options, message",
    [
        (kmm_weights, {"B": 0.5}, "B=0.5: give at least 1"),
        (kmm_weights, {"eps": 1.0}, "eps=1.0: give a number from 0 to below 1"),
        (kmm_weights, {"gamma": 0}, "gamma=0: give a number above 0"),
        (kliep_weights, {"gamma": -1}, "gamma=-1: give a number above 0"),
        (kliep_weights, {"n_centres": 0}, "n_centres=0: give at least 1"),
        (kliep_weights, {"widths": ()}, r"widths=\(\): give numbers above 0"),
        (ulsif_weights, {"penalty": 0}, "penalty 0: give numbers above 0"),
        (classifier_weights, {"highest": 1}, "highest=1: give a number above 1"),
        (classifier_weights, {"C": 0}, "C=0: give a number above 0"),
        (neighbour_weights, {"smoothing": -1}, "smoothing=-1: give 0 or more"),
    ],
)
def test_options_out_of_range_are_named(weigh, options, message):
    with pytest.raises(DataError, match=message):
        weigh(*sides(), **options)


def test_weights_of_sides_that_have_nothing_in_common_are_all_one_with_a_warning():
    Xs, Xt = sides()
    with pytest.warns(HeadstartWarning, match="no source row is like any target row"):
        weights = kliep_weights(Xs, Xt + 1e4, gamma=1e6)
    assert np.array_equal(weights, np.ones(40))


def test_effective_sample_size_is_the_number_of_rows_that_vary_as_much():
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=50)
    means = rng.normal(size=(20_000, 50)) @ weights / weights.sum()
    assert effective_sample_size(weights) == pytest.approx(1 / means.var(), rel=0.03)
    assert effective_sample_size(weights * 1e-200) == pytest.approx(effective_sample_size(weights))
    for bad in ([], [0.0, 0.0], [1.0, -1.0], [np.nan], [[1.0]]):
        with pytest.raises(DataError, match="give finite numbers of 0 or more"):
            effective_sample_size(bad)


def test_an_estimator_that_takes_no_weights_is_refused():
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    Xs, Xt = sides()
    for estimator in (KNeighborsClassifier(), make_pipeline(StandardScaler(), KNeighborsClassifier())):
        with pytest.raises(DataError, match="KNeighborsClassifier takes no sample_weight"):
            KMM(estimator).fit(Xs, Xs[:, 0] > 0, Xt)


def test_the_estimator_gets_the_weights_and_labelled_target_rows_of_weight_one():
    from sklearn.pipeline import make_pipeline

    from headstart.training import LogisticHead

    Xs, Xt = sides()
    ys, yt = (Xs[:, 0] > 0).astype(int), np.r_[0, 1, 0, -np.ones(22)].astype(int)
    model = KMM(LogisticHead(0.1)).fit(Xs, ys, Xt)
    expected = LogisticHead(0.1).fit(Xs, ys, sample_weight=model.weights_)
    assert np.array_equal(model.estimator_.coef_, expected.coef_)
    both = KMM(make_pipeline(LogisticHead(0.1))).fit(Xs, ys, Xt, yt)
    weights = np.r_[model.weights_ * model.effective_sample_size_ / 40, 1, 1, 1]
    expected.fit(np.vstack([Xs, Xt[:3]]), np.r_[ys, 0, 1, 0], sample_weight=weights / weights.mean())
    assert both.estimator_[-1].coef_ == pytest.approx(expected.coef_, rel=1e-4)

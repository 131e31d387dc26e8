"""Optimal transport against linear programs, optimality conditions and, where it is installed, POT."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.spatial.distance import cdist

from headstart.results import DataError, HeadstartWarning
from headstart.transfer.feature import OptimalTransport, exact_plan, grouped_sinkhorn, sinkhorn


def problem(n=7, m=5, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return cdist(rng.normal(size=(n, 2)), rng.normal(size=(m, 2)), "sqeuclidean"), a / a.sum(), b / b.sum()


@pytest.mark.parametrize("reg", [0.02, 0.3, 5.0])
def test_the_entropic_plan_is_a_scaled_kernel_with_the_right_sums(reg):
    C, a, b = problem()
    found = sinkhorn(C, a, b, reg=reg, tol=1e-11, max_iter=20_000)
    np.testing.assert_allclose(found.plan.sum(axis=1), a, atol=1e-9)
    np.testing.assert_allclose(found.plan.sum(axis=0), b, atol=1e-9)
    dual = reg * np.log(found.plan) + C  # = f_i + g_j: the only plan that has this form and these sums is the best
    np.testing.assert_allclose(dual - dual[:1] - dual[:, :1] + dual[0, 0], 0, atol=1e-8)
    assert found.cost == pytest.approx((found.plan * C).sum())


def solved(objective, a, b):
    """Minimum over the plans with these sums, by a solver that knows nothing of transport."""
    n, m = len(a), len(b)
    sums = [
        {"type": "eq", "fun": lambda t: t.reshape(n, m).sum(axis=1) - a},
        {"type": "eq", "fun": lambda t: t.reshape(n, m).sum(axis=0)[:-1] - b[:-1]},
    ]
    options = {"ftol": 1e-13, "maxiter": 1000}
    start, bounds = np.outer(a, b).ravel(), [(1e-9, 1)] * (n * m)
    return minimize(objective, start, method="SLSQP", bounds=bounds, constraints=sums, options=options)


def test_entropic_against_a_solver_that_knows_nothing_of_it():
    C, a, b = problem(3, 3)
    best = solved(lambda t: t @ C.ravel() + 0.5 * (t * np.log(t)).sum(), a, b)
    np.testing.assert_allclose(sinkhorn(C, a, b, reg=0.5, tol=1e-10).plan.ravel(), best.x, atol=1e-5)


def test_a_tiny_reg_neither_overflows_nor_vanishes():
    C, a, b = problem(12, 12, 3)
    C = 1e4 * C
    best = linprog_cost(C, a, b)
    found = sinkhorn(C, a, b, reg=10.0, max_iter=50_000, tol=1e-7)
    assert np.isfinite(found.plan).all() and found.error < 1e-6
    assert best - 1e-3 <= found.cost <= best + 10.0 * np.log(144)


def linprog_cost(C, a, b):
    n, m = C.shape
    A = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return linprog(C.ravel(), A_eq=A, b_eq=np.r_[a, b]).fun


@pytest.mark.parametrize(("n", "m"), [(6, 4), (5, 5), (1, 3), (3, 1)])
def test_the_exact_plan_costs_least(n, m):
    C, a, b = problem(n, m)
    found = exact_plan(C, a, b)
    assert found.cost == pytest.approx(linprog_cost(C, a, b)) == (found.plan * C).sum()
    np.testing.assert_allclose(found.plan.sum(axis=0), b, atol=1e-12)
    if n == m:
        even = np.full(n, 1 / n)
        assert exact_plan(C).cost == pytest.approx(linprog_cost(C, even, even))


def grouped_objective(T, C, groups, reg, group_reg):
    classes = sum(np.linalg.norm(T[groups == c, j]) for c in np.unique(groups) for j in range(T.shape[1]))
    return (T * C).sum() + reg * (T * np.log(T)).sum() + group_reg * classes


def test_classes_are_kept_together_by_the_convex_programs_minimum():
    C, a, b = problem(4, 3)
    groups = np.array([5, 2, 5, 2])
    found = grouped_sinkhorn(C, groups, a, b, reg=0.3, group_reg=0.7, tol=1e-9, max_outer=400).plan
    least = grouped_objective(found, C, groups, 0.3, 0.7)
    best = solved(lambda t: grouped_objective(t.reshape(4, 3), C, groups, 0.3, 0.7), a, b)
    assert least == pytest.approx(best.fun, abs=1e-6)
    np.testing.assert_allclose(found.ravel(), best.x, atol=2e-3)
    none = grouped_sinkhorn(C, groups, a, b, reg=0.3, group_reg=0.0)
    np.testing.assert_array_equal(none.plan, sinkhorn(C, a, b, reg=0.3).plan)


def shifted(ns=40, nt=30, seed=0):
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(ns) % 2, np.arange(nt) % 2
    return rng.normal(size=(ns, 2)) + 5 * ys[:, None], ys, rng.normal(size=(nt, 2)) + 5 * yt[:, None] + [3.0, -3.0], yt


@pytest.mark.parametrize("options", [{"reg": 0.05}, {"reg": 0.0}, {"class_reg": 0.3}])
def test_rows_go_to_the_mean_of_where_their_mass_goes(options):
    Xs, ys, Xt, _ = shifted()
    model = OptimalTransport(**options).fit(Xs, ys, Xt)
    plan = model.plan_.plan
    expected = np.array([sum(plan[i, j] * Xt[j] for j in range(30)) / plan[i].sum() for i in range(40)])
    np.testing.assert_allclose(model.transform_source(Xs), expected, atol=1e-9)
    new = Xs[7] + [1e-3, -1e-3]
    np.testing.assert_allclose(model.transform_source(new[None])[0], new + expected[7] - Xs[7], atol=1e-9)
    np.testing.assert_array_equal(model.transform(Xt), Xt)


def test_labelled_target_rows_receive_from_their_own_class():
    Xs, ys, Xt, yt = shifted()
    Xt = Xt + [0.0, 5.0] * (1 - 2 * yt[:, None])  # the nearest rows are now of the other class
    plan = OptimalTransport().fit(Xs, ys, Xt, yt).plan_.plan
    assert plan[ys[:, None] != yt].sum() < 1e-6 < OptimalTransport().fit(Xs, ys, Xt).plan_.plan[ys[:, None] != yt].sum()


def test_more_rows_than_the_plan_takes_are_drawn_from():
    Xs, ys, Xt, yt = shifted(300, 200)
    model = OptimalTransport(max_rows=50).fit(Xs, ys, Xt)
    assert model.plan_.plan.shape == (50, 50) and model.score(Xt, yt) > 0.95


def test_what_does_not_converge_is_said_and_bad_settings_are_named():
    Xs, ys, Xt, _ = shifted()
    with pytest.warns(HeadstartWarning, match="of the mass is not where it should be"):
        model = OptimalTransport(reg=1e-4, max_iter=2).fit(Xs, ys, Xt)
    assert np.isfinite(model.transform_source(Xs)).all()
    with pytest.raises(DataError, match="give numbers from 0 on"):
        OptimalTransport(reg=-1.0).fit(Xs, ys, Xt)
    with pytest.raises(DataError, match=r"class_reg=0\.1 needs classes and a reg above 0"):
        OptimalTransport(reg=0.0, class_reg=0.1).fit(Xs, ys, Xt)
    C, a, b = problem()
    with pytest.raises(DataError, match="reg=0, max_iter=2000: both are above 0"):
        sinkhorn(C, reg=0)
    with pytest.raises(DataError, match="max_iter=0: both are above 0"):
        sinkhorn(C, reg=1, max_iter=0)
    with pytest.raises(DataError, match="a sums to 2, b to 1"):
        sinkhorn(C, 2 * a, b, reg=1)
    with pytest.raises(DataError, match="give 7 masses above 0"):
        sinkhorn(C, a * 0, b, reg=1)
    with pytest.raises(DataError, match="give one group a row"):
        grouped_sinkhorn(C, [0, 1], reg=1, group_reg=1)
    with pytest.raises(DataError, match="an exact plan of 600 to 500 points is too large"):
        exact_plan(np.ones((600, 500)))


def test_all_of_it_equals_pot():
    ot = pytest.importorskip("ot")
    C, a, b = problem(20, 15)
    np.testing.assert_allclose(exact_plan(C, a, b).cost, ot.emd2(a, b, C))
    for reg in (0.05, 1.0):
        theirs = ot.sinkhorn(a, b, C, reg, method="sinkhorn_log", stopThr=1e-12, numItermax=100_000)
        np.testing.assert_allclose(sinkhorn(C, a, b, reg=reg, tol=1e-11, max_iter=100_000).plan, theirs, atol=1e-8)
    groups = np.arange(20) % 3
    theirs = ot.da.sinkhorn_l1l2_gl(a, groups, b, C, 0.5, 0.7, numItermax=20, numInnerItermax=1000)
    ours = grouped_sinkhorn(C, groups, a, b, reg=0.5, group_reg=0.7, max_outer=200, tol=1e-9).plan
    assert grouped_objective(ours, C, groups, 0.5, 0.7) <= grouped_objective(theirs, C, groups, 0.5, 0.7) + 1e-9
    Xs, ys, Xt, _ = shifted()
    mean = cdist(Xs, Xt, "sqeuclidean").mean()
    peer = ot.da.SinkhornTransport(reg_e=0.2 * mean, tol=1e-12, max_iter=2000, out_of_sample_map="ferradans").fit(
        Xs=Xs, Xt=Xt
    )
    ours = OptimalTransport(reg=0.2, max_iter=2000).fit(Xs, ys, Xt)
    np.testing.assert_allclose(ours.transform_source(Xs), peer.transform(Xs=Xs), atol=1e-3)
    new = Xs + 0.01
    np.testing.assert_allclose(ours.transform_source(new), peer.transform(Xs=new), atol=1e-3)

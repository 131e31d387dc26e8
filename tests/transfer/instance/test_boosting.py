"""TrAdaBoost and its kin against the published algorithms, written down a second time, line by line."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from headstart.results import DataError
from headstart.transfer.instance import DynamicTrAdaBoost, TrAdaBoost, TrAdaBoostR2, TwoStageTrAdaBoostR2
from headstart.transfer.instance.boosting_regression import shifted, weighted_median

STUMP = DecisionTreeClassifier(max_depth=1)


def concepts(k=2, ns=80, nt=24, seed=0):
    """Half of the source, and the target, follow one rule; the other half of the source another."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(ns, 2)), rng.normal(size=(nt, 2))
    cuts = np.linspace(-0.5, 0.5, k - 1)
    ys = np.where(np.arange(ns) < ns // 2, np.digitize(Xs[:, 0], cuts), np.digitize(-Xs[:, 1], cuts))
    return Xs, ys, Xt, np.digitize(Xt[:, 0] + 0.3 * rng.normal(size=nt), cuts)


def dai(Xs, ys, Xt, yt, rounds, dynamic=False):
    """Algorithm 1 of Dai et al. (2007) for labels 0 and 1; with Al-Stouhi and Reddy's C = 2 (1 - e)."""
    n, m = len(ys), len(yt)
    X, y = np.vstack([Xs, Xt]), np.r_[ys, yt]
    w = np.ones(n + m)
    beta = 1 / (1 + math.sqrt(2 * math.log(n) / rounds))
    told, betas = [], []
    for _ in range(rounds):
        p = w / w.sum()
        h = STUMP.set_params(random_state=0).fit(X, y, sample_weight=p).predict(X)
        e = sum(w[i] * abs(h[i] - y[i]) for i in range(n, n + m)) / w[n:].sum()
        assert 0 < e < 0.5
        b = e / (1 - e)
        for i in range(n + m):
            w[i] *= beta ** abs(h[i] - y[i]) * (2 * (1 - e) if dynamic else 1) if i < n else b ** -abs(h[i] - y[i])
        told.append(h[n:])
        betas.append(b)
    start = math.ceil(rounds / 2) - 1
    left = np.prod([b ** -h.astype(float) for b, h in zip(betas[start:], told[start:], strict=True)], axis=0)
    return w[:n], (left >= np.prod([b**-0.5 for b in betas[start:]])).astype(int), betas


@pytest.mark.parametrize("method", [TrAdaBoost, DynamicTrAdaBoost])
@pytest.mark.parametrize("rounds", [1, 4, 7])
def test_two_classes_are_the_published_algorithm(method, rounds):
    data = concepts()
    weights, told, betas = dai(*data, rounds, dynamic=method is DynamicTrAdaBoost)
    model = method(STUMP, n_estimators=rounds).fit(*data)
    assert model.weights_ == pytest.approx(weights / weights.mean(), rel=1e-9)
    assert np.array_equal(model.predict(data[2]), told)
    assert model.votes_ == pytest.approx(np.log(1 / np.array(betas)))


def test_several_classes_take_samme_for_the_target():
    Xs, ys, Xt, yt = concepts(k=4)
    model = TrAdaBoost(STUMP, n_estimators=6).fit(Xs, ys, Xt, yt)
    w, beta = np.ones(104), 1 / (1 + math.sqrt(2 * math.log(80) / 6))
    X, y = np.vstack([Xs, Xt]), np.r_[ys, yt]
    for learner, vote in zip(model.estimators_, model.votes_, strict=True):
        wrong = learner.predict(X) != y
        e = w[80:] @ wrong[80:] / w[80:].sum()
        alpha = math.log((1 - e) / e) + math.log(3)  # Zhu et al. (2009), algorithm 2, step 2c
        assert vote == pytest.approx(alpha)
        w *= np.where(np.arange(104) < 80, beta**wrong, np.exp(alpha * wrong))
    assert model.weights_ == pytest.approx(w[:80] / w[:80].mean(), rel=1e-9)
    assert any(0.5 < w[80:] @ (one.predict(Xt) != yt) / w[80:].sum() < 0.75 for one in model.estimators_)
    expected = np.zeros((24, 4))
    for learner, vote in list(zip(model.estimators_, model.votes_, strict=True))[2:]:
        expected[np.arange(24), learner.predict(Xt)] += vote
    assert model.predict_proba(Xt) == pytest.approx(expected / expected.sum(axis=1, keepdims=True))


def test_dynamic_keeps_the_sources_share_where_the_source_is_right():
    Xs, ys, Xt, _ = concepts()
    yt = (Xt[:, 0] > 0).astype(int)
    yt[:5] = 1 - yt[:5]  # no learner gets these right, and the source is right on all of its rows
    ys = (Xs[:, 0] > 0).astype(int)
    learner = DecisionTreeClassifier(max_depth=1)
    plain = TrAdaBoost(learner, n_estimators=4).fit(Xs, ys, Xt, yt)
    dynamic = DynamicTrAdaBoost(learner, n_estimators=4).fit(Xs, ys, Xt, yt)
    assert dynamic.source_share_[1] == pytest.approx(dynamic.source_share_[0])  # theorem 2
    assert plain.source_share_[1] < plain.source_share_[0]


def test_boosting_goes_on_where_the_target_is_fitted_without_a_mistake():
    Xs, ys, Xt, _ = concepts()
    model = TrAdaBoost(LogisticRegression(C=100), n_estimators=10).fit(Xs, ys, Xt, (Xt[:, 0] > 0).astype(int))
    assert len(model.estimators_) == 10 and np.isfinite(model.votes_).all()
    assert model.votes_.max() == pytest.approx(math.log(47))  # half a mistake among 24 rows
    wrong = (Xs[:, 0] > 0) != ys
    assert model.weights_[wrong].max() < 0.1 < 1 < model.weights_[~wrong].mean()


def test_learners_that_are_no_better_than_chance_have_no_vote():
    rng = np.random.default_rng(0)
    Xs = rng.normal(size=(400, 1))
    Xt = rng.normal(size=(6, 1))
    model = TrAdaBoost(STUMP, n_estimators=3).fit(Xs, Xs[:, 0] > 0, Xt, Xt[:, 0] < 0)
    assert not model.votes_.any() and model.source_share_ == pytest.approx([400 / 406] * 3)
    assert np.isfinite(model.predict_proba(Xt)).all()


def test_a_rare_class_is_in_every_round():
    Xs, ys, Xt, yt = concepts()
    ys[0] = 2
    model = TrAdaBoost(DecisionTreeClassifier(max_depth=2), n_estimators=20).fit(Xs, ys, Xt, yt)
    assert all(learner.classes_.tolist() == [0, 1, 2] for learner in model.estimators_)
    assert model.classes_.tolist() == [0, 1, 2]


def test_a_class_that_only_the_target_has_can_be_said():
    Xs, ys, Xt, yt = concepts()
    yt[:8], Xt[:8] = 5, Xt[:8] + [0, 20]
    model = TrAdaBoost(DecisionTreeClassifier(max_depth=2), n_estimators=10).fit(Xs, ys, Xt, yt)
    assert model.classes_.tolist() == [0, 1, 5] and (model.predict(Xt[:8]) == 5).all()


def numbers(ns=60, nt=15, seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.uniform(size=(ns, 1)), rng.uniform(size=(nt, 1))
    ys = np.where(np.arange(ns) < ns // 2, Xs[:, 0], 1 - Xs[:, 0]) + 0.05 * rng.normal(size=ns)
    return Xs, ys, Xt, Xt[:, 0] + 0.05 * rng.normal(size=nt)


def test_r2_is_the_published_algorithm():
    Xs, ys, Xt, yt = numbers()
    X, y, rounds = np.vstack([Xs, Xt]), np.r_[ys, yt], 6
    w, beta = np.full(75, 1 / 75), 1 / (1 + math.sqrt(2 * math.log(60) / 6))
    told, betas = [], []
    for _ in range(rounds):
        h = LinearRegression().fit(X, y, sample_weight=w).predict(X)
        off = np.abs(y - h) / np.abs(y - h).max()
        e = (w[60:] * off[60:]).sum() / w[60:].sum()
        assert 0 < e < 0.5
        b = e / (1 - e)
        w = np.r_[w[:60] * beta ** off[:60], w[60:] * b ** -off[60:]]
        w /= w.sum()
        told.append(h[60:])
        betas.append(b)
    model = TrAdaBoostR2(LinearRegression(), n_estimators=rounds).fit(Xs, ys, Xt, yt)
    assert model.weights_ == pytest.approx(w[:60] / w[:60].mean(), rel=1e-6)
    log = np.log(1 / np.array(betas))
    assert model.votes_ == pytest.approx(log, rel=1e-6)
    for row, said in enumerate(model.predict(Xt)):
        ours = sorted(zip([h[row] for h in told[2:]], log[2:], strict=True))
        half = next(
            value for at, (value, _) in enumerate(ours) if sum(v for _, v in ours[: at + 1]) >= log[2:].sum() / 2
        )
        assert said == pytest.approx(half, rel=1e-6)


def test_two_stages_walk_to_the_target_alone_and_take_the_step_with_the_lowest_error():
    Xs, ys, Xt, yt = numbers()
    model = TwoStageTrAdaBoostR2(LinearRegression(), n_estimators=4, n_steps=5, n_folds=3).fit(Xs, ys, Xt, yt)
    expected = [15 / 75 + t / 4 * (1 - 15 / 75) for t in range(5)]
    assert 1 - model.source_share_ == pytest.approx(expected)
    assert model.step_ == model.errors_.argmin() and model.step_ > 0
    assert model.weights_[:30].mean() > model.weights_[30:].mean()
    assert model.score(Xt, yt) > LinearRegression().fit(np.vstack([Xs, Xt]), np.r_[ys, yt]).score(Xt, yt)


def test_a_step_multiplies_by_a_power_of_the_error():
    rng = np.random.default_rng(0)
    weights, off = rng.dirichlet(np.ones(10)), rng.uniform(0.1, 1, size=10)
    moved = shifted(weights, off, 6, 0.8)
    assert moved[6:].sum() == pytest.approx(0.8) and moved.sum() == pytest.approx(1)
    assert moved[6:] / moved[6] == pytest.approx(weights[6:] / weights[6])
    powers = np.log(moved[:6] / weights[:6] * weights[6] / moved[6]) / off[:6]
    assert powers == pytest.approx(np.full(6, powers[0]), rel=1e-6)
    assert shifted(weights, np.zeros(10), 6, 0.8)[6:].sum() == pytest.approx(0.8)


def test_the_second_stage_is_adaboost_r2_with_the_sources_weights_held():
    Xs, ys, Xt, yt = numbers()
    X, y = np.vstack([Xs, Xt]), np.r_[ys, yt]
    model = TwoStageTrAdaBoostR2(LinearRegression(), n_estimators=3).fit(Xs, ys, Xt, yt)
    learners, votes = model._boosted(X, y, np.full(75, 1 / 75), 60)
    w = np.full(75, 1 / 75)
    for learner, vote in zip(learners, votes, strict=True):
        h = LinearRegression().fit(X, y, sample_weight=w).predict(X)
        assert learner.predict(X) == pytest.approx(h)
        off = np.abs(y - h) / np.abs(y - h).max()
        b = (w @ off) / (1 - w @ off)
        assert vote == pytest.approx(math.log(1 / b))
        target = w[60:] * b ** (1 - off[60:])
        w[60:] = target / target.sum() * 0.2
    assert len(learners) == 3 and w[:60] == pytest.approx(1 / 75)


def test_medians_are_those_of_repeated_values():
    rng = np.random.default_rng(0)
    told, votes = rng.normal(size=(5, 7)), np.array([1, 3, 2, 1, 4])
    expected = np.sort(np.repeat(told, votes, axis=0), axis=0)[5]  # the lower middle one of eleven
    assert np.array_equal(weighted_median(told, votes.astype(float)), expected)


@pytest.mark.parametrize("method", [TrAdaBoostR2, TwoStageTrAdaBoostR2])
def test_regression_survives_constants_and_few_rows(method):
    Xs, ys, Xt, yt = numbers()
    for data in ((Xs, np.ones(60), Xt, np.ones(15)), (Xs, ys, Xt[:1], yt[:1]), (Xs[:1], ys[:1], Xt[:2], yt[:2])):
        model = method(n_estimators=3).fit(*data)
        assert np.isfinite(model.predict(Xt)).all() and model.weights_.mean() == pytest.approx(1)


def test_bad_input_gets_one_line_with_the_way_out():
    Xs, ys, Xt, yt = concepts()
    with pytest.raises(DataError, match="TrAdaBoost boosts classifiers: give one, or use TrAdaBoostR2"):
        TrAdaBoost(DecisionTreeRegressor()).fit(Xs, ys, Xt, yt)
    with pytest.raises(DataError, match="TrAdaBoostR2 boosts regressors: give one, or use TrAdaBoost for"):
        TrAdaBoostR2(STUMP).fit(Xs, ys, Xt, yt)
    with pytest.raises(DataError, match="n_estimators=0: give at least 1"):
        TrAdaBoost(n_estimators=0).fit(Xs, ys, Xt, yt)
    with pytest.raises(DataError, match=r"all labels are of one class, \[0\]"):
        TrAdaBoost().fit(Xs, ys * 0, Xt, yt * 0)
    with pytest.raises(DataError, match="n_steps=1"):
        TwoStageTrAdaBoostR2(n_steps=1).fit(Xs, ys, Xt, yt)

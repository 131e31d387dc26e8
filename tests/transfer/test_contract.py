"""What holds for every adapter that registers itself, of whatever kind."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from headstart.results import DataError
from headstart.training import LogisticHead
from headstart.transfer import ADAPTERS, Domain
from headstart.transfer.deep import NetworkAdapter

# Few rounds, steps and folds: what holds, holds for few of them too.
FEW = {"n_estimators": 2, "n_steps": 3, "n_folds": 2, "max_epochs": 2, "n_epochs": 2, "epochs": 2, "max_iter": 50}
FEW |= {"n_centres": 10, "C": 1.0}
EXPECTED = {
    "check_fit_score_takes_y": "the source comes first: fit(Xs, ys, Xt, yt)",
    "check_requires_y_none": "it is the source's labels that are asked for",
    "check_regressor_multioutput": "one number a row",
}
EXPECTED_OF = {"SharedLatentSpace": {"check_fit2d_1sample": "it needs rows that belong together, and says so"}}
NOTHING = {  # what cannot be learned from gets one line
    "constant": {
        "SharedLatentSpace": "nothing in common",
        "SubspaceAlignment": "nothing to learn",
        "TCA": "all the same",
    },
    "one target": {"SharedLatentSpace": "needs at least two"},
}
NETWORKS = {name for name, one in ADAPTERS.items() if issubclass(one, NetworkAdapter)}
TABULAR = sorted(name for name, one in ADAPTERS.items() if one.kind != "relations")  # those take graphs
ADAPTED = pytest.mark.parametrize("name", TABULAR)


def made(name, **more):
    adapter = ADAPTERS[name](**more)
    return adapter.set_params(**{key: value for key, value in FEW.items() if key in adapter.get_params()})


def fitted(name, data, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a tiny problem has not converged is no finding
        return made(name, **more).fit(*data)


def world(name, ns=60, nt=30, d=3, k=3, seed=0):
    """Return source and target, shifted against it, with labels of the kind that the adapter learns."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(ns, d)), rng.normal(size=(nt, d)) + 0.5
    if is_regressor(ADAPTERS[name]()):
        return Xs, Xs[:, 0] + 0.1 * rng.normal(size=ns), Xt, Xt[:, 0]
    ys, yt = (np.r_[np.arange(k), rng.integers(k, size=n)][:n] for n in (ns, nt))
    return Xs + 2 * np.eye(k, d)[ys], ys, Xt + 2 * np.eye(k, d)[yt], yt


def sound(adapter, Xt, ns):
    """Say whether it predicts one finite thing a row, and weighs the source as it should."""
    told = adapter.predict(Xt)
    assert told.shape == (len(Xt),)
    if adapter.kind == "instances":
        weights = adapter.weights_
        assert weights.shape == (ns,) and (weights >= 0).all() and weights.mean() == pytest.approx(1)
        assert 1 <= adapter.effective_sample_size_ <= ns * (1 + 1e-9)
    if is_regressor(adapter):
        assert np.isfinite(told).all()
    else:
        assert np.isin(told, adapter.classes_).all()
        if hasattr(adapter, "predict_proba"):
            table = adapter.predict_proba(Xt)
            assert table.shape == (len(Xt), len(adapter.classes_))
            assert np.isfinite(table).all() and table.sum(axis=1) == pytest.approx(1)


def test_there_are_adapters():
    assert {"KMM", "TrAdaBoost", "TwoStageTrAdaBoostR2"} <= set(ADAPTERS)


@ADAPTED
def test_it_says_what_it_carries_over_and_is_for(name):
    kinds = {"instances", "features", "parameters", "relations"}
    differences = {"covariate", "label", "conditional", "feature_space", "label_space"}
    adapter = ADAPTERS[name]
    assert adapter.kind in kinds and adapter.mends <= differences and adapter.mends


@ADAPTED
def test_scikit_learns_own_checks(name):
    if name in NETWORKS:
        pytest.skip("rounds in single precision, batch by batch, and learns in epochs: see tests/transfer/deep")
    given = {"estimator": LogisticHead(C=1.0)} if ADAPTERS[name].kind == "parameters" else {}  # choosing C takes long
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(made(name, **given), on_fail=None, on_skip=None)
    failed = {one["check_name"]: one["exception"] for one in found if one["status"] == "failed"}
    expected = {**EXPECTED, **EXPECTED_OF.get(name, {})}
    assert {check: failed[check] for check in set(failed) - set(expected)} == {}


@ADAPTED
def test_it_learns_where_source_and_target_are_near(name):
    Xs, ys, Xt, yt = world(name, ns=120)
    if name in NETWORKS:
        adapter = ADAPTERS[name]().fit(Xs, ys, Xt, yt)
    else:
        adapter = fitted(name, (Xs, ys, Xt, yt))
    sound(adapter, Xt, len(Xs))
    if is_regressor(adapter):
        assert np.corrcoef(adapter.predict(Xt), yt)[0, 1] > 0.7
    else:
        assert (adapter.predict(Xt) == yt).mean() > 0.6  # chance is a third
        assert adapter.score(Xt, yt) == (adapter.predict(Xt) == yt).mean()


@ADAPTED
def test_it_clones_and_fits_alike_again(name):
    data = world(name)
    first = fitted(name, data)
    again = clone(first)
    assert again.get_params(deep=False) == first.get_params(deep=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.fit(*data)
    assert np.array_equal(first.predict(data[2]), again.predict(data[2]))


@ADAPTED
def test_input_is_never_changed(name):
    data = world(name)
    kept = [one.copy() for one in data]
    for one in data:
        one.setflags(write=False)
    fitted(name, data).predict(data[2])
    assert all(np.array_equal(one, before) for one, before in zip(data, kept, strict=True))


@ADAPTED
@pytest.mark.parametrize("case", ["one of a class", "constant", "one constant", "many to few", "one target", "copies"])
def test_it_survives(name, case):
    Xs, ys, Xt, yt = world(name)
    if case == "one of a class" and not is_regressor(ADAPTERS[name]()):
        ys[ys == 2] = 0
        ys[7] = 2
    if case == "constant":
        Xs, Xt = np.full_like(Xs, 0.1), np.full_like(Xt, 0.1)
    if case == "one constant":
        Xs[:, 1] = Xt[:, 1] = 0.3
    if case == "many to few":
        Xs, ys, Xt, yt = *world(name, ns=600)[:2], Xt[:4], yt[:4]
    if case == "one target":
        Xt, yt = Xt[:1], yt[:1]
    if case == "copies":
        Xs, ys = np.repeat(Xs[:20], 3, axis=0), np.repeat(ys[:20], 3)
    if (why := NOTHING.get(case, {}).get(name)) is not None:
        with pytest.raises(DataError, match=why):
            fitted(name, (Xs, ys, Xt, yt))
        return
    sound(fitted(name, (Xs, ys, Xt, yt)), Xt, len(Xs))
    if not ADAPTERS[name].needs_labels:
        sound(fitted(name, (Xs, ys, Xt)), Xt, len(Xs))


@ADAPTED
def test_string_labels_and_those_of_which_some_are_missing(name):
    Xs, ys, Xt, yt = world(name)
    if is_regressor(ADAPTERS[name]()):
        sound(fitted(name, (Xs, ys, Xt, np.where(np.arange(30) < 10, np.nan, yt))), Xt, 60)
        return
    plain = fitted(name, (Xs, ys, Xt, np.where(np.arange(30) < 10, -1, yt)))
    names = np.array(["b", "cc", "d"])  # in the order of the codes
    some = names[yt].astype(object)
    some[:10] = None
    named = fitted(name, (Xs, names[ys], Xt, some))
    sound(named, Xt, 60)
    assert np.array_equal(named.predict(Xt), names[plain.predict(Xt)])
    all_known = fitted(name, (Xs, names[ys], Xt, names[yt]))
    assert all_known.classes_.tolist() == ["b", "cc", "d"]
    gaps = np.array([-5, 7, 1000])
    assert np.array_equal(gaps[all_known.classes_.searchsorted(all_known.predict(Xt))],
                          fitted(name, (Xs, gaps[ys], Xt, gaps[yt])).predict(Xt))  # fmt: skip


@ADAPTED
def test_unlabelled_target_rows_are_no_labelled_ones(name):
    Xs, ys, Xt, yt = world(name)
    missing = np.full(len(yt), np.nan) if is_regressor(ADAPTERS[name]()) else np.full(len(yt), -1)
    if ADAPTERS[name].needs_labels:
        for labels in (None, missing):
            with pytest.raises(DataError, match=f"{name} needs some labelled target rows"):
                fitted(name, (Xs, ys, Xt, labels))
    else:
        without, blank = fitted(name, (Xs, ys, Xt)), fitted(name, (Xs, ys, Xt, missing))
        assert np.array_equal(without.predict(Xt), blank.predict(Xt))


@ADAPTED
def test_a_source_in_the_constructor_is_the_same_source(name):
    Xs, ys, Xt, yt = world(name)
    expected = fitted(name, (Xs, ys, Xt, yt)).predict(Xt)
    assert np.array_equal(fitted(name, (Xt, yt), source=Domain(Xs, ys)).predict(Xt), expected)
    scaler = StandardScaler().fit(Xt)
    steps = make_pipeline(StandardScaler(), made(name, source=Domain(Xs, ys).map(scaler)))
    by_hand = fitted(name, (scaler.transform(Xs), ys, scaler.transform(Xt), yt))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        steps.fit(Xt, yt)
    assert np.array_equal(steps.predict(Xt), by_hand.predict(scaler.transform(Xt)))
    with pytest.raises(DataError, match="given a source twice"):
        fitted(name, (Xs, ys, Xt, yt), source=Domain(Xs, ys))


@ADAPTED
def test_permuting_the_source_permutes_its_weights(name):
    if ADAPTERS[name].kind != "instances":
        pytest.skip("weighs no source rows")
    Xs, ys, Xt, yt = world(name)
    ys[:30] = ys[:30][::-1]  # something to distrust
    order = np.random.default_rng(1).permutation(len(Xs))
    weights = fitted(name, (Xs, ys, Xt, yt)).weights_
    assert np.array_equal(fitted(name, (Xs[order], ys[order], Xt, yt)).weights_, weights[order])
    assert weights.std() > 0


@ADAPTED
def test_bad_input_gets_one_line(name):
    Xs, ys, Xt, yt = world(name)
    with pytest.raises(DataError, match="30 target rows but labels of shape"):
        fitted(name, (Xs, ys, Xt, yt[:5]))
    with pytest.raises(DataError, match=f"{name} needs the source's labels"):
        fitted(name, (Xs, None, Xt, yt))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted(name, (Xs, ys[:5], Xt, yt))

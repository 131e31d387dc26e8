"""What every feature adapter keeps to, on data that is easy, small, lopsided or broken."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import check_estimator

from headstart.results import DataError, HeadstartWarning
from headstart.transfer import ADAPTERS, Domain
from headstart.transfer.feature import (
    CORAL,
    TCA,
    OptimalTransport,
    SharedLatentSpace,
    SubspaceAlignment,
)
from headstart.transfer.feature.base import pooled

ADAPTED = [
    CORAL(),
    SubspaceAlignment(n_components=2),
    TCA(n_components=3),
    TCA(n_components=3, n_landmarks=20),
    OptimalTransport(),
    OptimalTransport(class_reg=0.2),
    OptimalTransport(reg=0.0),
    SharedLatentSpace(),
]
each = pytest.mark.parametrize("adapter", ADAPTED, ids=lambda adapter: str(adapter).replace("'", ""))


def worlds(ns=80, nt=40, d=4, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(classes, d))
    ys, yt = np.arange(ns) % classes, np.arange(nt) % classes
    Xs = (centres[ys] + rng.normal(size=(ns, d))) * np.linspace(0.7, 1.5, d)
    return Xs, ys, centres[yt] + rng.normal(size=(nt, d)) + 1.0, yt


def fitted(adapter, Xs, ys, Xt, yt):
    known = np.where(np.arange(len(yt)) < len(yt) // 2, yt, -1)
    return clone(adapter).fit(Xs, ys, Xt, known if adapter.needs_labels else None)


@each
def test_it_learns_what_the_source_teaches(adapter):
    Xs, ys, Xt, yt = worlds()
    model = fitted(adapter, Xs, ys, Xt, yt)
    assert model.score(Xt, yt) > 0.9
    inside, outside = model.transform(Xt), model.transform_source(Xs)
    assert inside.shape[1] == outside.shape[1] and len(inside) == 40 and len(outside) == 80
    np.testing.assert_array_equal(model.predict(Xt), model.estimator_.predict(inside))
    np.testing.assert_allclose(model.predict_proba(Xt).sum(axis=1), 1)
    assert type(model).__name__ in ADAPTERS and model.kind == "features"


@each
def test_the_source_in_the_constructor_and_names_for_classes_change_nothing(adapter):
    Xs, ys, Xt, yt = worlds()
    names = np.array(["a", "bb", "ccc"])
    known = np.array([names[code] if row < 12 else None for row, code in enumerate(yt)], dtype=object)
    one = clone(adapter).fit(Xs, ys, Xt, np.where(np.arange(40) < 12, yt, -1))
    other = clone(adapter).set_params(source=Domain(Xs, names[ys])).fit(Xt, known)
    np.testing.assert_array_equal(names[one.predict(Xt)], other.predict(Xt))
    gaps = np.array([3, 17, 1000])
    third = clone(adapter).fit(Xs, gaps[ys], Xt, np.where(np.arange(40) < 12, gaps[yt], np.nan))
    np.testing.assert_array_equal(gaps[one.predict(Xt)], third.predict(Xt))
    assert third.classes_.dtype.kind == "i"


@each
def test_rows_of_the_source_in_another_order_change_nothing(adapter):
    if getattr(adapter, "n_landmarks", 1000) < 120:
        pytest.skip("landmarks are drawn by their place")
    Xs, ys, Xt, yt = worlds()
    order = np.random.default_rng(1).permutation(len(Xs))
    one, other = fitted(adapter, Xs, ys, Xt, yt), fitted(adapter, Xs[order], ys[order], Xt, yt)
    np.testing.assert_allclose(one.transform_source(Xs), other.transform_source(Xs), atol=1e-5)
    np.testing.assert_allclose(one.predict_proba(Xt), other.predict_proba(Xt), atol=1e-3)


@each
@pytest.mark.parametrize(("ns", "nt"), [(600, 6), (9, 60), (60, 1), (60, 2)])
def test_it_survives_few_rows_on_either_side(adapter, ns, nt):
    Xs, ys, Xt, yt = worlds(ns, nt)
    if adapter.needs_labels and nt < 4:
        with pytest.raises(DataError, match="share the classes"):
            clone(adapter).fit(Xs, ys, Xt, np.zeros(nt, dtype=int))
        return
    if nt == 1 and isinstance(adapter, CORAL | SubspaceAlignment | OptimalTransport):
        with pytest.warns(HeadstartWarning, match="target does not vary"):
            model = fitted(adapter, Xs, ys, Xt, yt)
    else:
        model = fitted(adapter, Xs, ys, Xt, yt)
    assert np.isfinite(model.predict_proba(Xt)).all()


@each
def test_it_survives_constant_features_and_a_class_with_one_example(adapter):
    Xs, ys, Xt, yt = worlds()
    Xs = np.column_stack([Xs, np.full(80, 0.1), np.arange(80.0)])
    Xt = np.column_stack([Xt, np.arange(40.0), np.full(40, 7.0)])
    ys[:], ys[::2], ys[3] = 0, 1, 2
    model = clone(adapter).fit(Xs, ys, Xt, yt)
    assert np.isfinite(model.predict_proba(Xt)).all() and list(model.classes_) == [0, 1, 2]


@each
def test_bad_input_is_named(adapter):
    Xs, ys, Xt, yt = worlds()
    with pytest.raises(DataError, match=r"all labels are of one class, 0|share the classes"):
        clone(adapter).fit(Xs, np.zeros(80, dtype=int), Xt, np.zeros(40, dtype=int))
    with pytest.raises(DataError, match="needs the source's labels"):
        clone(adapter).fit(Xs, None, Xt)
    with pytest.raises(ValueError, match="0 sample"):
        clone(adapter).fit(Xs, ys, Xt[:0])
    with pytest.raises(ValueError, match="NaN"):
        clone(adapter).fit(Xs, ys, np.where(Xt > 1, np.nan, Xt), yt)
    model = fitted(adapter, Xs, ys, Xt, yt)
    with pytest.raises(DataError, match="source rows have 3 features: the fitted ones had 4"):
        model.transform_source(Xs[:, :3])
    if not adapter.needs_labels:
        with pytest.raises(DataError, match="source has 3 features, the target 4"):
            clone(adapter).fit(Xs[:, :3], ys, Xt)


@pytest.mark.parametrize("adapter", [CORAL(), SubspaceAlignment(), TCA(), OptimalTransport()])
def test_a_regressor_learns_too(adapter):
    Xs, _, Xt, _ = worlds()
    slope = np.array([1.0, -2.0, 0.5, 0.0])
    known = np.where(np.arange(40) < 10, Xt @ slope, np.nan)
    model = clone(adapter).set_params(estimator=Ridge()).fit(Xs, Xs @ slope, Xt, known)
    assert model.score(Xt, Xt @ slope) > 0.5


@pytest.mark.parametrize("adapter", [CORAL(), SubspaceAlignment()], ids=str)
@pytest.mark.filterwarnings("ignore::headstart.results.HeadstartWarning")
def test_scikit_learn_takes_it_for_an_estimator(adapter):
    other = {
        "check_fit_score_takes_y": "the source comes first: fit(Xs, ys, Xt, yt)",
        "check_requires_y_none": "labels that are missing are named in words of our own",
    }
    check_estimator(adapter, expected_failed_checks=other, on_skip=None)


def test_labelled_target_rows_are_learned_from():
    Xs, ys, Xt, yt = worlds()
    X, y = pooled(Xs, ys, Xt, np.where(np.arange(40) < 5, yt, -1))
    np.testing.assert_array_equal(X[80:], Xt[:5])
    np.testing.assert_array_equal(y, np.r_[ys, yt[:5]])
    model = CORAL().fit(Xs, ys, Xt, np.where(np.arange(40) < 5, yt, -1))
    expected = LogisticRegression(max_iter=1000).fit(np.r_[model.transform_source(Xs), Xt[:5]], y)
    np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)

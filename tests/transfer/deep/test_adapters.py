"""Networks as adapters: the same contract as for all, model selection, and AdaBN's statistics by hand."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge

from headstart.results import DataError, HeadstartWarning
from headstart.transfer import ADAPTERS, Domain
from headstart.transfer.deep import CDAN, DANN, MCC, AdaBN, DeepCORAL

SMALL = {"hidden": 16, "epochs": 8, "batch_size": 32, "rate": 0.01}
each = pytest.mark.parametrize("kind", [DeepCORAL, DANN, CDAN, MCC, AdaBN])


def worlds(ns=90, nt=60, seed=0, shift=1.0, d=4):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(3, d))
    ys, yt = np.arange(ns) % 3, np.arange(nt) % 3
    return centres[ys] + rng.normal(size=(ns, d)), ys, centres[yt] + rng.normal(size=(nt, d)) + shift, yt


@each
def test_the_contract(kind):
    Xs, ys, Xt, yt = worlds()
    names = np.array(["x", "yy", "z"])
    model = kind(**SMALL).fit(Xs, names[ys], Xt)
    assert model.score(Xt, names[yt]) > 0.9 and model.weight_ == 1.0 and not model.scores_
    assert type(model).__name__ in ADAPTERS and model.kind == "features" and list(model.classes_) == ["x", "yy", "z"]
    assert model.transform(Xt).shape == (60, 16) and model.transform_source(Xs).shape == (90, 16)
    np.testing.assert_allclose(model.predict_proba(Xt), model.estimator_.predict_proba(model.transform(Xt)))
    again = clone(model).set_params(source=Domain(Xs, names[ys])).fit(Xt)
    np.testing.assert_array_equal(model.predict_proba(Xt), again.predict_proba(Xt))
    with torch.inference_mode():
        logits = model.head_(torch.from_numpy(model.transform(Xt)).float()).double()
    np.testing.assert_allclose(model.predict_proba(Xt), logits.softmax(dim=1), atol=1e-6)


@each
@pytest.mark.parametrize(("ns", "nt"), [(300, 3), (90, 1), (7, 40)])
def test_it_survives_few_rows_constants_and_a_class_with_one_example(kind, ns, nt):
    Xs, ys, Xt, _ = worlds(ns, nt)
    Xs, Xt = np.column_stack([Xs, np.full(ns, 0.1)]), np.column_stack([Xt, np.full(nt, 0.1)])
    ys[ys == 2] = 0
    ys[3] = 7
    said = kind is AdaBN and nt == 1
    with pytest.warns(HeadstartWarning, match="one target row has no statistics") if said else nullcontext():
        model = kind(**{**SMALL, "epochs": 2}).fit(Xs, ys, Xt, np.where(np.arange(nt) < 1, 0, -1))
    assert np.isfinite(model.predict_proba(Xt)).all() and list(model.classes_) == [0, 1, 7]


def test_labelled_target_rows_are_learned_from():
    """The source knows two of the classes: only the target's labels can tell the third."""
    Xs, ys, Xt, yt = worlds()
    few = np.where(np.arange(60) < 20, yt, -1)
    model = DeepCORAL(**{**SMALL, "epochs": 40})
    assert clone(model).fit(Xs[ys < 2], ys[ys < 2], Xt, few).score(Xt[20:], yt[20:]) > 0.9
    assert clone(model).fit(Xs[ys < 2], ys[ys < 2], Xt).score(Xt[20:], yt[20:]) < 0.7


def test_an_estimator_learns_on_the_hidden_layer():
    Xs, ys, Xt, _ = worlds()
    model = MCC(LogisticRegression(C=0.5), **SMALL).fit(Xs, ys, Xt)
    expected = LogisticRegression(C=0.5).fit(model.transform_source(Xs), ys)
    np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)


@pytest.mark.parametrize("validator", ["weighted", "density", "information"])
def test_of_several_weights_the_validators_best_is_used(validator):
    Xs, ys, Xt, _ = worlds()
    model = MCC(weight=[0.0, 1.0, 50.0], validator=validator, **{**SMALL, "epochs": 2}).fit(Xs, ys, Xt)
    assert list(model.scores_) == [0.0, 1.0, 50.0]
    assert model.scores_[model.weight_] == max(model.scores_.values())
    alone = MCC(weight=model.weight_, **{**SMALL, "epochs": 2}).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(model.predict_proba(Xt), alone.predict_proba(Xt))


def test_adabn_normalizes_by_the_target():
    Xs, ys, Xt, yt = worlds(shift=5.0)
    model = AdaBN(**SMALL).fit(Xs, ys, Xt)
    scaled = (Xt - np.vstack([Xs, Xt]).mean(axis=0)) / np.vstack([Xs, Xt]).std(axis=0)
    np.testing.assert_allclose(model.body_[0].running_mean, scaled.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.body_[0].running_var, scaled.var(axis=0, ddof=1), rtol=1e-4)
    assert model.recalibration_.n == 60 and model.score(Xt, yt) > 0.9
    source = model.estimator_.predict(model.transform_source(Xt))
    assert (source == yt).mean() < 0.9  # by the source's statistics the shifted rows are elsewhere


def test_what_does_not_fit_is_named():
    Xs, ys, Xt, _ = worlds()
    for settings, message in [
        ({"estimator": Ridge()}, "MCC tells classes apart"),
        ({"weight": -1.0}, "weight=-1.0: give numbers from 0 on"),
        ({"weight": []}, "give numbers from 0 on"),
        ({"epochs": 0}, "give a hidden unit, an epoch and a batch of 4"),
        ({"validator": "luck"}, "no validator 'luck'"),
    ]:
        with pytest.raises(DataError, match=message.replace(".", r"\.")):
            MCC(**settings).fit(Xs, ys, Xt)
    with pytest.raises(DataError, match="all labels are of one class, 5: MCC needs at least two"):
        MCC().fit(Xs, np.full(90, 5), Xt)
    with pytest.raises(DataError, match="source has 3 features, the target 4"):
        MCC().fit(Xs[:, :3], ys, Xt)

"""The history inside a fit: what it changes, and what it leaves."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from headstart.data.splits import stratified_group_folds
from headstart.finetuning.pace import Schedule
from headstart.pipeline import candidates
from headstart.pipeline.candidates import Bench, Candidate, frozen
from headstart.pipeline.dear import FineTuning, Way
from headstart.pipeline.fit import fit
from headstart.results import HeadstartError
from headstart.transfer.history import records

Y = np.arange(60) % 2
BENCH = Bench(Y, np.arange(60), stratified_group_folds(Y, np.arange(60), n_folds=3, random_state=0), 2, 0)


@pytest.fixture
def features(monkeypatch):
    """Features of which nothing is learned: what is tried here is the order."""

    def named(name, *rest, **more):
        return Candidate(name, "frozen", np.empty((0, 2)), lambda: None)

    for kind in ("logistic", "machine"):
        monkeypatch.setattr(candidates, kind, named)
    return {"net": {tap: np.zeros((60, 4), dtype=np.float32) for tap in ("a.1", "b.2", "last")}}


def names(features, **more):
    return [one.name for one in frozen(features, {"net": None}, BENCH, main="net", best_tap="b.2", **more)]


def test_the_history_sets_the_order_after_the_plain_one_and_trials_end_it(features):
    usual = names(features)
    assert usual[:3] == ["logistic on the last tap", "logistic on b.2", "logistic on 3 taps"] and len(usual) == 6
    first = ["RBF SVM on the last tap", "logistic on the best tap", "logistic on 9 taps"]
    assert names(features, first=first, most=3) == [usual[0], "RBF SVM on the last tap", "logistic on b.2"]
    assert names(features, first=first[:1])[2:] == [one for one in usual[1:] if one != first[0]]
    assert names(features, most=1) == usual[:1]


@pytest.mark.parametrize(("epochs", "rate"), [(12, 1e-3), (9, 3e-4)])
def test_one_rate_that_fits_is_the_preferred_one_if_it_has_the_time(epochs, rate, tmp_path):
    plan = Schedule(("top",), 0, (epochs,), (1,), (1,), 1.0, 1.0)
    common = {"folder": tmp_path, "cache_size": 1, "rates": (3e-4, 1e-3), "prefer": ("0.001", "0.0003")}
    tuning = FineTuning(None, None, lambda rows: None, BENCH, plan, None, **common)
    tuning._candidate = lambda way: way
    assert tuning.run() == [Way("top", True, rate)]


def test_a_finished_fit_is_remembered(tmp_path):
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], [40, 20])
    X = rng.normal(size=(60, 3)) + 2 * (y == "a")[:, None]
    fit((X, y), out=tmp_path / "run")
    (found,) = records()
    assert (found.modality, found.source, found.centre) == ("features", "", ()) and found.trials[0].name == "logistic"
    told = pd.read_csv(tmp_path / "run" / "predictions.csv").query("how == 'out of fold'")
    assert found.trials[0].macro_f1 == pytest.approx(f1_score(told["label"], told["predicted"], average="macro"))
    assert found.meta["classes"] == pytest.approx(np.log(2), abs=1e-5)
    assert found.trials[0].n == np.exp(found.meta["rows"]).round()
    with pytest.raises(HeadstartError, match="trials=0: give 1 or more"):
        fit((X, y), trials=0)

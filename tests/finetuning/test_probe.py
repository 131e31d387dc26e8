"""The layer probe on arrays whose best tap is known, and on drawn pictures through a small network."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart.finetuning.probe import best_tap, probe, probe_taps
from headstart.results import DataError
from headstart.sources import Preprocessing, Source
from headstart.sources.card import Card

RNG = np.random.default_rng(0)
Y = np.arange(240) % 3
GROUPS = np.arange(240)


def blurred(noise, d=12):
    """Features of three classes under noise, float32 (n, d)."""
    centres = np.random.default_rng(1).normal(size=(3, d))
    return (centres[Y] + noise * RNG.normal(size=(240, d))).astype(np.float32)


def test_the_tap_that_knows_most_is_taken_and_scores_are_scikit_learns():
    taps = {"low": blurred(6), "middle": blurred(0.8), "last": blurred(3)}
    found, rivals, _ = probe_taps(taps, Y, GROUPS, classes=["a", "b", "c"], random_state=0)
    by_name = {tap.name: tap for tap in found}
    assert best_tap(found) == "middle" and by_name["middle"].gain.low > 0
    assert rivals["middle"] == ()
    for name, X in taps.items():
        head = make_pipeline(StandardScaler(), LogisticRegression(C=by_name[name].C))
        expected = f1_score(Y, cross_val_predict(head, X, Y, cv=5), average="macro")
        assert by_name[name].score.value == pytest.approx(expected, abs=0.06)
    assert by_name["last"].later is None and by_name["low"].later.low > 0


def test_equals_leave_the_last_tap_in_place():
    X = blurred(2)
    found, _, _ = probe_taps({"low": X, "last": X.copy()}, Y, GROUPS, classes=["a", "b", "c"], random_state=0)
    assert best_tap(found) == "last" and found[0].gain.value == 0
    assert found[0].knn == found[1].knn and found[0].dimension == pytest.approx(found[1].dimension)


def test_drawn_pictures_through_a_network(photos):
    source = Source("small", Card("mobilenetv3_small_050", "nothing", n_classes=10), Preprocessing((64, 64)), seed=1)
    found = probe(photos, source)
    assert [tap.name for tap in found.taps][-1] == "last" and found.n == 56
    assert found.best in {tap.name for tap in found.taps} and found.n_classes == 3
    assert found.headline() and len(found.to_frame()) == len(found.taps) and len(found.plot().data) > 0
    assert probe(photos, source, most=30).n_left_out > 0


def test_a_table_of_features_has_no_layers():
    with pytest.raises(DataError, match="has no layers to probe"):
        probe((np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2))

"""Which calibration is taken: the one whose shape is in the data, and none where none is needed."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from headstart.evaluation import calibrate
from headstart.results import DataError


def sample(told, n=1000, seed=0):
    """Return labels of known probabilities, and what a model tells of them."""
    rng = np.random.default_rng(seed)
    p = expit(2.5 * rng.normal(size=n))
    said = told(p)
    return (rng.random(n) < p).astype(int), np.column_stack([1 - said, said])


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        (lambda p: p, "none"),
        (lambda p: expit(3 * logit(p)), "temperature"),
        (lambda p: 0.4 + 0.2 * (p > 0.3) + 0.1 * p, "isotonic"),
    ],
)
def test_the_shape_of_the_error_decides(told, taken):
    y, table = sample(told)
    found = calibrate(y, table)
    assert found.taken == taken
    truth, new = sample(told, seed=1)
    after = found.apply(new)
    best = found.ece[found.ways.index(taken)]
    if taken == "none":
        assert (after == new).all() and "stay as they are" in found.headline()
    else:
        assert log_loss(truth, after) < log_loss(truth, new) - 0.01 and best < found.ece[0] / 2
    assert len(found.plot().data) == (2 if taken == "none" else 3)
    assert found.to_frame()["log loss"].idxmin() in (taken, "isotonic", "temperature")


def test_isotonic_is_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (rng.random(400) < expit(X[:, 0] ** 3)).astype(int)
    model = LogisticRegression().fit(X[:100], y[:100])
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic").fit(X[100:], y[100:])
    ours = calibrate(y[100:], model.predict_proba(X[100:]), way="isotonic").apply(model.predict_proba(X[100:]))
    expected = np.clip(theirs.predict_proba(X[100:])[:, 1], 1 / 302, 301 / 302)
    assert np.abs(ours[:, 1] - expected).max() < 1e-5


def test_groups_are_kept_whole():
    """Every row stands twice: isotonic regression learns its twin by heart where the two are torn apart."""
    rng = np.random.default_rng(0)
    p = np.repeat(rng.random(150), 2)
    y = np.repeat((rng.random(150) < 0.5).astype(int), 2)
    table = np.column_stack([1 - p, p])
    honest, fooled = (calibrate(y, table, groups=g, way="isotonic") for g in (np.repeat(np.arange(150), 2), None))
    place = honest.ways.index("isotonic")
    assert honest.log_loss[place].value > fooled.log_loss[place].value + 0.005


def test_bad_input_is_said():
    with pytest.raises(DataError, match="no calibration 'platt': choose auto, none, temperature, isotonic"):
        calibrate([0, 1], [[0.5, 0.5]] * 2, way="platt")
    with pytest.raises(DataError, match="one group of rows only"):
        calibrate([0, 1], [[0.5, 0.5]] * 2, groups=[7, 7])


def test_a_class_with_one_example_and_constants_do_no_harm():
    y = np.array([0] * 40 + [1])
    found = calibrate(y, np.full((41, 2), 0.5))
    assert np.isfinite(found.after).all() and np.allclose(found.after.sum(axis=1), 1)

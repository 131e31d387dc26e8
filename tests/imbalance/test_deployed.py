"""Decisions for where a model is used: against brute force, resampled worlds and scikit-learn's weighted error."""

import numpy as np
import pytest
from sklearn.metrics import zero_one_loss

from headstart.imbalance import bayes_decision, deployed, parse_prevalence, prior_correction
from headstart.results import DataError


def world(n, share, seed=0):
    """Two overlapping classes with their true probabilities."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    x = rng.normal(size=n) + 1.5 * y
    odds = np.log(share / (1 - share)) + 1.5 * x - 1.125
    p = 1 / (1 + np.exp(-odds))
    return y, np.column_stack([1 - p, p])


def test_the_cost_is_that_of_the_decisions_one_by_one():
    y, table = world(500, 0.3)
    cost = np.array([[0.5, 3.0], [7.0, 1.0]])
    found = deployed(y, table, cost=cost, n_boot=50)
    said = [min((0, 1), key=lambda j: sum(row[i] * cost[i, j] for i in (0, 1))) for row in table]
    assert found.decisions.tolist() == said
    assert found.decided.value == pytest.approx(np.mean([cost[i, j] for i, j in zip(y, said, strict=True)]))
    assert found.plain.value == pytest.approx(np.mean([cost[i, j] for i, j in zip(y, table.argmax(1), strict=True)]))
    assert found.saved.value == pytest.approx(found.plain.value - found.decided.value)
    assert ((table[:, 1] > found.threshold) == found.decisions).all()
    assert "'1' is said from a probability of 0.294 on" in found.headline()  # (3 - 0.5) / (3 - 0.5 + 7 - 1)
    assert found.said == pytest.approx(np.bincount(said) / 500)


def test_what_is_expected_where_it_is_used_is_what_a_drawn_world_shows():
    y, table = world(4000, 0.3)
    found = deployed(y, table, prior=[0.95, 0.05], n_boot=50)
    there, theirs = world(200_000, 0.05, seed=1)
    seen = prior_correction(_as_if(theirs, 0.05, 0.3), [0.7, 0.3], [0.95, 0.05])
    assert found.decided.value == pytest.approx(np.mean(seen.argmax(1) != there), abs=0.01)
    weight = np.where(y == 1, 0.05 / (y == 1).mean(), 0.95 / (y == 0).mean())
    assert found.plain.value == pytest.approx(zero_one_loss(y, table.argmax(1), sample_weight=weight))
    assert found.saved.low > 0 and "Decisions for it pay" in found.headline() and "used" in found.headline()


def _as_if(table, old, new):
    """Return what the same pictures' probabilities are for a model of another world."""
    joint = table * np.array([(1 - new) / (1 - old), new / old])
    return joint / joint.sum(axis=1, keepdims=True)


def test_prior_and_cost_together_are_both_steps_in_turn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    table = rng.dirichlet(np.ones(3), 300)
    cost = np.array([[0, 1, 4], [2, 0, 1], [9, 3, 0]])
    found = deployed(y, table, prior=[0.6, 0.3, 0.1], cost=cost, classes=["a", "b", "c"], n_boot=20)
    shares = np.bincount(y) / 300
    assert (found.decisions == bayes_decision(prior_correction(table, shares, [0.6, 0.3, 0.1]), cost)).all()
    frame = found.to_frame()
    assert frame.loc["c", "cost of saying a"] == 9 and frame.loc["b", "where it is used"] == pytest.approx(0.3)
    with pytest.raises(DataError, match="3 classes have no single threshold"):
        _ = found.threshold


def test_nothing_given_is_the_most_probable_class_and_saves_nothing():
    y, table = world(200, 0.4)
    found = deployed(y, table, n_boot=20)
    assert (found.decisions == table.argmax(1)).all() and found.saved.value == 0
    assert found.headline().startswith("No evidence") and "share of mistakes" in found.headline()


@pytest.mark.parametrize(
    ("text", "classes", "expected"),
    [
        ("0.01", ["fine", "ill"], [0.99, 0.01]),
        (0.25, ["fine", "ill"], [0.75, 0.25]),
        ("a=b=0.5", ["a=b", "c"], [0.5, 0.5]),
        ("b = 0.2, c=0.3", ["a", "b", "c"], [0.5, 0.2, 0.3]),
    ],
)
def test_prevalence_is_read(text, classes, expected):
    assert parse_prevalence(text, classes) == pytest.approx(expected)


def test_prevalence_is_of_the_positive_class():
    assert parse_prevalence("0.1", ["ill", "fine"], positive="ill").tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1", "one number and there are 3 classes: give NAME=share"),
        ("d=0.1", r"there is no class 'd'; there are a, b, c"),
        ("a=0.1,a=0.2", "gives 'a' twice"),
        ("a=0.6,b=0.6", r"adds up to 1\.2"),
        ("a=0.2,b=0.2,c=0.2", r"adds up to 0\.6"),
        ("a=1", "leaves 'b' no share: leave its examples out"),
        ("a=much", "'a=much' cannot be read; write it like"),
        ("a=-0.1", "cannot be read"),
    ],
)
def test_bad_prevalence_is_said(text, message):
    with pytest.raises(DataError, match=message):
        parse_prevalence(text, ["a", "b", "c"])
    with pytest.raises(DataError, match="between 0 and 1"):
        parse_prevalence("1", ["a", "b"])


def test_a_class_without_examples_cannot_be_asked_for():
    table = np.full((4, 2), 0.5)
    with pytest.raises(DataError, match="train_prior gives class 1 a share of 0"):
        deployed([0, 0, 0, 0], table, prior=[0.5, 0.5])
    with pytest.raises(DataError, match="prior has shape"):
        deployed([0, 1, 0, 1], table, prior=[1.0])
    with pytest.raises(DataError, match="1 class names for 2 columns"):
        deployed([0, 1, 0, 1], table, classes=["a"])

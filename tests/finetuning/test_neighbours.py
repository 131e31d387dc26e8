"""Neighbour scores against scikit-learn, dimensions against sets whose dimension is known."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from headstart.finetuning.neighbours import intrinsic_dimension, neighbour_scores


@pytest.mark.parametrize("k", [1, 3, 7])
def test_leave_group_out_scores_equal_scikit_learn(k):
    rng = np.random.default_rng(2)
    y, groups = rng.integers(0, 2, 150), rng.integers(0, 40, 150)
    X = rng.normal(size=(150, 5)) + y[:, None] * 0.8
    classifier = KNeighborsClassifier(k, metric="cosine")
    expected = cross_val_predict(classifier, X, y, groups=groups, cv=LeaveOneGroupOut())
    chosen, scores = neighbour_scores([X], y, groups, n_classes=2, ks=(k,))
    assert chosen == k and scores[0] == pytest.approx(f1_score(y, expected, average="macro"))


def test_k_is_one_for_all_taps():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 400)
    blurred = rng.normal(size=(400, 3)) + y[:, None]  # many neighbours average the noise out
    k, scores = neighbour_scores([blurred, blurred + 1e-9], y, np.arange(400), n_classes=2)
    assert k >= 10 and scores[0] == pytest.approx(scores[1], abs=0.02)


def _brute_force(points):
    """Facco et al. 2017, step by step."""
    ratios = []
    for row, point in enumerate(points):
        distances = np.sort(np.linalg.norm(np.delete(points, row, axis=0) - point, axis=1))
        ratios.append(distances[1] / distances[0])
    ratios = np.sort(ratios)
    kept = int(0.9 * len(ratios))
    x, y = np.log(ratios[:kept]), -np.log(1 - np.arange(1, kept + 1) / len(ratios))
    return np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]


def test_dimension_equals_the_paper_step_by_step():
    points = np.random.default_rng(4).normal(size=(250, 6))
    assert intrinsic_dimension(points) == pytest.approx(_brute_force(points), rel=1e-6)


@pytest.mark.parametrize(("dimension", "within"), [(1, 0.1), (2, 0.15), (5, 0.5)])
def test_dimension_of_a_manifold_in_a_larger_space(dimension, within):
    rng = np.random.default_rng(5)
    inner = rng.random((2500, dimension))
    outer = (
        np.hstack([inner, np.sin(2 * inner), np.zeros((2500, 20))])
        @ np.linalg.qr(rng.normal(size=(200, 200)))[0][: 2 * dimension + 20]
    )
    assert intrinsic_dimension(outer) == pytest.approx(dimension, abs=within)


def test_copies_count_once_and_scale_does_not_count():
    points = np.random.default_rng(6).normal(size=(300, 4))
    once = intrinsic_dimension(points)
    assert intrinsic_dimension(np.vstack([points, points[:100], points[:50]])) == pytest.approx(once)
    assert intrinsic_dimension(1000 * points + 7) == pytest.approx(once)


def test_too_few_points_have_no_dimension():
    assert np.isnan(intrinsic_dimension(np.ones((100, 3))))
    assert np.isnan(intrinsic_dimension(np.eye(10)))


def test_intrinsic_dimension_is_that_of_scikit_dimension():
    """What ``skdim.id.TwoNN(discard_fraction=0.1)`` of scikit-dimension 0.5 gives for the same points."""
    rng = np.random.default_rng(0)
    for d, among, expected in ((2, 20, 2.0238497321559863), (5, 50, 5.159669602729546), (10, 30, 9.592754814191464)):
        points = rng.normal(size=(1500, d)) @ rng.normal(size=(d, among))
        assert intrinsic_dimension(points) == pytest.approx(expected, rel=1e-9)

import numpy as np
import pytest

from headstart.metrics import calibrated_ece, calibration, scores


def ece_by_hand(y, table, n_bins=15):
    """Guo et al. (2017), equation 3, in a loop over the bins ((m - 1) / M, m / M]."""
    confidence, right = table.max(axis=1), table.argmax(axis=1) == y
    total = 0.0
    for m in range(n_bins):
        inside = (confidence > m / n_bins) & (confidence <= (m + 1) / n_bins)
        if inside.any():
            total += inside.sum() / len(y) * abs(right[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("k", [2, 6])
def test_brute_force_agrees(k):
    rng = np.random.default_rng(k)
    y = rng.integers(0, k, 500)
    table = rng.dirichlet(np.ones(k), 500)
    found = calibration(y, table)
    assert found.ece == pytest.approx(ece_by_hand(y, table))
    assert scores(y, table)["ece"] == pytest.approx(found.ece)
    assert found.count.sum() == 500
    assert np.isnan(found.accuracy[found.count == 0]).all()


def test_confidences_on_an_edge_belong_to_the_bin_below():
    found = calibration([0, 0, 0], [[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], n_bins=4)  # edges exact in binary
    assert found.count.tolist() == [0, 1, 1, 1]


def test_equal_counts():
    rng = np.random.default_rng(0)
    y, table = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    found = calibration(y, table, n_bins=10, adaptive=True)
    assert found.count.tolist() == [30] * 10
    assert calibration(y, np.full((300, 3), 1 / 3), adaptive=True).count.sum() == 300  # all in one place


def test_the_floor_is_what_calibrated_probabilities_show():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(3), 200)
    drawn = [
        ece_by_hand(np.array([rng.choice(3, p=row) for row in table]), table) for _ in range(60)
    ]  # labels that the probabilities describe rightly
    error = np.std(drawn) / np.sqrt(60)
    assert abs(calibrated_ece(table, random_state=1) - np.mean(drawn)) < 4 * error

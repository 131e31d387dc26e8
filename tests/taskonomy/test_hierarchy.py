"""ImageNet's hierarchy against networkx, against published facts, and against sums over sets of classes."""

import itertools
import json

import networkx as nx
import numpy as np
import pytest
from timm.data import ImageNetInfo

from headstart.results import DataError
from headstart.taskonomy.hierarchy import ROOT, imagenet
from headstart.taskonomy.seen import seen_as
from headstart.taskonomy.superclasses import (
    coverage,
    level_probabilities,
    nearest_branch,
    nearest_superclasses,
    superclass_probabilities,
)

DOG, ANIMAL, CLOTHING, JEAN = "n02084071", "n00015388", "n03051540", "n03594734"
LABRADOR, GOLDEN, TABBY, PUG = "n02099712", "n02099601", "n02123045", "n02110958"


@pytest.fixture(scope="module")
def known():
    return imagenet()


@pytest.fixture(scope="module")
def graph(known):
    return nx.DiGraph((above, one.wnid) for one in known.synsets.values() for above in one.hypernyms)


def draw(n=5, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(1000, 0.02), n)


def test_classes_are_those_of_a_source_in_its_order(known):
    assert list(known.classes) == ImageNetInfo("imagenet-1k").label_names()


@pytest.mark.parametrize("subset", ["imagenet21k", "imagenet22k", "imagenet12k", "imagenet21k-miil"])
def test_every_class_of_the_larger_lists_has_a_way_to_the_root(subset):
    larger = imagenet(ImageNetInfo(subset).label_names())
    assert len(larger.classes) > 10_000
    assert all(larger.path(one)[-1] == ROOT for one in larger.classes)
    assert larger.depth(ROOT) == 0 and len(larger.classes_under(DOG)) > 118


def test_ways_to_the_root(known, graph):
    assert nx.is_directed_acyclic_graph(graph)
    depths = nx.single_source_shortest_path_length(graph, ROOT)
    for one in known.classes:
        way = known.path(one)
        assert way[0] == one and way[-1] == ROOT and len(way) == depths[one] + 1 == known.depth(one) + 1
        assert all(graph.has_edge(above, below) for below, above in itertools.pairwise(way))
        assert set(known.ancestors(one)) == nx.ancestors(graph, one)
    several = [one for one in known.classes if len(known[one].hypernyms) > 1]
    assert len(several) > 20
    for one in several:
        assert {tuple(way[::-1]) for way in known.paths(one)} == set(map(tuple, nx.all_simple_paths(graph, ROOT, one)))


def test_lowest_common_ancestors(known, graph):
    rng = np.random.default_rng(0)
    for first, second in rng.choice(known.classes, (60, 2)):
        common = (nx.ancestors(graph, first) | {first}) & (nx.ancestors(graph, second) | {second})
        lowest = {one for one in common if not nx.descendants(graph, one) & common}
        assert set(known.lowest_common_ancestors(first, second)) == lowest
    assert [known[one].name for one in known.lowest_common_ancestors(LABRADOR, GOLDEN)] == ["retriever"]
    assert known.lowest_common_ancestors(LABRADOR, PUG) == (DOG,)
    pets = known.lowest_common_ancestors(LABRADOR, TABBY)  # a dog is a canine and a domestic animal
    assert {known[one].name for one in pets} == {"carnivore", "domestic animal"}
    assert known.lowest_common_ancestors(LABRADOR, LABRADOR) == (LABRADOR,)
    assert known.lowest_common_ancestors(LABRADOR, DOG) == (DOG,)


def test_published_facts(known):
    """Dogs are outputs 151 to 268 and animals 0 to 397, and no class stands above another (Russakovsky et al. 2015)."""
    assert known.classes_under(DOG) == known.classes[151:269]
    assert known.classes_under(ANIMAL) == known.classes[:398]
    assert not {above for one in known.classes for above in known.ancestors(one)} & set(known.classes)
    assert known[JEAN].names == ("jean", "blue jean", "denim") and known.find("Blue_Jean") == (JEAN,)
    assert len(known.find("crane")) == 2 and known.find("no such thing") == ()


def test_superclass_probabilities_are_sums_over_classes(known, graph):
    p = draw()
    found = superclass_probabilities(p)
    where = {one: k for k, one in enumerate(known.synsets)}
    place = {one: k for k, one in enumerate(known.classes)}
    for one in [ROOT, DOG, ANIMAL, CLOTHING, JEAN, *np.random.default_rng(1).choice(list(known.synsets), 40)]:
        below = [place[c] for c in nx.descendants(graph, one) | {one} if c in place]
        assert found[:, where[one]] == pytest.approx(p[:, below].sum(axis=1))
        assert coverage(p, one) == pytest.approx(p[:, below].sum(axis=1))
    assert found[:, where[ROOT]] == pytest.approx(np.ones(5))
    assert superclass_probabilities(p[0]) == pytest.approx(found[0])


@pytest.mark.parametrize("level", [0, 1, 4, 7, 30])
def test_level_probabilities_add_up(known, level):
    p = draw(seed=level)
    wnids, shares = level_probabilities(p, level)
    assert shares.sum(axis=1) == pytest.approx(np.ones(5)) and (shares >= 0).all()
    assert all(known.depth(one) <= level for one in wnids)
    for one in np.random.default_rng(0).choice(known.classes, 20):
        alone = np.zeros(1000)
        alone[known.classes.index(one)] = 1
        mine = dict(zip(*level_probabilities(alone, level), strict=True))
        assert {w for w, share in mine.items() if share} == set(known.at_level(one, level))
        assert len({share for share in mine.values() if share}) == 1
    if level == 30:
        assert set(wnids) == set(known.classes)


def test_the_score_finds_the_level(known):
    one_class = np.full(1000, 0.1 / 999)
    one_class[known.classes.index(JEAN)] = 0.9
    assert nearest_superclasses(one_class, 1)[0].wnid == JEAN
    dogs = np.full(1000, 0.05 / 882)
    dogs[151:269] = 0.95 / 118
    best = nearest_superclasses(dogs, 1)[0]
    p, q = 0.95, 0.118
    assert best.wnid == DOG and best.n_classes == 118 and best.probability == pytest.approx(p)
    assert best.score == pytest.approx(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert nearest_branch(dogs) == best and nearest_branch(one_class).n_classes > 1


def test_superclasses_do_not_overlap_unless_asked(known):
    p = draw(1, seed=3)[0]
    found = nearest_superclasses(p, 10)
    members = [set(known.classes_under(one.wnid)) for one in found]
    assert len(found) == 10 and sum(map(len, members)) == len(set().union(*members))
    assert sum(one.probability for one in found) <= 1 + 1e-9
    scores = [one.score for one in nearest_superclasses(p, 30, overlapping=True)]
    assert scores == sorted(scores, reverse=True) and scores[0] == found[0].score
    assert nearest_superclasses(np.full(1000, 1e-3)) == () and nearest_branch(np.full(1000, 1e-3)) is None


def test_what_classes_are_seen_as(known):
    jean, trunks = known.classes.index(JEAN), known.classes.index(known.find("swimming trunks")[0])
    rows = np.full((4, 1000), 0.1 / 998)
    rows[:3, jean], rows[:3, trunks] = [0.7, 0.6, 0.2], [0.2, 0.3, 0.7]
    rows[3] = 1e-3
    found = seen_as(rows, [2, 2, 2, 7], names=["a", "b", "pants", "d", "e", "f", "g", "noise"])
    pants, noise = found.classes
    assert pants.name == "pants" and pants.n == 3 and pants.top[0] == ("jean", pytest.approx(0.5))
    assert pants.top[1] == ("swimming trunks", pytest.approx(0.4)) and pants.confidence == pytest.approx(2 / 3)
    assert pants.branch.name == "garment" and pants.inside == 1 and pants.spread < 10
    assert noise.n == 1 and noise.branch is None and noise.inside == 0 and noise.spread == pytest.approx(1000)
    assert found.branch.name == "garment" and found.covered == pytest.approx(
        (0.9 + 0.1 * 24 / 998) / 2 + 0.013, abs=1e-3
    )
    assert "pants is seen as jean 0.50, swimming trunks 0.40" in found.headline()
    assert (
        found.to_frame().loc["pants", "seen as"].startswith("jean 0.50")
        and found.to_frame().loc["noise", "level"] == -1
    )
    assert found.superclasses().loc[0, ["class", "superclass"]].tolist() == ["pants", "garment"]
    json.dumps(found.to_dict(), allow_nan=False)
    alone = seen_as(np.full((1, 1000), 1e-3), ["x"])
    assert alone.classes[0].name == "x" and "no branch of the hierarchy stands out" in alone.headline()


def test_a_label_space_of_its_own():
    few = imagenet([TABBY, LABRADOR, GOLDEN])
    assert few.classes_under(DOG) == (LABRADOR, GOLDEN) and len(few.synsets) < 60
    assert coverage([0.5, 0.3, 0.2], DOG, few) == pytest.approx(0.5)
    overlapping = imagenet([DOG, LABRADOR])
    assert superclass_probabilities([0.4, 0.6], overlapping)[list(overlapping.synsets).index(DOG)] == pytest.approx(1)


def test_bad_input(known):
    with pytest.raises(DataError, match="'dog' is not in this hierarchy"):
        known.path("dog")
    with pytest.raises(DataError, match="level is -1"):
        known.at_level(JEAN, -1)
    with pytest.raises(DataError, match="'n123' is no class"):
        imagenet(["n123"])
    with pytest.raises(DataError, match="stands twice"):
        imagenet([JEAN, JEAN])
    with pytest.raises(DataError, match="there is no class"):
        imagenet([])
    with pytest.raises(DataError, match="must be 1000 classes"):
        superclass_probabilities(np.ones(999) / 999)
    with pytest.raises(DataError, match="add up to 1000"):
        superclass_probabilities(np.ones(1000))
    with pytest.raises(DataError, match="missing or negative"):
        coverage(np.full(1000, np.nan), DOG)
    with pytest.raises(DataError, match="give one distribution"):
        nearest_superclasses(draw())
    with pytest.raises(DataError, match="a row for each label"):
        seen_as(draw(), [0, 1])
    with pytest.raises(DataError, match="no example"):
        seen_as(np.empty((0, 1000)), np.empty(0))
    with pytest.raises(DataError, match="labels go from 0 to 3"):
        seen_as(draw(), [0, 0, 1, 1, 3], names=["a", "b"])
    with pytest.raises(DataError, match="n_top is 0"):
        seen_as(draw(), [0, 0, 1, 1, 3], n_top=0)

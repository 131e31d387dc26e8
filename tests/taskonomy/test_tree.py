"""The tree of tasks against the published grouping, and against clustering by hand."""

import numpy as np
import pandas as pd
import pytest

from headstart.results import DataError
from headstart.taskonomy.plots import affinity_heatmap
from headstart.taskonomy.table import single_sources
from headstart.taskonomy.tree import task_tree

SOLID = ["rgb2sfnorm", "rgb2depth", "rgb2mist", "reshade", "curvature", "edge3d", "keypoint3d", "segment25d"]


def table_of(matrix, sources, targets):
    rows = [(s, t, matrix[i, j]) for i, t in enumerate(targets) for j, s in enumerate(sources)]
    return pd.DataFrame(rows, columns=["sources", "target", "value"])


@pytest.fixture
def three_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [4, 3, 2])
    patterns = rng.uniform(0.01, 1, (6, 3))[:, groups] * np.exp(rng.normal(0, 0.05, (6, 9)))
    return table_of(patterns, [f"{'abc'[g]}{k}" for k, g in enumerate(groups)], [f"t{k}" for k in range(6)])


def test_groups_that_were_made_are_found(three_groups):
    tree = task_tree(three_groups)
    assert [{name[0] for name in group} for group in tree.clusters] == [{"a"}, {"b"}, {"c"}]
    assert [len(group) for group in tree.cut(3)] == [4, 3, 2] and len(tree.cut(1)) == 1 and len(tree.cut(9)) == 9
    assert frozenset(f"a{k}" for k in range(4)) in tree.branches()
    frame = tree.to_frame()
    assert len(frame) == 9 and frame.groupby("cluster").size().to_dict() == {1: 4, 2: 3, 3: 2}
    assert "3 groups of tasks" in tree.headline()


def test_merges_are_average_linkage_by_hand(three_groups):
    tree = task_tree(three_groups)
    features = tree.patterns
    logs = np.log(three_groups.pivot(index="sources", columns="target", values="value"))
    expected = (logs - logs.mean()) / logs.std(ddof=0)
    assert features.to_numpy() == pytest.approx(expected.loc[features.index, features.columns].to_numpy())
    for joined, left, right in tree.joins():
        apart = [np.linalg.norm(features.loc[a] - features.loc[b]) for a in left for b in right]
        assert tree.branches()[joined] == pytest.approx(np.mean(apart))


def test_a_picture_of_each(three_groups):
    tree = task_tree(three_groups)
    figure = tree.plot()
    assert len(figure.data) == 8 and set(figure.layout.yaxis.ticktext) == set(tree.tasks)
    assert len({line.line.color for line in figure.data}) == 4  # three clusters, and what joins them
    order = list(tree.to_frame().index)
    heat = affinity_heatmap(three_groups, order)
    assert list(heat.data[0].x) == order and np.asarray(heat.data[0].z).max() == 1


def test_the_published_affinities_put_the_eight_tasks_of_space_together(shared):
    """First order alone. The paper's own distance, exp(-20 P), finds them too, by all four ways to join clusters."""
    table = pd.read_csv(shared / "data" / "taskonomy" / "all_affinities.csv")
    tree = task_tree(table)
    assert len(tree.clusters) == 4 and set(tree.clusters[0]) == set(SOLID)
    for linkage in ("average", "complete", "single", "ward"):
        assert frozenset(SOLID) in task_tree(table, scale="exponential", linkage=linkage).branches()
    assert single_sources(table, SOLID).index[0] == "rgb2sfnorm"
    assert single_sources(table, SOLID)["rank"].idxmin() == "rgb2sfnorm"


def test_the_published_tree_has_the_published_groups(shared):
    """The four colours of the paper's figure 14; denoising, grey there, is counted among the 2-d tasks."""
    from sklearn.metrics import adjusted_rand_score

    groups = {
        "3d": SOLID,
        "2d": ["autoencoder", "colorization", "denoise", "edge2d", "impainting_whole", "keypoint2d", "segment2d"],
        "geometric": ["ego_motion", "fix_pose", "jigsaw", "non_fixated_pose", "point_match", "room_layout",
                      "vanishing_point_well_defined"],
        "semantic": ["class_1000", "class_selected", "segmentsemantic_rb"],
    }  # fmt: skip
    truth = {task: name for name, tasks in groups.items() for task in tasks}
    tree = task_tree(pd.read_csv(shared / "data" / "taskonomy" / "all_affinities.csv"))
    found = {task: k for k, tasks in enumerate(tree.cut(4)) for task in tasks}
    assert adjusted_rand_score([truth[t] for t in tree.tasks], [found[t] for t in tree.tasks]) > 0.7


def test_degenerate_tables():
    flat = table_of(np.full((2, 4), 0.25), list("abcd"), ["a", "b"])
    tree = task_tree(flat)
    assert tree.clusters == (("a", "b", "c", "d"),) and (tree.merges[:, 2] == 0).all() and tree.plot().data
    two_alike = table_of(np.array([[0.1, 0.1, 0.9], [0.2, 0.2, 0.1]]), list("abc"), ["x", "y"])
    assert task_tree(two_alike).clusters == (("a", "b"), ("c",))


def test_bad_input():
    good = table_of(np.random.default_rng(0).uniform(0.1, 1, (3, 4)), list("abcd"), list("xyz"))
    with pytest.raises(DataError, match="the affinity of a to x is missing"):
        task_tree(good.iloc[1:])
    with pytest.raises(DataError, match="a to x is -1, which has no logarithm"):
        task_tree(good.assign(value=[-1.0, *good["value"][1:]]))
    assert len(task_tree(good.assign(value=[-1.0, *good["value"][1:]]), scale="linear").tasks) == 4
    with pytest.raises(DataError, match="2 tasks are no tree"):
        task_tree(good[good["sources"].isin(["a", "b"])])
    with pytest.raises(DataError, match="n_clusters is 7"):
        task_tree(good, 7)
    with pytest.raises(DataError, match="scale is 'cubic'"):
        task_tree(good, scale="cubic")
    with pytest.raises(DataError, match="'q' is no target"):
        single_sources(good, ["q"])

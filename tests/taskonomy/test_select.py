"""The integer program against exhaustive search: optimum, next-best taxonomies, what one more unit buys."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from headstart.results import DataError
from headstart.taskonomy.curve import budget_curve
from headstart.taskonomy.select import select_sources
from headstart.taskonomy.table import affinity_matrix, single_sources


def made_up(n, order, seed, targets=None):
    """A full table of random affinities up to an order."""
    rng = np.random.default_rng(seed)
    tasks = [f"t{k}" for k in range(n)]
    names = ["+".join(one) for r in range(1, order + 1) for one in itertools.combinations(tasks, r)]
    rows = [(name, target, rng.exponential()) for target in targets or tasks for name in names]
    return pd.DataFrame(rows, columns=["sources", "target", "value"])


def by_search(table, budget, costs=None, importance=None, supervisable=None):
    """All sets of tasks that are worth supervising, the best first: value, sources that are used."""
    rows = [(frozenset(s.split("+")), t, v) for s, t, v in table.itertuples(index=False)]
    tasks = sorted(set().union(*(needs for needs, _, _ in rows)) if supervisable is None else supervisable)
    found = {}
    for size in range(len(tasks) + 1):
        for chosen in itertools.combinations(tasks, size):
            if sum((costs or {}).get(task, 1) for task in chosen) > budget + 1e-9:
                continue
            best = {}
            for needs, target, value in rows:
                if needs <= set(chosen) and value > best.get(target, (-math.inf,))[0]:
                    best[target] = value, needs
            if len(best) == table["target"].nunique():
                used = frozenset().union(*(needs for _, needs in best.values()))
                found[used] = sum((importance or {}).get(t, 1) * value for t, (value, _) in best.items())
    return sorted(((value, used) for used, value in found.items()), key=lambda one: -one[0])


@pytest.mark.parametrize(("n", "order", "budget", "seed"), [(6, 1, 1, 0), (8, 2, 3, 1), (6, 3, 4, 2), (7, 2, 7, 3)])
def test_it_is_the_best_of_all(n, order, budget, seed):
    table = made_up(n, order, seed)
    found = select_sources(table, budget, n_alternatives=3)
    truth = by_search(table, budget)
    assert found.value == pytest.approx(truth[0][0], rel=1e-12) and set(found.sources) == truth[0][1]
    assert found.bound == pytest.approx(found.value, rel=1e-9)
    assert [set(one.sources) for one in found.alternatives] == [used for _, used in truth[1:4]]
    assert [one.value for one in found.alternatives] == pytest.approx([value for value, _ in truth[1:4]])
    assert found.gain_of_next_unit == pytest.approx(by_search(table, budget + 1)[0][0] - truth[0][0], abs=1e-12)
    values = table.set_index(["sources", "target"])["value"]
    for target, sources in found.transfers.items():
        assert set(sources) <= set(found.sources)
        assert found.affinities[target] == values["+".join(sources), target]


@pytest.mark.parametrize("seed", range(3))
def test_costs_and_importance(seed):
    table = made_up(7, 2, seed)
    rng = np.random.default_rng(seed)
    costs = {f"t{k}": round(float(rng.uniform(0.1, 2)), 1) for k in range(6)}
    importance = {f"t{k}": float(rng.uniform(0, 3)) for k in range(5)}
    found = select_sources(table, 2.5, costs=costs, importance=importance, n_alternatives=1)
    truth = by_search(table, 2.5, costs, importance)
    assert found.value == pytest.approx(truth[0][0]) and found.alternatives[0].value == pytest.approx(truth[1][0])
    assert found.cost == pytest.approx(sum(costs.get(task, 1) for task in found.sources)) and found.cost <= 2.5 + 1e-9


def test_targets_and_source_only_tasks():
    table = made_up(6, 2, 5)
    targets = ["t0", "t1", "t2"]
    part = table[table["target"].isin(targets)]
    assert select_sources(table, 2, targets).value == pytest.approx(by_search(part, 2)[0][0])
    some = select_sources(table, 2, targets, source_only=["t5"])
    assert some.value == pytest.approx(by_search(part, 2, supervisable=[*targets, "t5"])[0][0])
    none = select_sources(table, 2, targets, source_only=[])
    assert none.value == pytest.approx(by_search(part, 2, supervisable=targets)[0][0])
    barred = select_sources(table, 2, targets, costs={"t4": math.inf, "t5": math.inf})
    assert barred.value == pytest.approx(by_search(part, 2, supervisable=["t0", "t1", "t2", "t3"])[0][0])


@pytest.mark.parametrize(("order", "budget"), [(1, 1), (1, 4), (2, 2), (2, 5)])
def test_published_affinities_of_ten_tasks(shared, order, budget):
    table = pd.read_csv(shared / "data" / "taskonomy" / "all_affinities.csv")
    tasks = "autoencoder denoise edge2d rgb2sfnorm reshade edge3d keypoint3d class_1000 segmentsemantic_rb curvature"
    inside = table["sources"].map(lambda joined: set(joined.split("+")) <= set(tasks.split()))
    table = table[inside & table["target"].isin(tasks.split()) & (table["sources"].str.count(r"\+") < order)]
    found = select_sources(table, budget, n_alternatives=2)
    truth = by_search(table, budget)
    assert found.value == pytest.approx(truth[0][0], rel=1e-12) and set(found.sources) == truth[0][1]
    assert [one.value for one in found.alternatives] == pytest.approx([value for value, _ in truth[1:3]])


def test_published_affinities_in_whole(shared):
    folder = shared / "data" / "taskonomy"
    table = pd.read_csv(folder / "all_affinities.csv")
    found = select_sources(table, 2)
    assert found.bound == pytest.approx(found.value, rel=1e-9) and len(found.transfers) == 22
    truth = max(
        table[table["sources"].map(lambda joined, pair=pair: set(joined.split("+")) <= set(pair))]
        .groupby("target")["value"].max().sum()
        for pair in itertools.combinations(affinity_matrix(table).columns, 2)
    )  # fmt: skip
    assert found.value == pytest.approx(truth, rel=1e-12)
    large = select_sources(pd.read_csv(folder / "all_affinities_16k.csv"), 1, n_alternatives=0)
    assert large.sources == ("rgb2sfnorm",) and large.bound == pytest.approx(large.value, rel=1e-9)


def test_every_budget_is_proven_optimal_and_value_never_falls(shared):
    folder = shared / "data" / "taskonomy"
    curve = budget_curve(pd.read_csv(folder / "all_affinities.csv"), range(1, 23))
    values = [one.value for one in curve.taxonomies]
    assert values == pytest.approx([one.bound for one in curve.taxonomies], rel=1e-9) and values == sorted(values)
    assert [one.next_unit.value for one in curve.taxonomies[:-1]] == pytest.approx(values[1:], rel=1e-9)
    assert all(one.cost <= one.budget for one in curve.taxonomies)


def test_baselines_are_offered_on_request_only(shared):
    table = pd.read_csv(shared / "data" / "taskonomy" / "all_affinities.csv")
    plain = select_sources(table, 3, n_alternatives=0)
    assert not {"self", "random"} & {name for sources in plain.transfers.values() for name in sources}
    full = select_sources(table, 25, offer=["self", "random"], n_alternatives=0)
    assert full.value == pytest.approx(table.groupby("target")["value"].max().sum())
    own = {target for target, sources in full.transfers.items() if sources == ("self",)}
    assert len(own) > 10 and own <= set(full.sources)
    nothing = select_sources(table, 0, offer=["random"])
    assert nothing.sources == () and nothing.cost == 0 and set(nothing.transfers.values()) == {("random",)}
    assert nothing.value == pytest.approx(table[table["sources"] == "random"]["value"].sum())
    only = table[table["sources"].isin(["random", "self"])]
    assert select_sources(only, 1, offer=["random"]).next_unit.sources == ()
    assert "Label nothing" in nothing.headline()


def test_degenerate_tables():
    one = pd.DataFrame([("a", "a", 0.0)], columns=["sources", "target", "value"])
    found = select_sources(one, 5, n_alternatives=3)
    assert found.sources == ("a",) and found.value == 0 and found.alternatives == () and found.gain_of_next_unit == 0
    equal = made_up(4, 2, 0).assign(value=0.5)
    found = select_sources(equal, 3)
    assert found.value == pytest.approx(2.0) and all(len(sources) == 1 for sources in found.transfers.values())
    weightless = select_sources(made_up(3, 1, 0), 1, importance={"t0": 0, "t1": 0, "t2": 0})
    assert weightless.value == 0 and len(weightless.transfers) == 3


def test_how_it_is_told():
    found = select_sources(made_up(5, 2, 1), 2)
    frame = found.to_frame()
    assert list(frame.index) == [f"t{k}" for k in range(5)] and (frame["affinity"] * frame["importance"]).sum() == (
        pytest.approx(found.value)
    )
    assert set(found.to_graph()["source"]) == set(found.sources)
    assert " and " in found.headline() and "one more unit of budget would add" in found.headline()
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert said["transfers"]["t0"] == list(found.transfers["t0"])


def test_budget_curve():
    table = made_up(5, 2, 4)
    rates = table.assign(value=np.linspace(0, 1, len(table)))
    curve = budget_curve(table, rates={"gain": rates, "quality": rates.iloc[:3]}, importance={"t0": 2.0})
    frame = curve.to_frame()
    truth = [by_search(table, budget, importance={"t0": 2.0})[0][0] for budget in range(1, 6)]
    assert frame["value"].tolist() == pytest.approx(truth)
    assert frame["added"].tolist()[1:] == pytest.approx(np.diff(truth).tolist())
    known = rates.set_index(["sources", "target"])["value"]
    used = [(known["+".join(sources), target], 2 if target == "t0" else 1)
            for target, sources in curve.taxonomies[2].transfers.items()]  # fmt: skip
    assert frame["gain"].iloc[2] == pytest.approx(sum(r * w for r, w in used) / 6) and frame["quality"].isna().all()
    assert "A budget of" in curve.headline()
    assert [line.name for line in curve.plot().data] == ["value, of the highest", "gain", "quality"]
    with pytest.raises(DataError, match="no budget"):
        budget_curve(table, [])
    zeros = budget_curve(table.assign(value=0.0), [1, 2])
    assert "none reaches anything" in zeros.headline() and zeros.plot().data


def test_single_sources_and_matrix():
    table = pd.DataFrame(
        [("a", "a", 9.0), ("b", "a", 2.0), ("c", "a", 1.0), ("a", "b", 3.0), ("b", "b", 9.0), ("c", "b", 4.0),
         ("a+b", "a", 5.0), ("self", "a", 9.0)],
        columns=["sources", "target", "value"],
    )  # fmt: skip
    found = single_sources(table)
    assert found["mean"].to_dict() == {"a": 3.0, "c": 2.5, "b": 2.0} and found["n"].to_dict() == {
        "a": 1,
        "b": 1,
        "c": 2,
    }
    assert found["rank"].to_dict() == {"a": 2.0, "b": 1.0, "c": 1.5}
    assert list(affinity_matrix(table).columns) == ["a", "b", "c"]
    assert np.isnan(affinity_matrix(table, baselines=True).loc["b", "self"])


def test_bad_input():
    table = made_up(4, 2, 0)
    with pytest.raises(DataError, match="no column 'target'"):
        select_sources(table.drop(columns="target"), 1)
    with pytest.raises(DataError, match="budget is -1"):
        select_sources(table, -1)
    with pytest.raises(DataError, match="budget is nan"):
        select_sources(table, math.nan)
    with pytest.raises(DataError, match=r"budget 0\.5 leaves a target without any transfer: 1 is the least"):
        select_sources(table, 0.5)
    with pytest.raises(DataError, match="'t9' is no target"):
        select_sources(table, 1, targets=["t9"])
    with pytest.raises(DataError, match="no target: name"):
        select_sources(table, 1, targets=[])
    with pytest.raises(DataError, match="'x' is no source"):
        select_sources(table, 1, source_only=["x"])
    with pytest.raises(DataError, match="'t0' is a target and source-only"):
        select_sources(table, 1, source_only=["t0"])
    with pytest.raises(DataError, match="the cost of 't0' is -1"):
        select_sources(table, 1, costs={"t0": -1})
    with pytest.raises(DataError, match="the importance of 't0' is inf"):
        select_sources(table, 1, importance={"t0": math.inf})
    with pytest.raises(DataError, match="'x' is no task"):
        select_sources(table, 1, costs={"x": 1})
    with pytest.raises(DataError, match="offer names 'noise'"):
        select_sources(table, 1, offer=["noise"])
    with pytest.raises(DataError, match="order is 0"):
        select_sources(table, 1, order=0)
    with pytest.raises(DataError, match="t0 to t0 is nan"):
        select_sources(table.assign(value=np.nan), 1)
    with pytest.raises(DataError, match=r"t1\+t0 to t0 stands twice"):
        select_sources(pd.concat([table, pd.DataFrame([("t1+t0", "t0", 1.0)], columns=table.columns)]), 1)
    with pytest.raises(DataError, match="different task names"):
        select_sources(pd.DataFrame([("a+a", "a", 1.0)], columns=table.columns), 1)
    with pytest.raises(DataError, match="target 't3' has no transfer"):
        select_sources(table[(table["target"] != "t3") | (table["sources"] == "t0")], 1, costs={"t0": math.inf})
    with pytest.raises(DataError, match="no transfer that may be used"):
        select_sources(pd.DataFrame([("self", "a", 1.0)], columns=table.columns), 1)


def test_an_untrained_encoder_beside_tasks_is_not_offered_either_and_costs_nothing():
    table = pd.DataFrame(
        [("a", "t", 0.2), ("a+random", "t", 0.6), ("random", "t", 0.1)], columns=["sources", "target", "value"]
    )
    assert select_sources(table, 1).transfers == {"t": ("a",)}
    offered = select_sources(table, 1, offer=["random"])
    assert offered.transfers == {"t": ("a", "random")} and offered.sources == ("a",) and offered.cost == 1
    assert select_sources(table, 0, offer=["random"]).transfers == {"t": ("random",)}

"""The diagnosis on worlds in which it is known what differs, on what a person may give, and as a command."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from headstart.cli import app
from headstart.results import DataError
from headstart.scenario import Pair, diagnose, follows, match_meanings, match_names
from headstart.scenario.compare import diagnose_data
from headstart.scenario.label_space import class_means, compare_labels
from headstart.transfer.adapter import Difference

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def worlds():
    """The worlds of the study, as they are defined there."""
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("worlds", BENCHMARKS / "scenario" / "worlds.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["worlds"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def one(worlds, world, balance="balanced", n=400, seed=0, labels=True, **more):
    drawn = worlds.draw(world, balance, n, np.random.default_rng(seed))
    return diagnose(drawn.Xs, drawn.ys, drawn.Xt, drawn.yt if labels else None, random_state=seed, **more)


@pytest.mark.parametrize(
    ("world", "balance"),
    [
        ("none", "balanced"), ("covariate shift", "balanced"), ("concept change", "balanced"),
        ("label shift", "balanced"), ("class renamed", "balanced"), ("class removed", "balanced"),
        ("columns", "balanced"), ("none", "imbalanced"), ("label shift", "imbalanced"),
        ("concept change", "imbalanced"),
    ],
)  # fmt: skip
def test_what_was_planted_is_what_is_named(worlds, world, balance):
    found = one(worlds, world, balance)
    assert found.differences == worlds.EXPECTED[world]
    assert found.differences <= set(get_args(Difference))
    if world == "label shift":
        assert found.marginal.differs and found.marginal.kind == "label" and found.conditional.differs is False
    if world == "covariate shift":
        assert found.marginal.kind == "covariate" and found.label_shift.differs is False
    if world == "columns":
        assert found.feature_space.source_only == ("weight", "height") and found.feature_space.target_only == ("mass",)
    if world == "class renamed":
        assert found.label_space.relation == "partial overlap"
        assert [(pair.source, pair.target, pair.by) for pair in found.label_space.meanings] == [
            ("bee", "wasp", "examples")
        ]
    if world == "class removed":
        assert found.label_space.relation == "subset" and found.label_space.source_only == ("cat",)


@pytest.mark.parametrize("world", ["none", "covariate shift", "label shift"])
def test_without_target_labels(worlds, world):
    found = one(worlds, world, n=800, labels=False)
    assert found.differences == worlds.EXPECTED[world]
    assert found.conditional.differs is None and found.label_space.differs is None
    assert "no target labels" in found.conditional.sentence and found.n_labelled == 0
    if world == "label shift":
        assert found.label_shift.method == "estimated"
        assert found.label_shift.target_shares == pytest.approx(worlds.MOVED["balanced"], abs=0.08)
        assert found.label_shift.bbse == pytest.approx(worlds.MOVED["balanced"], abs=0.1)


def test_false_alarms_are_rare(worlds):
    found = [one(worlds, "none", n=60, seed=seed, n_permutations=239).differences for seed in range(5)]
    assert sum(map(bool, found)) <= 1  # at 5 % more has probability 0.023


def test_the_same_seed_says_the_same_and_an_answer_can_be_shown(worlds):
    found, again = one(worlds, "label shift", n=60), one(worlds, "label shift", n=60)
    assert found.to_dict() == again.to_dict()
    json.dumps(found.to_dict())
    assert len(found.to_frame()) == 5 and len(found.what_follows()) == 4 and "Is P(X) the same?" in found._repr_html_()
    assert len(found.plot().data[0].x) == 6
    assert all(len(finding.to_frame()) for finding in found.findings)


def test_arrays_are_matched_by_position_and_other_widths_not_at_all():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    assert diagnose(X, y, X[::-1], y[::-1]).feature_space.shared == ("x0", "x1", "x2")
    found = diagnose(X, y, X[:, :2], y)
    assert found.differences == {"feature_space"} and found.feature_space.effect == 1
    assert found.marginal.differs is None and found.conditional.differs is None
    named = diagnose(X, y, X[:, :2], y, feature_names=(["a", "b", "c"], ["B", "a"]))
    assert named.feature_space.shared == ("a", "b") and named.feature_space.source_only == ("c",)


def test_types_units_dates_and_gaps_of_columns():
    rng = np.random.default_rng(0)
    n = 80
    source = pd.DataFrame({
        "degrees": rng.normal(20, 1, n), "code": rng.integers(0, 3, n), "flag": rng.random(n) < 0.5,
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, n), unit="D"),
        "gaps": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
    })  # fmt: skip
    target = source.assign(degrees=source["degrees"] * 18 + 5000, code=source["code"].map(lambda one: f"c{one}"))
    y = rng.integers(0, 2, n)
    found = diagnose(source, y, target, y)
    assert found.feature_space.retyped == ("code",) and found.feature_space.shared == ("degrees", "flag", "day", "gaps")
    assert any("'degrees'" in warning and "unit" in warning for warning in found.warnings)
    shifts = {shift.name: shift.adjusted for shift in found.marginal.features}
    assert shifts["degrees"] < 1e-6 and shifts["gaps"] == shifts["day"] == shifts["flag"] == 1


def test_few_labels_one_row_one_class_and_rare_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = np.repeat(["a", "b", "c"], [60, 29, 1])
    some = np.full(90, None, dtype=object)
    some[::9] = y[::9]
    partly = diagnose(X, y, X + 3, some)
    assert partly.n_labelled == 10 and partly.label_shift.method != "counted" and "covariate" in partly.differences
    assert diagnose(X, y, X[:1], y[:1]).marginal.differs is None
    alone = diagnose(X, np.zeros(90, int), X, np.zeros(90, int))
    assert alone.differences == set() and alone.conditional.differs is None
    rare = diagnose(X, y, X[:89], y[:89])
    assert rare.label_space.relation == "subset" and rare.label_space.differs is None
    assert diagnose(np.ones((30, 2)), y[:30], np.ones((30, 2)), y[:30]).differences == set()


def test_label_codes_with_gaps_and_unlabelled_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.choice([3, 70], 60)
    assert diagnose(X, y, X, np.where(np.arange(60) < 30, y, -1)).n_labelled == 30
    signed = np.where(y == 3, -1, 1)
    assert diagnose(X, signed, X, signed).n_labelled == 60
    assert diagnose(X, y, X, np.where(np.arange(60) < 30, y, np.nan)).label_space.relation == "same"


def test_a_group_counts_once_and_a_large_table_is_sampled():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.integers(0, 2, 20)
    copies = np.repeat(X, 10, axis=0), np.repeat(y, 10), np.repeat(np.arange(20), 10)
    shifted = copies[0] + 0.6
    assert diagnose(copies[0], copies[1], shifted, copies[1]).marginal.differs
    grouped = diagnose(copies[0], copies[1], shifted, copies[1], groups=(copies[2], copies[2]))
    assert grouped.n_source == 20 and not grouped.marginal.differs and "one row was drawn" in grouped.warnings[0]
    many = diagnose(np.tile(X, (5000, 1)), np.tile(y, 5000), X, y, most=100)
    assert many.n_source == 100_000 and any("100 rows a side" in warning for warning in many.warnings)
    assert many.marginal.told.n_source == 100


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        (["T-shirt/top", "Shirt"], ["t-shirt", "shirt"], [("T-shirt/top", "t-shirt"), ("Shirt", "shirt")]),
        (["cat", "Cats"], ["cats"], []),  # two fit: none is taken
        (["cat", "cats"], ["cats", "cat"], [("cat", "cat"), ("cats", "cats")]),
        (["ankle boot"], ["Ankle_Boots"], [("ankle boot", "Ankle_Boots")]),
        (["a/b"], ["a", "b"], []),
        (["!"], ["?"], []),
        (["犬"], ["犬", "猫"], [("犬", "犬")]),
    ],
)
def test_names_of_classes(source, target, pairs):
    assert [(pair.source, pair.target) for pair in match_names(source, target)] == pairs


def test_relations_and_classes_that_may_be_missing_by_chance():
    def relation(ys, yt):
        found = compare_labels(np.array(ys, object), np.array(yt, object), level=0.05)
        return found.relation, found.differs

    assert relation(["a", "b"] * 50, ["b", "a"] * 9) == ("same", False)
    assert relation(["a", "b"] * 50, ["a"] * 40) == ("subset", True)
    assert relation(["a"] * 40, ["a", "b"] * 50) == ("superset", True)
    assert relation(["a", "b"] * 50, ["b", "c"] * 50) == ("partial overlap", True)
    assert relation(["a"] * 50, ["b"] * 50) == ("disjoint", True)
    assert relation(["a"] * 99 + ["b"], ["a"] * 40) == ("subset", None)


def test_meanings_by_vectors():
    vectors = {"pants": [1.0, 0.1, 0], "hat": [0, 1, 0.2], "trousers": [0.9, 0, 0], "shoe": [0, 0, 1]}
    source, target = ({name: vectors[name] for name in names} for names in (["pants", "hat"], ["trousers", "shoe"]))
    cosine = 1 / np.hypot(1, 0.1)
    assert match_meanings(source, target) == (Pair("pants", "trousers", "meaning", pytest.approx(cosine)),)
    with pytest.raises(DataError, match="differ in shape"):
        match_meanings({"a": [1.0]}, {"b": [1.0, 2.0]})
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.array(["pants", "hat"] * 20)
    found = diagnose(X, y, X, np.array(["trousers", "shoe"] * 20), class_vectors=vectors)
    assert found.label_space.relation == "disjoint" and [p.target for p in found.label_space.meanings] == ["trousers"]
    # Where all that is in the target is moved and stretched, the classes still lie alike.
    means = class_means(X, y.astype(object)), class_means(X * 7 + 100, y.astype(object))
    assert means[0]["hat"] == pytest.approx(means[1]["hat"])


def test_what_follows():
    def verdicts(found, **more):
        facts = {"auc": 0.7, "n_features": 4, "n_classes": 3, "labelled": True} | more
        return {one.kind: one.verdict for one in follows(found, **facts)}

    assert verdicts(set())["features"] == "does not apply" and verdicts(set())["instances"] == "applies"
    assert verdicts({"covariate"})["features"] == "applies"
    assert verdicts({"covariate"}, auc=1.0)["instances"] == "would hurt"
    assert verdicts({"label"})["features"] == "would hurt"
    assert verdicts({"conditional"}, labelled=False)["instances"] == "would hurt"
    assert verdicts({"feature_space"}, n_features=0) == {
        "instances": "does not apply", "features": "applies", "parameters": "does not apply",
        "relations": "does not apply",
    }  # fmt: skip
    assert verdicts({"label_space"}, n_classes=0)["instances"] == "would hurt"


X0, Y0 = np.arange(40.0).reshape(20, 2), np.array(["a", "b"] * 10)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X0, None, X0), {}, "no labels"),
        ((X0[0], Y0, X0), {}, r"Xs has shape \(2,\)"),
        ((X0, Y0[:3], X0), {}, "20 rows and ys shape"),
        ((X0, Y0, X0, Y0[:3]), {}, "20 rows and yt shape"),
        ((X0, np.random.default_rng(0).normal(size=20), X0), {}, "give classes, or predict the number itself"),
        ((X0, Y0, np.full((3, 2), np.inf)), {}, "'x0' of Xt holds infinite"),
        ((X0, Y0, X0), {"feature_names": ["a"]}, "2 columns and 1 feature_names"),
        ((X0, Y0, X0), {"feature_names": ["a", "a"]}, "column 'a' twice"),
        ((X0, Y0, X0[:0]), {}, "Xt is empty"),
        ((X0, Y0, X0), {"level": 5}, "level=5"),
        ((X0, Y0, X0), {"most": 1}, "most=1"),
        ((X0, Y0, X0), {"n_permutations": 99}, "at least 239"),
        ((X0, Y0, X0), {"groups": ([1], None)}, "20 rows but groups"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments, options, message):
    with pytest.raises(DataError, match=message):
        diagnose(*arguments, **options)


@pytest.fixture(scope="session")
def tables(worlds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    drawn = worlds.draw("covariate shift", "balanced", 300, np.random.default_rng(0))
    drawn.Xs.assign(label=drawn.ys).to_csv(folder / "old.csv", index=False)
    drawn.Xt.assign(label=drawn.yt).to_csv(folder / "new.csv", index=False)
    drawn.Xt.to_parquet(folder / "bare.parquet")
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app.app if hasattr(app, "app") else app, ["diagnose", *map(str, arguments)])


def test_the_command_on_tables(tables, tmp_path):
    told = invoke(tables / "old.csv", tables / "new.csv", "--json", "--plot", tmp_path / "plot.html")
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["differences"] == ["covariate"] and (tmp_path / "plot.html").stat().st_size > 10_000
    bare = invoke(tables / "old.csv", tables / "bare.parquet", "--no-target-labels")
    assert "cannot be told" in bare.output and "carry over" in bare.output


def test_parts_and_kinds_of_data(tables, tmp_path):
    old, new = pd.read_csv(tables / "old.csv"), pd.read_csv(tables / "new.csv")
    marked = new.assign(split=np.where(np.arange(len(new)) % 3 == 0, "test", "train"))
    assert diagnose_data(old, marked).n_target == 200  # the test part is not looked at
    with pytest.raises(DataError, match="there is no file or folder"):
        diagnose_data(tables / "old.csv", tmp_path / "nothing")
    with pytest.raises(DataError, match="no pictures in"):
        diagnose_data(tables / "old.csv", tmp_path, target_labels=False)


def test_pictures_through_a_network(photos, tmp_path):
    paths = sorted(photos.glob("*/*"))
    table = pd.DataFrame({"image": list(map(str, paths)), "label": [path.parent.name for path in paths]})
    odd = np.array([int(path.stem) // 2 % 2 == 1 for path in paths])
    found = diagnose_data(table[odd], table[~odd], backend="openvino")
    assert found.differences == set() and found.feature_space.statistic == 1 and "lite0" in found.feature_space.sentence
    bare = diagnose_data(photos, photos / "disc", target_labels=False, backend="openvino")
    assert bare.n_target == 30 and bare.n_source <= 40 and bare.conditional.differs is None
    assert any("30 pictures of the photos are in the disc too" in warning for warning in bare.warnings)
    with pytest.raises(DataError, match="pictures on both sides"):
        diagnose_data(photos, pd.DataFrame({"a": range(20), "label": list("xy") * 10}))

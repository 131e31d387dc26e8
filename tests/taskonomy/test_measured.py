"""A measurement from end to end, on drawn pictures: what must hold whatever networks learn."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from headstart.cli.app import app
from headstart.results import DataError, SourceError
from headstart.sources import Preprocessing, Source
from headstart.sources.card import Card
from headstart.taskonomy import (
    Recipe,
    TaskSet,
    budget_curve,
    class_task,
    make_task,
    measure,
    number_task,
    read_tasks,
    select_sources,
)
from headstart.taskonomy.ahp import ratios
from headstart.taskonomy.measured import transfers
from headstart.taskonomy.measured.frozen import Trunk

RECIPE = Recipe(steps=4, batch_size=16)
SETTINGS = {"seeds": 2, "few": 20, "order": 2, "beam": 2, "recipe": RECIPE}


def drawn(n, seed=0):
    """Bright or dark squares on the left or on the right: inputs, side, brightness."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(40, 80, (n, 32, 32, 3), dtype=np.uint8)
    side, light = rng.integers(0, 2, n), rng.integers(120, 250, n)
    for picture, right, level in zip(pictures, side, light, strict=True):
        picture[8:24, 4 + 14 * right : 14 + 14 * right] = level
    return pictures, np.array(["left", "right"])[side], light.astype(float)


@pytest.fixture(scope="module")
def tasks():
    pictures, side, light = drawn(120)
    made = [
        class_task("side", pictures, side),
        class_task("same", pictures, side),
        number_task("light", pictures, light),
    ]
    return TaskSet((*made, make_task("edges", pictures)), np.arange(120) // 2, name="squares")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def found(tasks, kept, monkeypatch):
    """The measurement; what it computes is kept for the next test that asks."""
    monkeypatch.setenv("HEADSTART_CACHE", str(kept))
    return measure(tasks, **SETTINGS)


def test_tables_hang_together(found):
    table = found.affinity
    assert table.groupby("target")["value"].sum().to_numpy() == pytest.approx(1)
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"] + 1e-12).all()
    assert (table.loc[table["sources"] == "self", "quality"] == 0.5).all()
    assert {"self", "random", "side", "same", "light", "edges"} < set(table["sources"])
    assert (table["sources"].str.count(r"\+").groupby(table["target"]).sum() == 1).all()  # a beam of two is one pair
    assert (found.n_encode, found.n_few, found.n_compare, found.n_judge) == (52, 20, 24, 24)
    assert len(found.budgets) == 4 and found.budgets[3].difference.value == pytest.approx(0)
    best = select_sources(table, 2)
    assert found.at(2).sources == best.sources == found.taxonomy(2).sources
    assert found.curve.to_frame()["value"].tolist() == pytest.approx(budget_curve(table).to_frame()["value"].tolist())
    used = table.set_index(["sources", "target"])["quality"]
    expected = np.mean([used["+".join(sources), target] for target, sources in best.transfers.items()])
    assert found.at(2).chosen.value == pytest.approx(expected)


def test_affinities_are_the_principal_eigenvector_of_counted_wins(tasks, found, kept, monkeypatch):
    """Losses read from what was kept, wins counted by hand, the eigenvector from a dense solver."""
    names = [s for s, t in found.affinity[["sources", "target"]].itertuples(index=False) if t == "light"]
    wins = np.zeros((2, len(names), len(names)))
    for number in range(2):
        bench = transfers.Bench(
            tasks, number, few=20, recipe=RECIPE, trunk=None, seed=0, device="cpu", store=transfers.Store(),
            inputs={task.input_digest: task.inputs for task in tasks.tasks},
        )  # fmt: skip
        losses = [bench.outcome(name, "light").compare for name in names]
        for i, one in enumerate(losses):
            for j, other in enumerate(losses):
                wins[number, i, j] = np.mean([(a < b) + (a == b) / 2 for a, b in zip(one, other, strict=True)])
    values, vectors = np.linalg.eig(ratios(wins.mean(axis=0)))
    vector = np.abs(vectors[:, values.real.argmax()].real)
    mine = found.affinity[found.affinity["target"] == "light"]["value"].to_numpy()
    assert mine == pytest.approx(vector / vector.sum(), rel=1e-6)


def test_two_tasks_with_the_same_labels_are_the_same_source(found):
    matrix = found.affinity.pivot(index="target", columns="sources", values="value")
    assert matrix["side"].to_numpy() == pytest.approx(matrix["same"].to_numpy())
    assert found.tree.branches()[frozenset(["side", "same"])] == pytest.approx(0, abs=1e-9)


def test_what_is_shown(found):
    assert found.headline().startswith("Label ") and "over 2 repetitions" in found.headline()
    assert list(found.matrix().columns) == ["side", "same", "light", "edges", "random", "self"]
    assert "–" in found.matrix().loc["light", "edges"]
    assert found.references().loc["light", "metric"] == "explained share"
    best = found.best().loc["side"]
    assert best["best from"] == "same" and best["full"] == found.tasks[0].full.value
    assert list(found.to_frame()["target"].unique()) == ["side", "same", "light", "edges"]
    assert (found.to_frame().groupby("target")["value"].diff().dropna() <= 0).all()
    json.dumps(found.to_dict(), allow_nan=False)
    graph = found.taxonomy(2).plot()
    assert set(graph.data[-1].text) == {"side", "same", "light", "edges"}
    assert len(graph.data) - 2 == sum(map(len, found.taxonomy(2).transfers.values()))
    assert len(found.plot().data[0].x) == 4


def test_a_measurement_that_was_interrupted_goes_on_to_the_same(tasks, found, tmp_path, monkeypatch):
    train, calls = transfers.train, []

    def stopping(*arguments, **more):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **more)

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setattr(transfers, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        measure(tasks, **SETTINGS)
    again = measure(tasks, **SETTINGS)
    assert len(calls) == 3 + 2 * 6 - 2  # three different tasks, full and from scratch, twice; two were kept
    pd.testing.assert_frame_equal(again.affinity, found.affinity)
    calls[:] = [1] * 3
    measure(tasks, **SETTINGS)
    assert len(calls) == 3


def test_bad_numbers(tasks):
    for name, bad in (("seeds", 0), ("few", 3), ("order", 0), ("beam", 0)):
        with pytest.raises(DataError, match=f"{name}={bad}"):
            measure(tasks, **{**SETTINGS, name: bad})
    with pytest.raises(DataError, match="has no meaning for encoder='network'"):
        measure(tasks, cut="blocks.2", **SETTINGS)
    with pytest.raises(DataError, match="fewer than 500"):
        measure(tasks, least=500, **SETTINGS)


def test_a_frozen_source_below_the_encoders(tasks):
    import torch

    card = Card("mobilenetv3_small_050", "nothing", n_classes=10, n_parameters=1)
    source = Source("small", card, Preprocessing((32, 32)), seed=3)  # it would crop, which a trunk must not
    with pytest.raises(SourceError, match="cannot be cut at 'nowhere'"):
        Trunk(source, "nowhere")
    trunk, pictures = Trunk(source), tasks.tasks[0].inputs[:3]
    network, seen = source.network(), []
    network.get_submodule(trunk.cut).register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1) for values in (source.preprocessing.mean, source.preprocessing.std)
    )
    with torch.inference_mode():
        network((torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / std)
    (maps,) = seen
    side = maps.shape[-1]
    wide = maps.repeat_interleave(8 // side, dim=2).repeat_interleave(8 // side, dim=3)
    assert trunk(pictures) == pytest.approx(wide.numpy(), abs=5e-3)
    found = measure(tasks, encoder=source, **{**SETTINGS, "seeds": 1, "order": 1})
    assert found.encoder == "small" and np.isnan(found.affinity["low"]).all()
    assert "one repetition" in " ".join(found.warnings) and "no interval" in found.headline()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV with labels, numbers, gaps and a test part."""
    folder = tmp_path_factory.mktemp("table")
    pictures, side, light = drawn(150, seed=1)
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k}.png")
    frame = pd.DataFrame({"image": [f"{k}.png" for k in range(150)], "side": side, "light": light / 7})
    frame["stars"] = np.arange(150) % 5
    frame["rare"] = np.where(np.arange(150) < 30, side, None)
    frame["split"] = np.where(np.arange(150) % 10 == 9, "test", "train")
    frame["name"] = [f"thing {k}" for k in range(150)]
    frame.to_csv(folder / "squares.csv", index=False)
    return folder / "squares.csv"


def test_columns_are_read_as_what_they_hold(table):
    found = read_tasks(table, ["side", "light", "stars", "stars:number", "edges"], size=32)
    assert [task.kind for task in found.tasks] == ["classes", "number", "classes", "number", "map"]
    assert len(found.groups) == 135 and "15 test rows left out" in found.notes and found.name == "squares"
    frame = pd.read_csv(table)
    mine = frame[frame["split"] == "train"].reset_index(drop=True)
    assert found.tasks[1].values == pytest.approx(mine["light"])
    assert [found.tasks[0].classes[k] for k in found.tasks[0].values] == mine["side"].tolist()
    picture = np.asarray(Image.open(table.parent / mine["image"][7]))
    assert np.array_equal(found.tasks[0].inputs[7], picture) and found.ids[7] == mine["image"][7]
    everything = read_tasks(table, size=32)
    assert everything.names == ("side", "light", "stars", "rare", "mask", "edges", "colour", "rotation")
    assert any("'name'" in note for note in everything.notes)
    assert len(read_tasks(table, ["side", "light"], size=32, most=100).groups) == 100


def test_a_folder_has_the_task_of_its_classes(photos, monkeypatch):
    found = read_tasks(photos, ["class", "rotation"], size=32)
    assert found.tasks[0].classes == ("disc", "quer balken", "環") and found.names == ("class", "rotation")


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["side", "depth"], {}, "there is no task 'depth'"),
        (["side:colour", "light"], {}, "write side:number or side:classes"),
        (["side:number", "light"], {}, "'side' holds '(left|right)', which is no number"),
        (["side", "light"], {"size": 36}, "size=36"),
        (["side", "light"], {"most": 5}, "most=5"),
    ],
)
def test_what_cannot_be_read(table, names, more, message):
    with pytest.raises(DataError, match=message):
        read_tasks(table, names, **{"size": 32, **more})


def run(*arguments):
    return CliRunner().invoke(app, ["tasks", *map(str, arguments)])


def test_the_command(table, tmp_path):
    fast = ["--size", 32, "--seeds", 2, "--few", 20, "--steps", 3, "--order", 1]
    page = tmp_path / "tasks.html"
    result = run(table, "--task", "side", "--task", "light", "--task", "edges", *fast, "--out", page)
    assert result.exit_code == 0, result.output
    assert "Label " in result.output and "edges" in result.output
    text = page.read_text()
    assert "<!doctype html>" in text and "Which tasks are alike?" in text and "Before normalization" in text
    result = run(table, "--task", "side", "--task", "light", "--task", "edges", *fast, "--json")
    value = json.loads(result.output)
    assert len(value["affinities"]) == 3 * 5 and value["budgets"][1]["budget"] == 2
    result = run(table, "--task", "side", "--task", "rare", "--task", "light", *fast)
    assert isinstance(result.exception, DataError)
    assert "'rare' has a value on 27, and without it 135 would be common" in str(result.exception)

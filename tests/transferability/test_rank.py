"""A ranking of small networks on drawn pictures: what knows the classes stands before what does not."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from headstart.cli.app import app
from headstart.results import DataError
from headstart.sources import Preprocessing, Source, from_module
from headstart.sources.card import Card
from headstart.transferability.evidence import SCORES
from headstart.transferability.learned import learned
from headstart.transferability.rank import rank

WEIGHTS = {"linear_probe": 0.6, "knn": 0.39, "nleep": 0.01}


def small(name, seed, accuracy=None):
    card = Card("mobilenetv3_small_050", "nothing", n_classes=10, n_parameters=seed, accuracy=accuracy)
    return Source(name, card, Preprocessing((32, 32)), seed=seed)


@pytest.fixture(scope="module")
def shelf():
    """A network that sees, and two whose last tap says the same of every picture."""
    import torch

    def blinded(name, accuracy):
        network = small(name, 1).network()
        with torch.no_grad():
            network.conv_head.weight.zero_()
        return from_module(
            network, Preprocessing((32, 32)), name=name, card=Card("blind", "?", n_classes=10, accuracy=accuracy)
        )

    return [blinded("blind", 0.9), small("seeing", 7, 0.3), blinded("blind too", None)]


def test_the_source_that_knows_the_classes_is_first(photos, shelf):
    found = rank(photos, shelf, weights=WEIGHTS)
    assert found.best == "seeing" and found.sources[0].placement.rank == 1 and found.sources[0].placement.first > 0.9
    assert found.confirmed == 1 and found.sources[0].tap is not None and found.sources[1].tap is None
    assert found.picks == {"the largest": "seeing", "the most accurate on its own task": "blind"}
    assert "Start from seeing" in found.headline() and "on its own task would take blind" in found.headline()
    frame = found.to_frame()
    assert frame.index[0] == "seeing" and frame.loc["seeing", "macro-F1"] > 0.5
    assert (frame["low"] <= frame["combined"] + 1e-9).all() and (frame["combined"] <= frame["high"] + 1e-9).all()
    json.dumps(found.to_dict(), allow_nan=False)
    figure = found.plot()
    assert list(figure.data[0].y)[-1] == "seeing" and "best on 100%" in figure.layout.annotations[-1].text
    again = rank(photos, shelf, weights=WEIGHTS)
    assert [one.placement for one in again.sources] == [one.placement for one in found.sources]


def test_of_many_pictures_a_sample_is_looked_at_and_said(photos, shelf):
    found = rank(photos, shelf[:2], weights=WEIGHTS, most=30)
    assert found.n < 60 and found.n_left_out > 0 and "a stratified sample" in found.warnings[0]


def test_bad_input(photos, shelf):
    with pytest.raises(DataError, match="at least two sources"):
        rank(photos, shelf[:1], weights=WEIGHTS)
    with pytest.raises(DataError, match="no pictures to pass"):
        rank((np.random.default_rng(0).normal(size=(40, 3)), ["a", "b"] * 20), shelf, weights=WEIGHTS)


def test_by_default_the_weights_are_those_that_were_learned(photos, shelf):
    known = learned()
    assert set(known.weights) <= set(SCORES) and all(weight >= 0 for weight in known.weights.values())
    found = rank(photos, shelf[:2])
    assert found.weights == known.weights and found.about == known.about and found.best == "seeing"


def test_the_command_says_it_as_a_table_or_as_json(photos, shelf, monkeypatch, tmp_path):
    found = rank(photos, shelf, weights=WEIGHTS)
    monkeypatch.setenv("COLUMNS", "140")
    asked = {}
    monkeypatch.setattr(
        sys.modules["headstart.transferability.rank"], "rank",
        lambda data, sources, **options: asked.update(options, sources=sources) or found,
    )  # fmt: skip
    shown = CliRunner().invoke(app, ["rank", str(photos), "--source", "lite0", "--source", "lite1"]).stdout
    assert asked["sources"] == ["lite0", "lite1"] and asked["most"] == 1000
    assert found.headline() in " ".join(shown.split()) and "linear_probe" in shown and "best on" in shown
    said = json.loads(
        CliRunner().invoke(app, ["rank", str(photos), "--json", "--plot", str(tmp_path / "r.html")]).stdout
    )
    assert said["sources"][0]["name"] == "seeing" and said["seconds"]["seeing"] > 0 and asked["sources"] is None
    assert "<script src" not in (tmp_path / "r.html").read_text()

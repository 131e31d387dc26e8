"""The audit of a source on drawn pictures, from Python and from the command line."""

import json

import pytest
import torch
from typer.testing import CliRunner

from headstart.cli.app import app
from headstart.finetuning.similarity import source_similarity
from headstart.normalization import audit_source
from headstart.results import DataError
from headstart.sources import Preprocessing, Source, from_module
from headstart.sources.card import Card


@pytest.fixture(scope="module")
def source():
    return Source("small", Card("mobilenetv3_small_050", "nothing"), Preprocessing((64, 64)), seed=1)


def test_a_batch_of_one_is_an_error_where_maps_are_small_and_none_where_it_is_frozen(photos, source):
    found = audit_source(photos, source, batch_size=1)
    assert found.errors and all(finding.mend for finding in found.findings)
    network = source.network()
    stages = [name for name, _ in network.named_children()]
    frozen = audit_source(photos, source, batch_size=32, until="blocks.3")
    held = {layer.layer for layer in frozen.layers if layer.frozen}
    assert held and all(name.startswith(("bn1", "blocks.0", "blocks.1", "blocks.2")) for name in held) and stages


def test_the_pictures_are_prepared_as_the_engine_prepares_them(photos, source):
    """The shift of the first layer is that which ``source_similarity`` measures through the engine's own network."""
    from headstart.data import load_target

    target = load_target(photos)
    rows = target.rows("train", "val")
    network = source.network()
    torch.manual_seed(0)
    for module in network.modules():
        if hasattr(module, "running_mean") and module.running_mean is not None:
            module.running_mean.normal_()
    trained = from_module(network, source.preprocessing, name="trained")
    found = audit_source(target, trained, most=10_000)
    theirs = source_similarity(target.pictures.subset(rows), trained)
    first = found.layers[0]
    assert first.shift == pytest.approx(next(iter(theirs.shift.values())), rel=0.02)


def test_the_command(photos, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "150")
    options = ["audit", str(photos), "--batch-size", "1", "--most", "16"]
    shown = CliRunner().invoke(app, options).stdout
    assert "survives this batch size" in shown and "mend" in shown and "of 56 pictures were looked at" in shown
    plain = CliRunner().invoke(app, [*options, "--json", "--plot", str(tmp_path / "shift.html")])
    told = json.loads(plain.stdout)
    assert told["batch_size"] == 1 and len(told["layers"]) == 49
    assert "shift" in (tmp_path / "shift.html").read_text()


def test_a_table_has_nothing_to_audit(tmp_path):
    with pytest.raises(DataError, match="no pictures to pass"):
        audit_source(([[0.0], [1.0]] * 20, ["a", "b"] * 20))

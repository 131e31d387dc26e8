"""``fit(balance=...)``: decisions are moved, and are the same in the run, its files and its figures."""

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import headstart
from headstart.results import HeadstartError


def tail(n=2500, seed=0):
    """Features of three classes, 85, 11 and 4 in a hundred, that overlap."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.85, 0.11, 0.04])
    X = rng.normal(size=(n, 8)) + np.random.default_rng(9).normal(scale=0.4, size=(3, 8))[y]
    return X, np.array(["fine", "scratch", "crack"])[y]


@pytest.fixture(scope="module", params=["auto", "class-weights"])
def balanced(request, tmp_path_factory):
    X, y = tail()
    return headstart.fit((X, y), out=tmp_path_factory.mktemp("run") / "run", balance=request.param), X


def test_decisions_are_the_same_everywhere_and_better_than_the_most_probable_class(balanced):
    run, X = balanced
    table = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    offsets = np.array(run.info["model"]["offsets"])
    probabilities = table[[f"p({name})" for name in run.classes]].to_numpy()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    expected = np.array(run.classes)[(np.log(probabilities) + offsets).argmax(axis=1)]
    assert list(table["predicted"]) == list(expected)
    assert list(run.predict(X[table["id"].astype(int)])) == list(expected)
    assert list(run.table(table["id"], probabilities)["predicted"]) == list(expected)
    reached = f1_score(table["label"], table["predicted"], average="macro")
    assert run.metrics["macro_f1"]["value"] == pytest.approx(reached)
    plain = np.array(run.classes)[probabilities.argmax(axis=1)]
    assert (plain != expected).any() and reached > f1_score(table["label"], plain, average="macro")


def test_probabilities_stay_those_of_the_data(balanced):
    run, _ = balanced
    table = pd.read_csv(run.folder / "predictions.csv").query("split != 'test'")
    told = [table[f"p({name})"].mean() for name in run.classes]
    assert np.allclose(told, [(table["label"] == name).mean() for name in run.classes], atol=0.02)


def test_the_report_and_the_graph_say_how_it_is_decided(balanced):
    run, _ = balanced
    answer = run.info["decisions"]["Should the imbalance be corrected?"]
    assert answer["taken"] != "none" and len(answer["ways"]) >= 4
    assert "Should the imbalance be corrected?" in run.report.read_text()
    told = {entry.key: entry.value for entry in onnx.load(run.folder / "model.onnx").metadata_props}
    assert json.loads(told["offsets"]) == pytest.approx(run.info["model"]["offsets"])


def test_without_balance_nothing_changes(tmp_path):
    run = headstart.fit(tail(300), out=tmp_path / "run")
    assert run.info["model"]["offsets"] == [] and "Should the imbalance" not in run.report.read_text()


def test_after_a_bake_off_decisions_are_moved_and_the_model_stays(photos, tmp_path):
    options = {"strategy": "frozen", "backend": "torch", "input_fit": "crop"}
    run = headstart.fit(photos, out=tmp_path / "run", balance="logit-adjustment", **options)
    assert len(run.info["model"]["offsets"]) == 3
    assert run.info["decisions"]["Should the imbalance be corrected?"]["taken"] == "logit-adjustment"
    table = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    assert list(run.predict([photos / name for name in table["id"]])) == list(table["predicted"])


def test_bad_balance_is_said_before_any_work(photos, tmp_path):
    with pytest.raises(HeadstartError, match="no balance 'copies': choose auto, none"):
        headstart.fit(photos, out=tmp_path / "run", balance="copies")
    with pytest.raises(HeadstartError, match="without balance only"):
        headstart.fit(photos, out=tmp_path / "run", balance="auto", final=True)

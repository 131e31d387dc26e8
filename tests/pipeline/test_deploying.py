"""Calibration, costs, prevalence and losses in ``fit``: the same in the run and its files; refused where double."""

import dataclasses
import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

import headstart
from headstart.data.pictures import PictureSet
from headstart.data.splits import stratified_group_folds
from headstart.features.backends import Choice
from headstart.finetuning.pace import Schedule
from headstart.imbalance import network_correction, prior_correction
from headstart.pipeline.candidates import Bench
from headstart.pipeline.dear import FineTuning, Way
from headstart.pipeline.export import metadata, write_onnx
from headstart.pipeline.model import Model
from headstart.results import DataError, HeadstartError
from headstart.sources import get
from headstart.training import LogisticHead, SVMHead
from headstart.training.isotonic import fit_isotonic
from headstart.training.loop import Recipe
from headstart.training.temperature import sharpen


def two(n=420, seed=0):
    """Rare and usual rows that overlap."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.15
    return rng.normal(size=(n, 4)) + 1.1 * y[:, None] * np.array([1, 1, 0, 0]), np.where(y, "rare", "usual")


def graph(run, X):
    session = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"features": X.astype(np.float32)})[0], session.get_modelmeta().custom_metadata_map


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Return fit on the two classes, each set of options once."""
    X, y = two()
    runs = {}

    def make(**options):
        key = json.dumps(options, sort_keys=True)
        if key not in runs:
            runs[key] = headstart.fit((X, y), out=tmp_path_factory.mktemp("run") / "run", **options)
        return runs[key]

    return make


OPTIONS = [
    {"cost": "fn=10,fp=1"},
    {"cost": "fn=30,fp=1", "prevalence": "usual=0.9", "calibration": "isotonic"},
    {"calibration": "temperature", "prevalence": "0.01"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda found: " ".join(found))
def test_probabilities_and_decisions_are_the_same_everywhere(fitted, options):
    run = fitted(**options)
    X, _ = two()
    table = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    rows = table["id"].astype(int).to_numpy()
    told = table[[f"p({name})" for name in run.classes]].to_numpy()
    assert np.abs(run.predict_proba(X[rows]) - told).max() < 1e-4
    found, meta = graph(run, X[rows])
    assert np.abs(found - told).max() < 2e-4
    assert list(run.predict(X[rows])) == list(table["predicted"])
    assert list(run.table(table["id"], told)["predicted"]) == list(table["predicted"])
    model = run.info["model"]
    assert json.loads(meta.get("prior", "[]")) == model["prior"] and bool(model["prior"]) == ("prevalence" in options)
    assert json.loads(meta.get("cost", "[]")) == model["cost"] and bool(model["cost"]) == ("cost" in options)
    assert "What is decided where it is used?" in run.report.read_text()


def test_the_cost_says_from_which_probability_on(fitted):
    run = fitted(cost="fn=10,fp=1")
    table = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    assert ((table["p(rare)"] > 1 / 11) == (table["predicted"] == "rare")).all()
    answer = run.info["decisions"]["What is decided where it is used?"]
    assert answer["saved"]["low"] > 0 and answer["cost"][0] == [0.0, 10.0]  # "rare" comes first, and is the positive


def test_prevalence_corrects_what_the_plain_run_says(fitted):
    plain, run = fitted(cost="fn=10,fp=1"), fitted(calibration="temperature", prevalence="0.01")
    X, y = two()
    columns = pd.read_csv(plain.folder / "predictions.csv")
    share = (columns.query("split != 'test'")["label"] == "rare").mean()
    sharpness = run.info["decisions"]["Do the probabilities mean what they say?"]["sharpness"]
    expected = prior_correction(sharpen(plain.predict_proba(X), sharpness), [share, 1 - share], [0.01, 0.99])
    assert np.abs(run.predict_proba(X) - expected).max() < 1e-6
    assert run.predict_proba(X[y == "usual"])[:, 0].mean() < plain.predict_proba(X[y == "usual"])[:, 0].mean() / 5
    own = run.metrics["log_loss"]["value"]
    assert own == pytest.approx(plain.metrics["log_loss"]["value"], abs=0.05), (
        "the test part is judged at its own shares"
    )


def test_a_table_of_costs_for_more_classes(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    X = rng.normal(size=(120, 3)) + np.eye(3)[y]
    (tmp_path / "costs.csv").write_text(",b,a,c\na,1,0,1\nb,0,1,1\nc,20,20,0\n")
    run = headstart.fit((X, np.array(list("abc"))[y]), out=tmp_path / "run", cost=tmp_path / "costs.csv")
    assert run.info["model"]["cost"] == [[0, 1, 1], [1, 0, 1], [20, 20, 0]]
    told = run.predict_proba(X)
    assert list(run.predict(X)) == list(
        np.array(list("abc"))[(told @ np.array(run.info["model"]["cost"])).argmin(axis=1)]
    )
    assert (run.predict(X) == "c").mean() > (told.argmax(axis=1) == 2).mean() + 0.1
    text = (tmp_path / "run" / "report.html").read_text()
    assert "COSTS.csv" in text


def test_isotonic_goes_with_thresholds_and_shows_its_curves(fitted):
    run = fitted(calibration="isotonic", balance="thresholds")
    X, _ = two()
    table = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    assert list(run.predict(X[table["id"].astype(int)])) == list(table["predicted"])
    page = run.report.read_text()
    for text in ("Do the probabilities mean what they say?", "prevalence", "average precision", "area 0."):
        assert text in page, text
    assert run.info["decisions"]["Do the probabilities mean what they say?"]["taken"] == "isotonic"


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("head", [LogisticHead(), SVMHead(kernel="rbf")], ids=["logistic", "svm"])
def test_the_graph_of_a_calibration_is_numpys(tmp_path, head, k):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 5)), rng.integers(0, k, 150)
    model = Model((), head.fit(X + 2 * np.eye(5)[y], y))
    shifted = X + 1.3 * np.eye(5)[y]
    model = dataclasses.replace(
        model, calibration=fit_isotonic(y, model.predict_proba(shifted)).scaled(np.arange(1, k + 1))
    )
    write_onnx(tmp_path / "m.onnx", model, metadata(list("abc")[:k], model, list("vwxyz")))
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": shifted.astype(np.float32)})
    assert np.abs(found - model.predict_proba(shifted)).max() < 5e-4 and np.allclose(found.sum(axis=1), 1, atol=1e-6)


BAD = [
    ({"calibration": "platt"}, "no calibration 'platt': choose auto, none, temperature, isotonic"),
    ({"calibration": "auto", "balance": "smote"}, "balance='smote' trains another head"),
    ({"cost": "fn=10,fp=1", "balance": "auto"}, "cost says what is decided and so does balance='auto'"),
    ({"prevalence": 0.1, "balance": "thresholds"}, "prevalence says what is decided and so does balance="),
    ({"cost": "fn=10;fp=1"}, r"'fn=10;fp=1' cannot be read"),
    ({"cost": "costs.csv"}, "no cost 'costs.csv': write it like 'fn=10,fp=1'"),
    ({"cost": "fn=1,fp=-1"}, "let each mistake cost more"),
    ({"prevalence": "often=0.1"}, "there is no class 'often'; there are rare, usual"),
    ({"loss": "focal"}, "are for networks: take strategy='auto', or for a head"),
    ({"loss": "hinge", "strategy": "auto"}, "no loss 'hinge'"),
    ({"loss": "focal", "strategy": "auto", "prevalence": 0.1}, "say what is decided, and so do cost"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_what_does_not_go_together_is_said_before_any_work(tmp_path, options, message):
    with pytest.raises(HeadstartError, match=message):
        headstart.fit(two(80), out=tmp_path / "run", **options)


def test_a_table_of_costs_that_does_not_fit_is_said(tmp_path):
    for text, message in (
        (",rare,odd\nrare,0,1\nodd,1,0\n", "are not those of the data, see 'odd'"),
        (",rare,usual\nrare,0,much\nusual,1,0\n", "a cell that is no number"),
        (",rare,usual\nrare,0\nusual,1,0\n", "a row too short"),
    ):
        (tmp_path / "costs.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            headstart.fit(two(80), out=tmp_path / "run", cost=tmp_path / "costs.csv")
        for file in (tmp_path / "run").glob("*"):
            file.unlink()


Y = np.repeat([0, 1], [24, 8])


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """Return fine-tuning of a small network with random weights, by loss and batches."""
    pictures = PictureSet(list(np.random.default_rng(0).integers(0, 255, (32, 32, 32, 3)).astype(np.uint8)))
    folds = stratified_group_folds(Y, np.arange(32), n_folds=2, random_state=0)
    plan = Schedule(("layer4",), 1, (1,), (1,), (1,), 0.0, 0.0)
    source = get("timm:resnet10t", pretrained=False)

    def make(loss="cross-entropy", batches="natural"):
        return FineTuning(
            source, pictures, lambda rows: (np.zeros((2, 512)), np.zeros(2)), Bench(Y, np.arange(32), folds, 2, 0),
            plan, Choice("torch", "cpu", ""), folder=tmp_path_factory.mktemp("arm"), cache_size=2**28, rates=(1e-3,),
            recipe=Recipe(batch_size=8), correction=network_correction(loss, batches),
        )  # fmt: skip

    return make


@pytest.mark.parametrize(("loss", "batches"), [("logit-adjustment", "natural"), ("cross-entropy", "balanced")])
def test_what_a_network_says_is_moved_back_to_the_shares_of_the_data(arm, monkeypatch, loss, batches):
    """The network that is made and the rows that are predicted say the same, each by its own way."""
    from headstart.pipeline import dear

    one = arm(loss, batches)
    seen = {}
    plain = dear.fine_tune

    def noted(*arguments, **options):
        seen.update(options)
        return plain(*arguments, **options)

    monkeypatch.setattr(dear, "fine_tune", noted)
    monkeypatch.setattr(dear, "predict", lambda network, store, rows, device: np.full((len(rows), 2), 0.5))
    way = Way("layer4", True, 1e-3)
    train, test = one.bench.folds[0]
    found = one._probabilities(way, 0, 1)
    counts = np.bincount(Y[train])
    assert found == pytest.approx(np.tile(counts / counts.sum(), (len(test), 1))), "equal is what it was trained for"
    if batches == "balanced":
        assert seen["loss"] is None and seen["sampler"].draws(0).tolist() == [len(train) // 2] * 2
    else:
        expected = torch.nn.functional.cross_entropy(
            torch.tensor(np.log(counts / counts.sum()))[None], torch.tensor([1])
        )
        smooth = dataclasses.replace(seen["loss"].spec, label_smoothing=0.0)
        assert float(type(seen["loss"])(smooth)(torch.zeros(1, 2), torch.tensor([1]))) == pytest.approx(float(expected))
    model = one._make(way, 1, 1.0)
    shift = np.log(np.array([24, 8]) / 32) - np.log(0.5)
    network = model.parts[0][0].network()
    bias = model.head.to_arrays()["bias"]
    trained = network.get_classifier().bias.detach().numpy()
    assert bias[1] - bias[0] == pytest.approx(float(trained[1] - trained[0]) + shift[1] - shift[0], abs=1e-5)


def test_a_loss_beside_batches_is_refused_with_the_measured_damage():
    from headstart.pipeline.deploying import checked_network
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.plan import Settings

    X, y = two(400)
    target = headstart.load_target((X, y))
    settings = Settings(strategy="auto", loss="class-balanced", batches="balanced")
    found = Findings(target, settings, headstart.profile(target))
    development = target.rows("train", "val")
    with pytest.raises(
        DataError, match=r"batches='balanced' already leaves .* measured here, balanced accuracy is 0\."
    ):
        checked_network(found, X[development])
    found.settings = Settings(strategy="auto", loss="focal", batches="balanced")
    assert checked_network(found, X[development]).text == "loss focal, balanced batches"

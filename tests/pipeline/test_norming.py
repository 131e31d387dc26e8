"""Statistics of source and target in a fit: the choice, what is exported, and fine-tuning with a batch of one."""

import copy
import dataclasses
import json

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import headstart
from headstart.data.pictures import PictureSet
from headstart.data.splits import stratified_group_folds
from headstart.features.activations import pass_key
from headstart.features.backends import Choice
from headstart.features.cut import CutActivations
from headstart.finetuning.finetune import fine_tune
from headstart.finetuning.pace import Schedule
from headstart.finetuning.top import Top
from headstart.normalization.target import prepared, recalibrate_source
from headstart.pipeline.candidates import Bench
from headstart.pipeline.dear import FineTuning
from headstart.pipeline.export import write_onnx, write_weights
from headstart.pipeline.model import Model
from headstart.pipeline.norm_ways import accumulated, checked, regroup_above
from headstart.pipeline.writing import described
from headstart.results import HeadstartError
from headstart.sources import Preprocessing, Source, get
from headstart.sources.card import Card
from headstart.sources.catalogue import _run_part
from headstart.training.loop import Recipe

N, K = 12, 3
Y = np.arange(N) % K
SMALL = Source("small", Card("mobilenetv3_small_050", "nothing", n_classes=10), Preprocessing((32, 32)), seed=1)
TORCH = Choice("torch", "cpu", "")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 60, (N, 40, 50, 3)) + 60 * Y[:, None, None, None]
    return PictureSet(list(shades.astype(np.uint8)))


def statistics(network):
    return {name: tensor for name, tensor in network.state_dict().items() if "running" in name}


def test_the_targets_statistics_are_those_of_torch_in_train_mode_over_all_pictures_at_once(pictures):
    found = recalibrate_source(pictures, SMALL)
    network = SMALL.network().train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
        if isinstance(module, nn.Dropout):
            module.eval()
    p = SMALL.preprocessing
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (p.mean, p.std))
    x = torch.from_numpy(prepared(pictures, range(N), p)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        network((x - mean) / std)
    ours, theirs = statistics(found.network()), statistics(network)
    assert ours.keys() == theirs.keys() and len(ours) > 60
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5) for name in ours)
    weights = {name: tensor for name, tensor in SMALL.network().state_dict().items() if name not in ours}
    assert all(torch.equal(found.network().state_dict()[name], tensor) for name, tensor in weights.items())


def test_another_state_of_the_statistics_is_another_pass_and_another_source(pictures):
    one, again, other = (recalibrate_source(pictures.subset(rows), SMALL) for rows in (Y >= 0, Y >= 0, Y > 0))
    assert one == again and one.fingerprint == again.fingerprint
    assert len({source.fingerprint for source in (SMALL, one, other)}) == 3
    keys = [pass_key(source, TORCH)["batchnorm"] for source in (SMALL, one, other)]
    assert keys[0] == "source" and len(set(keys)) == 3
    assert one.as_trained == SMALL and one.as_trained.fingerprint == SMALL.fingerprint


@pytest.fixture(scope="module")
def spoiled():
    """Lite0 with statistics so far from what comes in that all pictures are one to it."""
    source = get("lite0")
    network = source.network()
    with torch.no_grad():
        for name, tensor in statistics(network).items():
            tensor.fill_(1.0 if "var" in name else 1e3)  # all below zero, where the activations end
    smaller = dataclasses.replace(source.preprocessing, size=(64, 64))
    return dataclasses.replace(source, preprocessing=smaller, weights=None, build=lambda: copy.deepcopy(network))


def test_auto_takes_the_targets_statistics_where_the_sources_are_of_no_use_and_exports_them(photos, spoiled, tmp_path):
    run = headstart.fit(photos, out=tmp_path / "run", source=spoiled, norm="auto", backend="torch", input_fit="squash")
    answers = run.info["decisions"]
    found = answers["Which statistics do the normalization layers keep?"]
    assert found["taken"] == "recalibrated" and found["gain"]["low"] > 0 and found["n"] == 56
    audit = next(answer for question, answer in answers.items() if "this batch size" in question)
    assert audit["layers"][0]["frozen"] and audit["layers"][0]["shift"] > 100
    page = run.report.read_text()
    assert "statistics of these pictures are from the source" in page and "Statistics of the target." in page
    network = run.model.parts[0][0].network()
    held = statistics(network)
    assert held["bn1.running_mean"].max() < 1e2, "the file holds the target's"
    files = sorted(photos.rglob("*.png"))[:6]
    batch = prepared(PictureSet(files), range(6), run.preprocessing)
    session = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    graph = session.run(None, {"pictures": batch})[0]
    last = run._torch_engine("cpu")(batch)[-1].astype(float)
    assert np.abs(run.model.predict_proba(last) - graph).max() < 1e-4
    assert np.abs(run.predict_proba(files) - graph).max() < 1e-4


def test_a_batch_of_one_learns_what_a_whole_batch_does(pictures):
    """Nothing looks at the rest of the batch: gradients of single pictures add up to that of all of them."""
    probe = np.random.default_rng(0).normal(scale=0.01, size=(K, 1024)), np.zeros(K)
    ends = []
    for size in (1, 4):
        store = CutActivations(pictures, SMALL, "blocks.5", TORCH, half=False)
        recipe = Recipe(epochs=1, batch_size=size, accumulate=4 // size, label_smoothing=0.0)
        done = fine_tune(store, Y, np.arange(N), probe, recipe)
        ends.append(done.network.state_dict())
    changed = [name for name, tensor in SMALL.network().state_dict().items() if name.startswith("blocks.5")]
    for name in changed:
        assert torch.allclose(ends[0][name], ends[1][name], atol=2e-5), name
    assert not torch.equal(ends[0]["blocks.5.0.conv.weight"], SMALL.network().state_dict()["blocks.5.0.conv.weight"])


@pytest.fixture
def made(pictures, tmp_path):
    """What fine-tuning with group normalization and a batch of one makes."""
    bench = Bench(Y, np.arange(N), stratified_group_folds(Y, np.arange(N), n_folds=2, random_state=0), K, 0)
    plan = Schedule(("blocks.5",), 0, (1,), (1,), (1,), 0.0, 0.0)
    recipe = Recipe(batch_size=1, accumulate=accumulated(1))
    arm = FineTuning(
        SMALL, pictures, lambda rows: (np.zeros((K, 1024)), np.zeros(K)), bench, plan, TORCH, folder=tmp_path / "work",
        cache_size=2**30, rates=(3e-4,), recipe=recipe, norms=("group",),
    )  # fmt: skip
    (found,) = arm.run()
    assert "group normalization, batches of 1, 32 a step" in found.detail
    assert np.isfinite(found.probabilities[bench.folds[1][1]]).all()
    return found.make()


def test_groups_stand_above_the_cut_alone_and_the_files_give_the_network_back(made, pictures, tmp_path):
    source = made.parts[0][0]
    assert source.groups == (("blocks.5.0.bn1", 32),)
    names = write_weights(tmp_path / "model.safetensors", made, {})
    write_onnx(tmp_path / "model.onnx", made, {})
    told = json.loads(json.dumps(described(made, names)))
    run = {"model": {**told, "classes": ["a", "b", "c"]}, "data": {"name": "shades"}}
    again, taps = _run_part(tmp_path, run, told["parts"][0])
    assert again.groups == source.groups
    x, network = torch.randn(2, 3, 32, 32), source.network()
    with torch.no_grad():
        last = network.forward_head(network.forward_features(x), pre_logits=True).numpy()
        assert np.allclose(again.network()(x).softmax(1), made.head.predict_proba(last), atol=1e-5)
    batch = prepared(pictures, range(4), SMALL.preprocessing)
    graph = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (SMALL.preprocessing.mean, SMALL.preprocessing.std))
    with torch.no_grad():
        logits = again.network()((torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - mean) / std)
    assert np.abs(graph.run(None, {"pictures": batch})[0] - logits.softmax(1).numpy()).max() < 1e-5
    assert isinstance(made, Model) and taps == ("last",)


def test_what_does_not_go_is_said(photos):
    with pytest.raises(HeadstartError, match="no norm 'layer': choose auto, frozen, source"):
        checked("layer", 32, strategy="auto")
    with pytest.raises(HeadstartError, match="batch_size=0: give at least one"):
        checked("source", 0, strategy="auto")
    with pytest.raises(HeadstartError, match=r"norm='batch' with batch_size=8: .* give 16 or more"):
        checked("batch", 8, strategy="auto")
    with pytest.raises(HeadstartError, match="norm='group' is a way to fine-tune: give strategy='auto'"):
        headstart.fit(photos, norm="group")
    assert checked("frozen", 1, strategy="linear") == "source"
    table = [[0.0, 1.0], [1.0, 0.0]] * 20, ["a", "b"] * 20
    with pytest.raises(HeadstartError, match="a table of features has no normalization layers"):
        headstart.fit(table, norm="recalibrated")
    with pytest.raises(HeadstartError, match="scaling='robust' is for plain features"):
        headstart.fit(photos, scaling="robust")
    with pytest.raises(HeadstartError, match="no scaling 'log'"):
        headstart.fit(table, scaling="log")
    with pytest.raises(HeadstartError, match="goes without balance only"):
        headstart.fit(table, scaling="robust", balance="auto")


def test_where_no_layer_above_the_cut_has_statistics_groups_change_nothing(pictures):
    store = CutActivations(pictures, SMALL, "conv_head", TORCH)
    network = SMALL.network()
    assert (
        regroup_above(network, Top(network, "conv_head", SMALL.preprocessing), store, np.arange(N), matched=True) == ()
    )


@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_a_scaled_table_predicts_alike_from_memory_and_from_the_graph(scaling, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = np.exp(3 * rng.normal(size=(80, 3)) + 2 * y[:, None])
    run = headstart.fit((X, y.astype(str)), out=tmp_path / "run", scaling=scaling)
    found = run.predict_proba(X)
    graph = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert np.abs(graph.run(None, {"features": X.astype(np.float32)})[0] - found).max() < 1e-5
    assert run.info["settings"]["scaling"] == scaling
    assert np.abs(headstart.load(run.folder).predict_proba(X) - found).max() == 0
    assert "rank" in run.report.read_text() or scaling == "robust"

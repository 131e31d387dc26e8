"""Every kind of model: what a run predicts from its files is what the model said in memory."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_wine

import headstart
from headstart.data import PictureSet
from headstart.data.pictures import open_picture
from headstart.features.activations import compute
from headstart.features.preprocess import prepare, shorter_side
from headstart.pipeline import sheet
from headstart.pipeline.export import metadata, write_onnx, write_weights
from headstart.pipeline.model import Model
from headstart.pipeline.sheet import Sheet
from headstart.pipeline.writing import described
from headstart.results import DataError, RunError, SourceError
from headstart.sources import Preprocessing, from_module, get
from headstart.training import LogisticHead, SVMHead

CLASSES = ("disc", "quer balken", "環")


def finished(folder: Path, model: Model, feature_names=()) -> headstart.Run:
    """Write a run with nothing but its model, and load it."""
    text = metadata(CLASSES, model, feature_names)
    write_onnx(folder / "model.onnx", model, text)
    names = write_weights(folder / "model.safetensors", model, text)
    info = {"classes": CLASSES, "feature_names": feature_names, **described(model, names)}
    (folder / "run.json").write_text(json.dumps({"headline": "", "data": {"name": "drawn"}, "model": info}))
    return headstart.load(folder)


def perturbed(name="lite0, fine-tuned", seed=0, **changes):
    """Return Lite0 as training would leave it: every weight moved a little."""
    source = get("lite0")
    network = source.network()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + 0.05 * torch.randn_like(parameter))
    preprocessing = dataclasses.replace(source.preprocessing, **changes)
    return from_module(network, preprocessing, name=name, card=source.card)


def parts(*pairs):
    return lambda: tuple((get(source) if isinstance(source, str) else source(), taps) for source, taps in pairs)


KINDS = {
    "logistic on the last tap": (parts(("lite0", ("last",))), LogisticHead(C=0.01)),
    "logistic on three taps": (parts(("lite0", ("blocks.2", "blocks.5", "last"))), LogisticHead(C=0.01)),
    "logistic on two sources": (parts(("lite0", ("last",)), ("lite1", ("last",))), LogisticHead(C=0.01)),
    "linear SVM on a middle tap": (parts(("lite0", ("blocks.4",))), SVMHead(0.01)),
    "RBF SVM on the last tap": (parts(("lite0", ("last",))), SVMHead(10.0, kernel="rbf", gamma_factor=0.5)),
    "a fine-tuned network": (parts((perturbed, ("last",))), LogisticHead(C=0.01)),
    "a fine-tuned network beside its source": (
        parts(("lite0", ("last",)), (lambda: perturbed("lite0", size=(192, 160), fit="pad"), ("blocks.6", "last"))),
        LogisticHead(C=0.01),
    ),
}


def read_by_onnx_runtime(run, files):
    """Return what ONNX Runtime makes of inputs that were prepared one by one."""
    session = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = {
        value.name: np.stack([prepare(open_picture(file, shorter_side(p)), p) for file in files])
        for value, p in zip(session.get_inputs(), [s.preprocessing for s, _ in run.model.parts], strict=True)
    }
    return session.run(None, inputs)[0]


def check(files, y, built, head, folder):
    """Fit, write, load, predict in every way; return the run and what the model said."""
    pictures = PictureSet(files)
    activations = [compute(pictures, source, backend="openvino") for source, _ in built]
    X = Model(built, head).concatenate(activations)
    model = Model(built, head.fit(X, y))
    expected = model.predict_proba(X)
    run = finished(folder, model)
    assert (run.model.kind, [taps for _, taps in run.model.parts]) == (model.kind, [taps for _, taps in built])
    assert np.abs(run.model.predict_proba(X) - expected).max() < 1e-5
    assert np.abs(run.predict_proba(files) - expected).max() < 1e-4
    assert np.abs(run.predict_proba(files, device="cpu:0") - expected).max() < 1e-4  # PyTorch
    assert np.abs(read_by_onnx_runtime(run, files) - expected).max() < 1e-4
    return run, expected


@pytest.mark.parametrize("kind", KINDS)
def test_written_and_loaded_it_predicts_the_same(kind, photos, tmp_path):
    files = [str(file) for name in CLASSES for file in sorted((photos / name).iterdir())[:8]]
    y = np.repeat(np.arange(3), 8)
    make, head = KINDS[kind]
    run, expected = check(files, y, make(), head, tmp_path)
    assert (expected.argmax(axis=1) == y).mean() > 0.8

    # A row does not depend on its neighbours, readable or not.
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    mixed, failed = run.predict_pictures(PictureSet([files[20], str(broken), *files[3:9]]))
    assert list(failed) == [1] and np.isnan(mixed[1]).all()
    whole = run.predict_proba(files)
    assert np.array_equal(mixed[[0, 2, 3, 4, 5, 6, 7]], whole[[20, 3, 4, 5, 6, 7, 8]])
    with pytest.raises(DataError, match="picture 1 of 2"):
        run.predict_proba([files[0], broken])
    assert run.predict_proba([]).shape == (0, 3)

    # It is a source: its first network, as it was.
    source = get(tmp_path)
    assert "drawn" in source.card.trained_on and source.preprocessing == run.preprocessing
    before = make()[0][0].network().state_dict()
    after = source.network().state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("classifier"))
    assert source.card.n_classes == (3 if (len(run.model.parts), run.model.parts[0][1]) == (1, ("last",))
                                     and run.model.kind != "RBF SVM" else 1000)  # fmt: skip


@pytest.mark.parametrize("kind", ["logistic on two sources", "RBF SVM on the last tap"])
def test_real_photos(kind, shared, tmp_path):
    folders = sorted((shared / "data/clothing/train").iterdir())[:3]
    files = [str(file) for folder in folders for file in sorted(folder.glob("*.jpg"))[:6]]
    make, head = KINDS[kind]
    check(files, np.repeat(np.arange(3), 6), make(), head, tmp_path)


@pytest.mark.parametrize("head", [LogisticHead(), SVMHead(0.1), SVMHead(3.0, kernel="rbf")], ids=repr)
def test_a_table_of_features(head, tmp_path):
    X, y = load_wine(return_X_y=True)
    names = [f"x{k}" for k in range(13)]
    model = Model((), head.fit(X, y))
    run = finished(tmp_path, model, names)
    expected = model.predict_proba(X)
    assert np.abs(run.predict_proba(X) - expected).max() < 1e-5
    shuffled = pd.DataFrame(X, columns=names)[names[::-1]]
    assert np.abs(run.predict_proba(shuffled) - expected).max() < 1e-5
    assert np.abs(run.predict_proba(X[5:6]) - run.predict_proba(X)[5:6]).max() < 1e-12
    assert run.predict_proba(X[:0]).shape == (0, 3)
    assert run.model.text == f"{model.kind} on the features"
    with pytest.raises(DataError, match="13 features"):
        run.predict(X[:, 1:])
    with pytest.raises(DataError, match="row 1 "):
        run.predict_proba(np.where(np.arange(178)[:, None] == 1, np.nan, X))
    with pytest.raises(SourceError, match="no network"):
        get(tmp_path)


def test_a_network_that_timm_does_not_know_predicts_on_the_cpu(photos, tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential()
    module.add_module("part0", torch.nn.Conv2d(3, 4, 3, stride=2))
    module.add_module("part1", torch.nn.Conv2d(4, 8, 3, stride=2))
    module.add_module("pool", torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    module.add_module("out", torch.nn.Linear(8, 3))
    source = from_module(module, Preprocessing((32, 32)), name="mine")
    files = [str(file) for file in sorted(photos.rglob("*.png"))]
    X = compute(PictureSet(files), source)["last"]
    arrays = {"weight": module.out.weight.detach().numpy(), "bias": module.out.bias.detach().numpy()}
    model = Model(((source, ("last",)),), LogisticHead.from_arrays(arrays))  # its own classifier is the head
    run = finished(tmp_path, model)
    expected = model.predict_proba(X)
    x = np.stack([prepare(Image.open(file).convert("RGB"), source.preprocessing) for file in files])
    x = (x / 255 - source.preprocessing.mean) / source.preprocessing.std
    with torch.inference_mode():
        logits = module(torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2))
    assert np.abs(torch.softmax(logits, 1).numpy() - expected).max() < 1e-5
    assert np.abs(run.predict_proba(files) - expected).max() < 1e-4
    with pytest.raises(SourceError, match="'Sequential'"):
        run.predict_proba(files, device="cpu:0")


def test_each_source_sees_what_it_would_see_alone_from_one_decode(tmp_path, monkeypatch):
    """At 1,040 pixels the JPEG decoder may halve a picture for an input of 224 pixels, but not for one of 260."""
    rng = np.random.default_rng(0)
    small, large = (
        [get(name).preprocessing for name in names] for names in (("lite0", "lite1"), ("lite2", "lite0", "lite1"))
    )
    opened = []
    monkeypatch.setattr(sheet, "open_picture", lambda *a: opened.append(a) or open_picture(*a))
    for suffix, side, chosen, decodes in (
        ("jpg", 700, small, 1), ("jpg", 1040, large, 2), ("png", 1040, large, 1), ("jpg", 5000, small, 1),
    ):  # fmt: skip
        file = tmp_path / f"{side}.{suffix}"
        Image.fromarray(rng.integers(0, 256, (side, side + 9, 3), np.uint8)).save(file)
        opened.clear()
        drawn = Sheet(chosen)
        picture = drawn.of(PictureSet([str(file)])).open(0)
        found = drawn.split(prepare(picture, drawn.preprocessing)[None])
        for (part,), p in zip(found, chosen, strict=True):
            assert np.array_equal(part, prepare(open_picture(str(file), shorter_side(p)), p))
        assert len(opened) == decodes, (suffix, side)


def test_a_run_of_another_version_is_one_line(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"model": {"classes": ["a", "b"]}}))
    with pytest.raises(RunError, match="another version"):
        headstart.load(tmp_path)
    with pytest.raises(SourceError, match="another version"):
        get(tmp_path)

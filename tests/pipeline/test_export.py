"""The exported files, each run by a library that is not ours."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from headstart.features.graph import graph_file
from headstart.pipeline.export import metadata, softmax_layer, write_onnx, write_weights
from headstart.sources import get


@pytest.mark.parametrize("k", [2, 5])
def test_softmax_layer_is_the_logistic_model(k):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 6)), rng.integers(0, k, 200)
    model = LogisticRegression().fit(X, y)
    weight, bias = softmax_layer(np.asfortranarray(model.coef_), model.intercept_)
    assert weight.flags.c_contiguous
    assert weight.shape == (k, 6) and bias.shape == (k,)
    logits = torch.tensor(X @ weight.T + bias)
    assert np.allclose(torch.softmax(logits, 1).numpy(), model.predict_proba(X), atol=1e-6)


@pytest.fixture(scope="module")
def layer():
    rng = np.random.default_rng(1)
    return (rng.normal(size=(3, 1280)) / 30).astype(np.float32), np.array([0.1, -0.2, 0.0], np.float32)


def test_weights_are_timms_own_state_dict_and_the_graph_agrees(tmp_path, layer):
    source = get("lite0")
    text = metadata(["a", "ß", "環"], source)
    names = write_weights(tmp_path / "m.safetensors", source, layer, text)
    write_onnx(tmp_path / "m.onnx", graph_file(source), layer, text)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()
    network.load_state_dict(load_file(tmp_path / "m.safetensors"), strict=True)
    assert names == ("classifier.weight", "classifier.bias")

    pictures = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    x = (torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = torch.softmax(network(x), 1).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": pictures})
    assert np.abs(found - expected).max() < 1e-5
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"]) == ["a", "ß", "環"]
    assert json.loads(properties["preprocessing"])["size"] == [224, 224]
    stored = onnx.load(tmp_path / "m.onnx")
    assert [output.name for output in stored.graph.output] == ["probabilities"]


def test_a_table_of_features_has_a_graph_too(tmp_path):
    rng = np.random.default_rng(0)
    layer = rng.normal(size=(4, 7)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    write_onnx(tmp_path / "m.onnx", None, layer, metadata(list("abcd"), None, ["x"] * 7))
    X = rng.normal(size=(5, 7)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": X})
    assert np.allclose(found, torch.softmax(torch.tensor(X @ layer[0].T + layer[1]), 1).numpy(), atol=1e-6)


def test_a_head_that_is_no_layer_of_the_network_stands_beside_it(tmp_path):
    source = get("timm:resnet10t", pretrained=False)
    layer = np.zeros((3, 64), np.float32), np.zeros(3, np.float32)
    names = write_weights(tmp_path / "m.safetensors", source, layer, {})
    assert names == ("headstart.head.weight", "headstart.head.bias")
    from headstart.sources.weights import read_state_dict

    assert read_state_dict(tmp_path / "m.safetensors").keys() == source.network().state_dict().keys()

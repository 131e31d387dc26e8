"""The exported files, each run by a library that is not ours."""

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from safetensors.torch import load_file
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.datasets import load_wine

from headstart.pipeline.export import metadata, write_onnx, write_weights
from headstart.pipeline.model import Model
from headstart.results import DataError
from headstart.sources import get
from headstart.sources.weights import read_state_dict
from headstart.training import LogisticHead, SVMHead


def linear(d, k=3, seed=1):
    rng = np.random.default_rng(seed)
    arrays = {"weight": np.asfortranarray(rng.normal(size=(k, d)) / np.sqrt(d)), "bias": rng.normal(size=k) / 9}
    return LogisticHead.from_arrays(arrays)


def on(name, *taps, head=None, **more):
    source = get(name, **more)
    return Model(((source, taps),), head or linear(1280))


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_weights_are_timms_own_state_dict_and_the_graph_agrees(tmp_path):
    model = on("lite0", "last")
    text = metadata(["a", "ß", "環"], model)
    names = write_weights(tmp_path / "m.safetensors", model, text)
    write_onnx(tmp_path / "m.onnx", model, text)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()
    network.load_state_dict(load_file(tmp_path / "m.safetensors"), strict=True)
    assert names == {"weight": "classifier.weight", "bias": "classifier.bias"}

    pictures = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    x = (torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = torch.softmax(network(x), 1).numpy()
    exported = session(tmp_path / "m.onnx")
    (found,) = exported.run(None, {"pictures": pictures})
    assert np.abs(found - expected).max() < 1e-5
    properties = exported.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"]) == ["a", "ß", "環"]
    assert json.loads(properties["preprocessing"])["size"] == [224, 224]
    assert properties["model"] == "logistic on lite0 (last)"
    stored = onnx.load(tmp_path / "m.onnx")
    assert [output.name for output in stored.graph.output] == ["probabilities"]


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(
    "head", [LogisticHead(), SVMHead(0.1), SVMHead(3, kernel="rbf"), SVMHead(3, kernel="rbf", n_components=30)]
)
def test_a_table_of_features_has_a_graph_too(tmp_path, head, k):
    X, y = load_wine(return_X_y=True)
    X, y = X[y < k].astype(np.float32), y[y < k]
    model = Model((), head.fit(X, y))
    write_onnx(tmp_path / "m.onnx", model, metadata(list("abc"[:k]), model, ["x"] * 13))
    (found,) = session(tmp_path / "m.onnx").run(None, {"features": X})
    arrays = model.head.to_arrays()
    inner = X
    if "landmarks" in arrays:
        inner = np.exp(-cdist((X - arrays["centre"]) * arrays["scale"], arrays["landmarks"], "sqeuclidean"))
    assert np.abs(found - softmax(inner @ arrays["weight"].T + arrays["bias"], axis=1)).max() < 2e-5


def test_a_head_that_is_no_layer_of_the_network_stands_beside_it(tmp_path):
    head = SVMHead(kernel="rbf").fit(np.random.default_rng(0).normal(size=(20, 1280)), np.arange(20) % 2)
    for model in (
        on("timm:resnet10t", "last", pretrained=False, head=linear(64)),  # its classifier takes 512 features
        on("lite0", "last", head=head),
        on("lite0", "blocks.1", "last", head=linear(1296)),
    ):
        names = write_weights(tmp_path / "m.safetensors", model, {})
        assert names == {array: f"headstart.head.{array}" for array in model.head.to_arrays()}
        network = model.parts[0][0].network().state_dict()
        found = read_state_dict(tmp_path / "m.safetensors")
        assert found.keys() == network.keys()
        assert all(torch.equal(found[name], network[name]) for name in network)


def test_several_networks_stand_in_one_file_and_one_graph(tmp_path):
    first, second = get("timm:resnet10t", pretrained=False), get("timm:resnet10t", pretrained=False, seed=1)
    model = Model(((first, ("layer2", "last")), (second, ("layer3",))), linear(64 + 512 + 128))
    assert model.names == ("timm:resnet10t", "timm:resnet10t 2")
    assert model.text == "logistic on timm:resnet10t (layer2, last) and timm:resnet10t (layer3)"
    text = metadata(list("abc"), model)
    write_weights(tmp_path / "m.safetensors", model, text)
    write_onnx(tmp_path / "m.onnx", model, text)
    stored = load_file(tmp_path / "m.safetensors")
    for source, prefix in ((first, ""), (second, "headstart.timm:resnet10t 2.")):
        assert all(torch.equal(stored[prefix + name], value) for name, value in source.network().state_dict().items())
    exported = session(tmp_path / "m.onnx")
    assert [value.name for value in exported.get_inputs()] == ["pictures.timm:resnet10t", "pictures.timm:resnet10t 2"]
    parts = json.loads(exported.get_modelmeta().custom_metadata_map["parts"])
    assert parts["pictures.timm:resnet10t 2"]["architecture"] == "resnet10t"


def test_no_two_parts_share_a_name_and_none_is_the_head():
    sources = [dataclasses.replace(get("lite0"), name=name) for name in ("a", "head", "a", "a 2", "b.c")]
    names = Model(tuple((source, ("last",)) for source in sources), linear(5 * 1280)).names
    assert names == ("a", "head 2", "a 2", "a 2 2", "b_c")


def test_a_head_that_does_not_fit_the_taps_is_one_line(tmp_path):
    for model, message in (
        (on("lite0", "blocks.1", "last"), r"1,280 features.*blocks\.1 16 \+ last 1,280"),
        (Model(((get("lite0"), ("last",)), (get("lite1"), ("last",))), linear(1280)), "lite1/last 1,280"),
        (on("timm:vit_tiny_patch16_224", "blocks.3", "last", pretrained=False), r"blocks\.3 192 \+ last 192"),
        (on("lite0", "blocks.99"), r"'lite0' has no tap 'blocks\.99'"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            write_onnx(tmp_path / "m.onnx", model, {})
        assert "\n" not in str(caught.value) and not (tmp_path / "m.onnx").exists()

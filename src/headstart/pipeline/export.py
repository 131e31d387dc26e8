"""A finished model as files that need no Headstart: safetensors that timm loads, and one ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results.files import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.sources import Source

PROBABILITIES = "probabilities"
FEATURES = "features"
HEAD = "headstart.head."
Linear = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


def softmax_layer(coefficients: NDArray[np.float64], intercepts: NDArray[np.float64]) -> Linear:
    """Return weight (k, d) and bias (k,) whose softmax gives a logistic model's probabilities.

    A binary model has one row, the log-odds of the second class; it becomes two rows, the first of them zero.
    """
    weight, bias = np.atleast_2d(coefficients), np.atleast_1d(intercepts)
    if len(weight) == 1:
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.append(0.0, bias)
    # safetensors writes the buffer as it lies, whatever its order.
    return np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32)


def write_weights(path: Path, source: Source | None, layer: Linear, metadata: Mapping[str, str]) -> tuple[str, str]:
    """Write the whole network with ``layer`` as its classifier, as timm's state dict, to a safetensors file.

    Where a network's classifier is not one linear layer on the tap ``"last"`` (and where there is no network, for a
    table of features), the layer stands beside it. Returns the names of the layer's weight and bias.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {}
    names = (HEAD + "weight", HEAD + "bias")
    if source is not None:
        from torch import nn

        network: Any = source.network()
        tensors = {name: tensor.contiguous().numpy() for name, tensor in network.state_dict().items()}
        classifier = network.get_classifier() if hasattr(network, "get_classifier") else None
        if isinstance(classifier, nn.Linear) and classifier.in_features == layer[0].shape[1]:
            prefix = next(name for name, module in network.named_modules() if module is classifier)
            names = (f"{prefix}.weight", f"{prefix}.bias")
    tensors.update(zip(names, layer, strict=True))
    # safetensors writes several entries of metadata in an order that changes from run to run: one entry has one order.
    write_bytes(path, save(tensors, metadata={"headstart": json.dumps(dict(metadata), ensure_ascii=False)}))
    return names


def write_onnx(path: Path, graph: Path | None, layer: Linear, metadata: Mapping[str, str]) -> None:
    """Write one ONNX graph from input to probabilities.

    Parameters
    ----------
    path : Path
        Where to.
    graph : Path or None
        The source's graph (``features.graph``), whose output ``"last"`` feeds the head; ``None`` for a model of
        features, whose input is ``features``, float32 (n, d).
    layer : tuple of ndarray
        Weight (k, d) and bias (k,).
    metadata : mapping
        Text that goes with the model: classes, preprocessing, licence.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight, bias = layer
    if graph is None:
        value = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["n", weight.shape[1]])
        inner = helper.make_graph([], "headstart", [value], [])
        model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        feeds = FEATURES
    else:
        from headstart.features.graph import LAST

        whole = onnx.load(graph)
        model = onnx.utils.Extractor(whole).extract_model([whole.graph.input[0].name], [LAST])
        feeds = LAST
    model.graph.initializer.extend(
        [numpy_helper.from_array(weight, HEAD + "weight"), numpy_helper.from_array(bias, HEAD + "bias")]
    )
    model.graph.node.extend(
        [
            helper.make_node("Gemm", [feeds, HEAD + "weight", HEAD + "bias"], ["logits"], transB=1, name="head"),
            helper.make_node("Softmax", ["logits"], [PROBABILITIES], axis=1, name="softmax"),
        ]
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", len(bias)]))
    helper.set_model_props(model, dict(metadata))
    model.producer_name = "headstart"
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())


def metadata(classes: Sequence[str], source: Source | None, feature_names: Sequence[str] = ()) -> dict[str, str]:
    """Return the text that goes with exported files: what goes in, what comes out, under which licence."""
    result = {"classes": json.dumps(list(classes), ensure_ascii=False), "producer": "headstart"}
    if source is None:
        return {**result, "input": "float32 (n, d): the plain features", "features": json.dumps(list(feature_names))}
    preprocessing = source.preprocessing.to_dict()
    height, width = source.preprocessing.size
    return {
        **result,
        "input": (
            f"uint8 (n, {height}, {width}, 3): red, green, blue; upright; fitted into the input as 'preprocessing' "
            "says (fit, interpolation, crop_pct). Normalization with mean and std is inside the graph."
        ),
        "preprocessing": json.dumps(preprocessing),
        "architecture": source.card.architecture,
        "source": source.name,
        "licence": source.card.licence,
    }

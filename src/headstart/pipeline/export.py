"""A finished model as files that need no Headstart: safetensors that timm loads, and one ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.graph import INPUT, LAST, OPSET, graph_file
from headstart.results import DataError
from headstart.results.files import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.pipeline.model import Model

FEATURES = "features"
PREFIX = "headstart."
HEAD = PREFIX + "head."
Arrays = dict[str, "NDArray[np.float32]"]


def head_arrays(model: Model) -> Arrays:
    """Return the arrays of the head and its calibration in single precision; their ``to_arrays`` say what they are."""
    # safetensors writes the buffer as it lies, whatever its order.
    arrays = {**model.head.to_arrays(), **(model.calibration.to_arrays() if model.calibration else {})}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def write_weights(path: Path, model: Model, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write the networks and the head to a safetensors file; return the tensor that each array of the head became.

    The first network is timm's own state dict. A linear head on its tap ``"last"`` alone takes the place of its
    classifier; every other head stands beside it under ``headstart.head.``. Further networks stand under
    ``headstart.`` and their name in the model.
    """
    from safetensors.numpy import save

    arrays = head_arrays(model)
    names = {array: HEAD + array for array in arrays}
    tensors: dict[str, NDArray[Any]] = {}
    for number, (name, (source, taps)) in enumerate(zip(model.names, model.parts, strict=True)):
        network: Any = source.network()
        prefix = network_prefix(name) if number else ""
        tensors.update((prefix + key, tensor.contiguous().numpy()) for key, tensor in network.state_dict().items())
        if len(model.parts) == 1 and taps == (LAST,) and arrays.keys() == {"weight", "bias"}:
            names = _classifier(network, arrays["weight"].shape[1]) or names
    tensors.update((names[array], value) for array, value in arrays.items())
    # safetensors writes several entries of metadata in an order that changes from run to run: one entry has one order.
    write_bytes(path, save(tensors, metadata={"headstart": json.dumps(dict(metadata), ensure_ascii=False)}))
    return names


def network_prefix(name: str) -> str:
    """Return what the tensors of a further network of that name begin with."""
    return f"{PREFIX}{name}."


def _classifier(network: Any, width: int) -> dict[str, str] | None:
    """Return the names of weight and bias of a network's classifier, if it is one linear layer that fits the head."""
    from torch import nn

    classifier = network.get_classifier() if hasattr(network, "get_classifier") else None
    if not isinstance(classifier, nn.Linear) or classifier.in_features != width:
        return None
    prefix = next(name for name, module in network.named_modules() if module is classifier)
    return {"weight": f"{prefix}.weight", "bias": f"{prefix}.bias"}


def write_onnx(path: Path, model: Model, metadata: Mapping[str, str]) -> None:
    """Write one ONNX graph from input to probabilities.

    Its inputs are ``pictures``, uint8 (n, height, width, 3), for one source; ``pictures.NAME`` for each of several; and
    ``features``, float32 (n, d), for a model of a table.

    Parameters
    ----------
    path : Path
        Where to.
    model : Model
        The model.
    metadata : mapping
        Text that goes with the model: classes, preprocessing, licence.

    Raises
    ------
    DataError
        If the head was fitted on another number of features than the taps have.
    SourceError
        If a network cannot be exported.
    """
    import onnx
    from onnx import TensorProto, helper

    from headstart.pipeline.export_head import append_head
    from headstart.pipeline.export_nodes import Nodes

    if model.parts:
        graph, feeds = _taps(model)
    else:
        value = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["n", model.head.n_features_in_])
        graph, feeds = helper.make_graph([], "headstart", [value], []), FEATURES
    name = append_head(Nodes(graph), feeds, head_arrays(model), model.kind)
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", model.n_outputs]))
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    whole.producer_name = "headstart"
    helper.set_model_props(whole, dict(metadata))
    onnx.checker.check_model(whole)
    write_bytes(path, whole.SerializeToString())


def _taps(model: Model) -> tuple[Any, str]:
    """Return a graph from the pictures to the taps of all parts side by side, and the name of those."""
    import onnx
    from onnx import compose, helper

    graphs, feeds, widths = [], [], []
    for name, given, (source, taps) in zip(model.names, input_names(model), model.parts, strict=True):
        whole = onnx.shape_inference.infer_shapes(onnx.load(graph_file(source)))
        missing = [tap for tap in taps if tap not in {value.name for value in whole.graph.output}]
        if missing:
            raise DataError(f"{source.name!r} has no tap {missing[0]!r}")
        graph = onnx.utils.Extractor(whole).extract_model([INPUT], list(taps)).graph
        if len(model.parts) > 1:
            graph = compose.add_prefix_graph(graph, f"{name}/", inplace=True)
            for node in graph.node:
                node.input[:] = [given if value == graph.input[0].name else value for value in node.input]
            graph.input[0].name = given
        graphs.append(graph)
        feeds += [value.name for value in graph.output]
        widths += [value.type.tensor_type.shape.dim[1].dim_value for value in graph.output]
    if all(widths) and sum(widths) != model.head.n_features_in_:  # 0: not known
        what = " + ".join(f"{tap} {width:,}" for tap, width in zip(feeds, widths, strict=True))
        raise DataError(
            f"the head was fitted on {model.head.n_features_in_:,} features, not on those of the taps ({what}): "
            "fit it on what Model.concatenate gives"
        )
    graph = graphs[0]
    for other in graphs[1:]:
        graph.input.extend(other.input)
        graph.node.extend(other.node)
        graph.initializer.extend(other.initializer)
    del graph.output[:], graph.value_info[:]
    if len(feeds) == 1:
        return graph, feeds[0]
    graph.node.append(helper.make_node("Concat", feeds, [HEAD + FEATURES], axis=1, name="side by side"))
    return graph, HEAD + FEATURES


def metadata(classes: Sequence[str], model: Model, feature_names: Sequence[str] = ()) -> dict[str, str]:
    """Return the text that goes with exported files: what goes in, what comes out, under which licence."""
    result = {
        "classes": json.dumps(list(classes), ensure_ascii=False),
        "model": model.text,
        "producer": "headstart",
    }
    if model.prior:
        result["prior"] = json.dumps(model.prior)
    if model.cost:
        result["decision"] = "the class j with the lowest sum over i of probability i * cost[i][j]"
        result["cost"] = json.dumps(model.cost)
    elif model.offsets:
        result["decision"] = "the class with the highest log(probability) + offset"
        result["offsets"] = json.dumps(model.offsets)
    if model.rule:
        result["rule"] = json.dumps({name: list(values) for name, values in model.rule.items()})
    if not model.parts:
        return {**result, "input": "float32 (n, d): the plain features", "features": json.dumps(list(feature_names))}
    parts = [
        {
            "preprocessing": json.dumps(source.preprocessing.to_dict()),
            "architecture": source.card.architecture,
            "source": source.name,
            "licence": source.card.licence,
        }
        for source, _ in model.parts
    ]
    inputs = [
        f"{name}: uint8 (n, {source.preprocessing.size[0]}, {source.preprocessing.size[1]}, 3)"
        for name, (source, _) in zip(input_names(model), model.parts, strict=True)
    ]
    how = (
        "red, green, blue; upright; fitted into the input as 'preprocessing' says (fit, interpolation, crop_pct). "
        "Normalization with mean and std is inside the graph."
    )
    several = {"parts": json.dumps(dict(zip(input_names(model), parts, strict=True)), ensure_ascii=False)}
    return {**result, "input": f"{'; '.join(inputs)}: {how}", **(parts[0] if len(parts) == 1 else several)}


def input_names(model: Model) -> tuple[str, ...]:
    """Return the names of the ONNX graph's inputs for pictures, one a part."""
    return (INPUT,) if len(model.parts) == 1 else tuple(f"{INPUT}.{name}" for name in model.names)

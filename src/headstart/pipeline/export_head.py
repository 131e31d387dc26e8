"""The head of a model as nodes of the exported graph: from features to what is predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline.export_nodes import Nodes
from headstart.training.isotonic import KNOTS, VALUES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]
    Link = Callable[[Nodes, str, Arrays], str]

PROBABILITIES, NUMBER = "probabilities", "number"


def append_head(nodes: Nodes, features: str, arrays: Arrays, kind: str) -> str:
    """Append a head, whose arrays are those of its ``to_arrays``; return the name of the output.

    Linear, on kernel values or ranks if it has any; then the link of its kind, by default a softmax and, if there is
    one, its calibration.
    """
    if "landmarks" in arrays:
        features = _kernel(nodes, features, arrays)
    if "starts" in arrays:
        features = nodes.rising(features, "ranks", arrays["starts"], arrays["slopes"], arrays["rises"])
    weight, bias = (nodes.hold(name, arrays[name]) for name in ("weight", "bias"))
    logits = nodes.add("Gemm", [features, weight, bias], "logits", transB=1)
    return LINKS.get(kind, classes)(nodes, logits, arrays)


def _kernel(nodes: Nodes, features: str, arrays: Arrays) -> str:
    """Append the values of a Gaussian kernel at the landmarks: |x - l|² = |x|² - 2 x·l + |l|², and no less than 0."""
    lengths = np.square(arrays["landmarks"].astype(np.float64)).sum(axis=1, dtype=np.float32)
    centre, scale, landmarks = (nodes.hold(name, arrays[name]) for name in ("centre", "scale", "landmarks"))
    scaled = nodes.add("Mul", [nodes.add("Sub", [features, centre], "centred"), scale], "scaled")
    length = nodes.add("ReduceSumSquare", [scaled], "length", axes=[1], keepdims=1)
    cross = nodes.add("Gemm", [scaled, landmarks, nodes.hold("lengths", lengths)], "cross", transB=1, alpha=-2.0)
    distance = nodes.add("Relu", [nodes.add("Add", [cross, length], "square")], "distance")
    return nodes.add("Exp", [nodes.add("Neg", [distance], "exponent")], "kernel")


def classes(nodes: Nodes, logits: str, arrays: Arrays) -> str:
    """Append a softmax and the isotonic calibration of each class, after which the classes sum to 1 again."""
    if KNOTS not in arrays:
        return nodes.end("Softmax", [logits], PROBABILITIES, axis=1)
    knots, values = arrays[KNOTS], arrays[VALUES]
    width = np.diff(knots, axis=1)
    slopes = np.divide(1, width, out=np.zeros_like(width), where=width > 0)
    said = nodes.add("Softmax", [logits], "uncalibrated", axis=1)
    rise = nodes.rising(said, "rise", knots[:, :-1], slopes, np.diff(values, axis=1))
    lines = nodes.add("Add", [rise, nodes.hold("lowest", values[:, 0])], "lines")
    whole = nodes.add("ReduceSum", [lines, nodes.hold("class axis", [1])], "whole", keepdims=1)
    return nodes.end("Div", [lines, whole], PROBABILITIES)


def ordered(nodes: Nodes, place: str, arrays: Arrays) -> str:
    """Append the probabilities of ordered classes: differences of logistic functions of threshold minus place."""
    k = len(arrays["thresholds"]) + 1
    # The j-th class is what lies below its upper threshold less what lies below its lower one.
    steps = nodes.hold("steps", np.eye(k - 1, k, dtype=np.float32) - np.eye(k - 1, k, 1, dtype=np.float32))
    last = nodes.hold("last", np.eye(1, k, k - 1, dtype=np.float32)[0])
    above = nodes.add("Sub", [nodes.hold("thresholds", arrays["thresholds"]), place], "above place")
    return nodes.end("Gemm", [nodes.add("Sigmoid", [above], "at most"), steps, last], PROBABILITIES)


def number(nodes: Nodes, value: str, arrays: Arrays) -> str:
    """Append the number, if need be the exponential of its logarithm, cut at the ends of what was learned from."""
    value = nodes.add("Exp", [value], "number") if "log" in arrays else value
    ends = [nodes.hold(name, end) for name, end in zip(("lowest", "highest"), arrays["ends"], strict=True)]
    return nodes.end("Clip", [value, *ends], NUMBER)


def several(nodes: Nodes, scores: str, arrays: Arrays) -> str:
    """Append a logistic function of each label, or a softmax over each head's classes."""
    if "sizes" not in arrays:
        return nodes.end("Sigmoid", [scores], PROBABILITIES)
    sizes = arrays["sizes"].astype(int).tolist()
    done = [
        nodes.add("Sigmoid", [part], f"p{place}") if size == 1 else nodes.add("Softmax", [part], f"p{place}", axis=1)
        for place, (part, size) in enumerate(zip(nodes.split(scores, sizes), sizes, strict=True))
    ]
    return nodes.end("Concat", done, PROBABILITIES, axis=1)


LINKS: dict[str, Link] = {"ordered logistic": ordered, "ridge": number, "logistic of several": several}

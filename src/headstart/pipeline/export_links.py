"""How heads that are no choice among classes end in the exported graph: from the linear layer to what is predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]
    Inner = Callable[..., str]
    Link = Callable[[Any, Inner, str, Arrays], str]

PROBABILITIES, NUMBER = "probabilities", "number"
_HEAD = "headstart.head."


def ordered(graph: Any, inner: Inner, place: str, arrays: Arrays) -> str:
    """Append the probabilities of ordered classes: differences of logistic functions of threshold minus place."""
    k = len(arrays["thresholds"]) + 1
    # The j-th class is what lies below its upper threshold less what lies below its lower one.
    steps = np.eye(k - 1, k, dtype=np.float32) - np.eye(k - 1, k, 1, dtype=np.float32)
    last = np.eye(1, k, k - 1, dtype=np.float32)[0]
    _hold(graph, steps=steps, last=last)
    below = inner("Sigmoid", [inner("Sub", [_HEAD + "thresholds", place], "above place")], "at most")
    return _output(graph, "Gemm", [below, _HEAD + "steps", _HEAD + "last"], PROBABILITIES)


def number(graph: Any, inner: Inner, value: str, arrays: Arrays) -> str:
    """Append the number, if need be the exponential of its logarithm, cut at the ends of what was learned from."""
    _hold(graph, lowest=arrays["ends"][0], highest=arrays["ends"][1])
    value = inner("Exp", [value], "number") if "log" in arrays else value
    return _output(graph, "Clip", [value, _HEAD + "lowest", _HEAD + "highest"], NUMBER)


def several(graph: Any, inner: Inner, scores: str, arrays: Arrays) -> str:
    """Append a logistic function of each label, or a softmax over each head's classes."""
    if "sizes" not in arrays:
        return _output(graph, "Sigmoid", [scores], PROBABILITIES)
    from onnx import helper

    sizes = arrays["sizes"].astype(np.int64)
    _hold(graph, split=sizes)
    parts = [f"{_HEAD}part {place}" for place in range(len(sizes))]
    graph.node.append(helper.make_node("Split", [scores, _HEAD + "split"], parts, axis=1, name=_HEAD + "parts"))
    done = [
        inner("Sigmoid" if size == 1 else "Softmax", [part], f"p{place}", **({} if size == 1 else {"axis": 1}))
        for place, (part, size) in enumerate(zip(parts, sizes.tolist(), strict=True))
    ]
    return _output(graph, "Concat", done, PROBABILITIES, axis=1)


def _hold(graph: Any, **arrays: NDArray[Any]) -> None:
    from onnx import numpy_helper

    graph.initializer.extend(numpy_helper.from_array(np.asarray(array), _HEAD + name) for name, array in arrays.items())


def _output(graph: Any, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
    from onnx import helper

    graph.node.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
    return name


LINKS: dict[str, Link] = {"ordered logistic": ordered, "ridge": number, "logistic of several": several}

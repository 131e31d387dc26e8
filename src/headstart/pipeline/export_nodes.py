"""Nodes appended to an ONNX graph, under names that no network uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

from headstart.pipeline.export import HEAD

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Nodes:
    """What comes behind a network in a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        Grows.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def hold(self, name: str, array: ArrayLike) -> str:
        """Keep an array in the graph, and return its name there."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array), HEAD + name))
        return HEAD + name

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append an operator, and return the name of its output."""
        return self.end(operator, inputs, HEAD + name, **attributes)

    def end(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append an operator whose output has the very ``name``, which is returned."""
        self.graph.node.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        """Append what cuts the columns of a value into parts of these sizes, and return their names."""
        parts = [f"{HEAD}part {place}" for place in range(len(sizes))]
        inputs = [value, self.hold("split", np.asarray(sizes, dtype=np.int64))]
        self.graph.node.append(helper.make_node("Split", inputs, parts, axis=1, name=f"{HEAD}parts"))
        return parts

    def rising(self, value: str, name: str, starts: ArrayLike, slopes: ArrayLike, rises: ArrayLike) -> str:
        """Append a line of pieces for each column of a value (n, d); starts, slopes and rises are (d, m).

        A piece is flat up to where it starts and rises by its rise along its slope; the line is the sum of its pieces,
        which no rounding tears.
        """
        axis = self.hold(f"{name} axis", [2])
        ends = [self.hold(f"{name} {end}", np.float32(end)) for end in (0, 1)]
        column = self.add("Unsqueeze", [value, axis], f"{name} column")
        past = self.add("Sub", [column, self.hold(f"{name} starts", starts)], f"{name} past")
        along = self.add("Mul", [past, self.hold(f"{name} slopes", slopes)], f"{name} along")
        part = self.add("Clip", [along, *ends], f"{name} part")
        risen = self.add("Mul", [part, self.hold(f"{name} rises", rises)], f"{name} risen")
        return self.add("ReduceSum", [risen, axis], name, keepdims=0)

"""What is carried over along relations: between graphs, and from the distances that a large network sees."""

from headstart.transfer.relational.classifier import NodeClassifier, Pretrained, pretrain
from headstart.transfer.relational.distil import Distilled, distil
from headstart.transfer.relational.graph import Graph, read_graph
from headstart.transfer.relational.mixing import Mixing, mixing
from headstart.transfer.relational.operators import (
    correct_and_smooth,
    label_propagation,
    label_spreading,
    operator,
    spread,
)
from headstart.transfer.relational.roles import StructuralRoles, heat_signature, recursive_features
from headstart.transfer.relational.strength import SpreadingStrength, learn_spreading
from headstart.transfer.relational.verdict import RelationalVerdict, relational_verdict

__all__ = [
    "Distilled",
    "Graph",
    "Mixing",
    "NodeClassifier",
    "Pretrained",
    "RelationalVerdict",
    "SpreadingStrength",
    "StructuralRoles",
    "correct_and_smooth",
    "distil",
    "heat_signature",
    "label_propagation",
    "label_spreading",
    "learn_spreading",
    "mixing",
    "operator",
    "pretrain",
    "read_graph",
    "recursive_features",
    "relational_verdict",
    "spread",
]

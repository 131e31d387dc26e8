"""Which room imports which, as docs/ARCHITECTURE.md says."""

import ast
from pathlib import Path

import pytest

import headstart

ROOT = Path(headstart.__file__).parent
QUESTIONS = [
    "detection", "evaluation", "finetuning", "imbalance", "normalization", "scenario", "taskonomy", "transfer",
    "transferability",
]  # fmt: skip
FLOORS = [
    ["metrics", "results"],
    ["data", "sources"],
    ["features"],
    ["training"],
    QUESTIONS,
    ["report"],
    ["pipeline"],
    ["cli"],
]
TOOLS = {  # of a room, on its own floor
    "detection": {"finetuning", "imbalance"},
    "metrics": {"results"},
    "normalization": {"finetuning"},
    "results": {"metrics"},
    "scenario": {"imbalance"},
    "transfer": {"evaluation", "normalization"},
    "transferability": {"finetuning"},
}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imported(room):
    """Return which other rooms a room's files import, and where; what is imported late counts too."""
    found = {}
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == "headstart" and len(parts) > 1 and parts[1] in FLOOR and parts[1] != room:
                    found.setdefault(parts[1], []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_room_has_a_floor():
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} == set(FLOOR)


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_a_room_imports_downwards_only(room):
    up = {name: where for name, where in imported(room).items() if FLOOR[name] >= FLOOR[room]}
    assert {name: up[name] for name in up if name not in TOOLS.get(room, ())} == {}
    assert set(up) == TOOLS.get(room, set()), "an exception is not needed any more"

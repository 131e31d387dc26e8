"""Sources that know nothing: what the verdict says of random weights, and of learned ones in random order.

Lite0's network, once with random weights and once with its own weights shuffled inside each tensor: their sizes stay,
what was learned is gone. At most 1,000 pictures of each target's development part; what is kept in a file is not
measured again.

    python benchmarks/worthless.py SHARED [--strategy auto] [--targets ELPV] [--write BENCHMARKS.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import publish
from probe import sampled
from targets import targets

if TYPE_CHECKING:
    from headstart.data import Target
    from headstart.sources import Source

KINDS = ("random", "shuffled")


def worthless(kind: str, seed: int) -> Source:
    """Return Lite0's network without what it knows."""
    import torch

    from headstart.sources import from_module, get

    lite0 = get("lite0")
    if kind == "random":
        blank = get("lite0", pretrained=False, seed=seed)
        return dataclasses.replace(blank, name="random")  # beside a packaged name, the other packaged sources compete
    network = lite0.network()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                order = torch.randperm(tensor.numel(), generator=generator)
                tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return from_module(network, lite0.preprocessing, name="shuffled", card=lite0.card)


def verdict(target: Target, kind: str, seed: int, strategy: str) -> dict[str, Any]:
    """Return what the verdict of a fit says, and what is handed back."""
    import headstart

    with tempfile.TemporaryDirectory() as scratch:
        run = headstart.fit(
            target, out=Path(scratch) / "run", source=worthless(kind, seed), strategy=strategy, seed=seed
        )
    said = run.info["decisions"]["Did transfer help?"]
    gain = said["gain"]
    return {
        "answer": said["answer"],
        "gain": [gain[end] for end in ("value", "low", "high")],
        "taken": run.info["decisions"]["Freeze, fine-tune, or start over?"]["winner"],
        "handed back": run.info["model"]["text"],
    }


def table(kept: dict[str, dict[str, Any]]) -> str:
    """Return one row a target and strategy: the answers, and the gains in points."""
    rows: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for key, found in kept.items():
        name, kind, _, strategy = key.split("; ")
        rows.setdefault((name, strategy), {}).setdefault(kind, []).append(found)
    lines = ["| target | strategy | " + " | ".join(f"{kind} weights" for kind in KINDS) + " |", "|---|---|---|---|"]
    for (name, strategy), kinds in rows.items():
        cells = ["; ".join(told(one) for one in kinds.get(kind, [])) for kind in KINDS]
        lines.append(f"| {name} | {strategy} | {' | '.join(cells)} |")
    answers = [one["answer"] for one in kept.values()]
    counts = ", ".join(f'"{answer}" {answers.count(answer)}' for answer in ("helps", "no evidence", "hurts"))
    return "\n".join([f"{len(answers)} fits: {counts}.", "", *lines])


def told(one: dict[str, Any]) -> str:
    """Return an answer with its interval in points."""
    value, low, high = (100 * end for end in one["gain"])
    return f"{one['answer']} {value:+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    """Measure what is not kept yet, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--targets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--strategy", choices=("frozen", "auto"), default="frozen")
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "worthless.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept: dict[str, dict[str, Any]] = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    known = targets(options.shared)
    for name in options.targets or known:
        target = sampled(known[name](), None)
        for kind, seed in ((kind, seed) for kind in KINDS for seed in options.seeds):
            key = f"{name}; {kind}; {seed}; {options.strategy}"
            if key not in kept:
                kept[key] = verdict(target, kind, seed, options.strategy)
                print(key, told(kept[key]), kept[key]["taken"], flush=True)
                options.keep.write_text(json.dumps(kept, indent=1) + "\n")
    publish(table(kept), options.write, "worthless")


if __name__ == "__main__":
    main()

"""Relations carried over: Citeseer to Cora and back, with few labels, against the same network without the source.

    python benchmarks/transfer/relations.py SHARED [--write docs/transfer-relations.md] [--seeds 10]

The baseline's training is tuned on Cora's nodes outside the test part with labels that the target does not have, which
favours the baseline. Settings of the side with the source are the defaults.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import networkx
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

from headstart.evaluation import transfer_verdict
from headstart.transfer.relational import (
    Graph,
    NodeClassifier,
    Pretrained,
    label_propagation,
    label_spreading,
    learn_spreading,
    mixing,
    operator,
    pretrain,
    read_graph,
    relational_verdict,
)
from headstart.transfer.relational.drawing import draw
from headstart.transfer.relational.network import as_tensor

LABELS = (5, 10, 20)


def gcn(graph: Graph, seed: int) -> NDArray[np.float64]:
    """Return what a graph convolutional network says that reads the words (Kipf and Welling's settings)."""
    torch.manual_seed(seed)
    X = as_tensor(normalize(graph.X, norm="l1"))
    S = as_tensor(operator(graph.adjacency, loops=True))
    known = torch.from_numpy(np.flatnonzero(graph.y >= 0))
    y = torch.from_numpy(graph.y)[known]
    first, second = torch.nn.Linear(X.shape[1], 16), torch.nn.Linear(16, len(graph.classes))
    groups = [{"params": first.parameters(), "weight_decay": 5e-4}, {"params": second.parameters(), "weight_decay": 0}]
    optimizer = torch.optim.Adam(groups, lr=0.01)

    def forward(train: bool) -> torch.Tensor:
        words = torch.sparse_coo_tensor(
            X.indices(), F.dropout(X.values(), 0.5, train), X.shape, is_coalesced=True, check_invariants=False
        )
        hidden = F.relu(S @ (torch.sparse.mm(words, first.weight.T) + first.bias))
        return S @ second(F.dropout(hidden, 0.5, train))

    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(forward(True)[known], y).backward()
        optimizer.step()
    with torch.no_grad():
        return forward(False).double().numpy()


def spread_labels(graph: Graph, seed: int, alpha: float) -> NDArray[np.float64]:
    """Return label spreading, into which nothing random enters."""
    return label_spreading(graph, alpha)


def tuned(target: Graph, features: bool, n_labels: int = 10) -> NodeClassifier:
    """Return the baseline with the epochs and rate that do best on nodes outside the test part."""
    pool = np.where(target.test, -1, target.y)
    best = (-1.0, NodeClassifier())
    for epochs, rate in itertools.product((3, 6, 15), (0.003, 0.01)):
        model = NodeClassifier(features=features, epochs=epochs, rate=rate)
        found = []
        for seed in range(3):
            shown = draw(pool, n_labels, np.random.default_rng([77, seed]))
            said = model.set_params(random_state=seed).fit(target.only(shown)).probabilities_.argmax(axis=1)
            asked = np.setdiff1d(np.flatnonzero(pool >= 0), shown)
            found.append((said[asked] == target.y[asked]).mean())
        print(f"baseline, {epochs} epochs at {rate}: {np.mean(found):.3f}", flush=True)
        best = max(best, (float(np.mean(found)), model), key=lambda one: one[0])
    return best[1]


def compared(
    learned: list[Pretrained], source: Graph, target: Graph, baseline: NodeClassifier, others: bool
) -> list[str]:
    """Return rows of Markdown: accuracies of each way, and the verdict of the network with the source."""
    rows = []
    for n_labels in LABELS:
        ways: dict[str, Callable[[Graph, int], NDArray[np.float64]]] = {
            "without": lambda graph, seed: baseline.set_params(random_state=seed).fit(graph).probabilities_,
            "as is": lambda graph, seed: NodeClassifier(learned[seed], epochs=0).fit(graph).probabilities_,
            "with": lambda graph, seed: NodeClassifier(learned[seed], random_state=seed).fit(graph).probabilities_,
            "label spreading": functools.partial(spread_labels, alpha=learn_spreading(source, n_labels=n_labels).alpha),
            "label propagation": lambda graph, seed: label_propagation(graph),
        }
        if others:
            ways["GCN"] = gcn
        right: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in ways}
        for seed in range(len(learned)):
            pool = np.where(target.test, -1, target.y)
            shown = target.only(draw(pool, n_labels, np.random.default_rng([0, seed])))
            for name, way in ways.items():
                right[name].append(way(shown, seed)[target.test].argmax(axis=1) == target.y[target.test])
        verdict = transfer_verdict(right["with"], right["without"])
        figures = {name: f"{100 * np.mean(found):.1f}" for name, found in right.items()}
        gain = verdict.gain
        other = [figures[name] for name in ("label spreading", "label propagation", *(["GCN"] if others else []))]
        said = f"{verdict.answer}: {100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        row = (
            f"| {learned[0].name} → {target.name} | {n_labels} "
            f"| {figures['without']} | {figures['as is']} | {figures['with']} | {said} "
            f"| {other[0]} | {other[1]} | {other[2] if others else ''} |"
        )
        print(row, flush=True)
        rows.append(row)
    return rows


def small() -> dict[str, Graph]:
    """Return graphs that NetworkX makes or ships, with a class for each node."""
    found = {
        "karate": Graph.from_networkx(networkx.karate_club_graph(), "club", "karate"),
        "davis": Graph.from_networkx(networkx.davis_southern_women_graph(), "bipartite", "davis"),
    }
    for name, groups, size, within, between, seed in (
        ("like, 4 x 60", 4, 60, 0.08, 0.015, 0), ("like, 6 x 40", 6, 40, 0.12, 0.018, 1),
        ("unlike, 3 x 80", 3, 80, 0.005, 0.03, 2), ("unlike, 4 x 60", 4, 60, 0.005, 0.04, 3),
    ):  # fmt: skip
        made = networkx.planted_partition_graph(groups, size, within, between, seed=seed)
        found[name] = Graph.from_networkx(made, "block", name)
    return {name: Graph(one.edges, one.y, test=half(one.y), name=name) for name, one in found.items()}


def half(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of half of each class."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(y == code)) for code in np.unique(y)]
    return np.concatenate([own[: len(own) // 2] for own in rows])


def main() -> None:
    """Learn on each source, compare, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", choices=("cora", "citeseer", "relations", "small"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.shared / "data" / "graphs"
    citeseer, cora = read_graph(folder / "citeseer.npz"), read_graph(folder / "cora.npz")
    seeds = range(options.seeds)
    head = [
        "| source → target | labels a class | without source | source, as is | with source | verdict, points "
        "| label spreading | label propagation | GCN on words |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, source, target, features in (
        ("cora", citeseer, cora, True), ("citeseer", cora, citeseer, True), ("relations", citeseer, cora, False),
    ):  # fmt: skip
        if options.only in (None, name):
            learned = [pretrain(source, features=features, random_state=seed) for seed in seeds]
            rows = compared(learned, source, target, tuned(target, features), features)
            publish("\n".join(head + rows), options.write, name)
    if options.only in (None, "small"):
        graphs = small()
        taught: dict[str, list[Pretrained]] = {}
        baselines: dict[str, NodeClassifier] = {}
        lines = [
            "| source → target | homophily, adjusted | labels a class | without | with source | verdict, points |",
            "|---|---|---|---|---|---|",
        ]
        for pair in (
            ("unlike, 3 x 80", "unlike, 4 x 60"), ("like, 4 x 60", "unlike, 4 x 60"), ("unlike, 3 x 80", "davis"),
            ("like, 4 x 60", "davis"), ("like, 4 x 60", "karate"), ("like, 4 x 60", "like, 6 x 40"),
        ):  # fmt: skip
            source, target = (graphs[name] for name in pair)
            if pair[0] not in taught:
                taught[pair[0]] = [
                    pretrain(source, features=False, shown=(2, 5, 10), random_state=seed) for seed in seeds
                ]
            learned = taught[pair[0]]
            if pair[1] not in baselines:
                baselines[pair[1]] = tuned(target, False, 4)
            for n_labels in (3, 5):
                verdict = relational_verdict(
                    learned, target, n_labels=n_labels, n_seeds=options.seeds, without=baselines[pair[1]]
                ).verdict
                gain = verdict.gain
                lines.append(
                    f"| {pair[0]} → {pair[1]} | {mixing(source).adjusted:+.2f} → {mixing(target).adjusted:+.2f} "
                    f"| {n_labels} | {100 * np.mean(verdict.baseline):.1f} | {100 * np.mean(verdict.transfer):.1f} "
                    f"| {verdict.answer}: {100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}) |"
                )
                print(lines[-1], flush=True)
        publish("\n".join(lines), options.write, "small")


if __name__ == "__main__":
    main()

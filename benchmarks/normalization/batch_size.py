"""Kinds of normalization against the batch size, in fine-tuning Lite0 above one cut.

Each cell fine-tunes what lies above the cut on four fifths of a sample of a target's development part, six epochs, from
the linear probe on the same cached activations, and is judged on the fifth left out; three fifths, one a seed.
Gradients are added up to a step of 32 pictures, as in ``fit``, so that cells differ in what a layer sees and not in the
number of steps. Only ``batch`` looks at the batch: the other kinds are trained at 32, and two of them, on the first
fifth, at 1 as well, to see that it is the same. ``--costs`` measures a step of 32 pictures for all kinds in turn, and
adds up what the backward pass keeps. ``auto`` chooses on one fifth, as ``fit`` does, and is judged on the next. Test
parts are not touched.

    python benchmarks/normalization/batch_size.py SHARED [--keep FILE] [--pictures docs] [--write docs/normalization.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import picture, publish
from targets import targets

from headstart.pipeline.norm_ways import BATCH, GROUP, RECALIBRATED, SMALL, SOURCE, STEP, accumulated

NAMES, CUT, EPOCHS, SEEDS = ("Grocery-14", "ELPV"), "blocks.5", 6, (0, 1, 2)
SIZES = (1, 2, 4, 8, 32)
CHANGED = (GROUP, "layer", "instance", "none")  # kinds that stand in the place of batch normalization
KINDS = (SOURCE, RECALIBRATED, *CHANGED)
MOST, MATCHED, ROUNDS = 750, 32, 5
AGAIN = (SOURCE, GROUP)  # trained in batches of one as well


@dataclasses.dataclass
class Ground:
    """What all cells of a target share."""

    target: Any
    stores: dict[str, Any]
    features: dict[str, Any]
    bench: Any

    @classmethod
    def of(cls, name: str, shared: Path) -> Ground:
        """Load a target, and pass its development part up to the cut and to the last tap, by both statistics."""
        from headstart.data.splits import sample_rows, stratified_group_folds
        from headstart.features.activations import choose_engine, compute
        from headstart.features.cut import CutActivations
        from headstart.features.graph import LAST
        from headstart.normalization.target import ENOUGH, recalibrate_source
        from headstart.pipeline.candidates import Bench
        from headstart.sources import get

        target, source = targets(shared)[name](), get("lite0")
        kept = sample_rows(target.y, target.rows("train", "val"), MOST, np.random.default_rng(0))
        pictures = target.pictures.subset(kept)
        rows = np.sort(np.random.default_rng(0).permutation(len(pictures))[:ENOUGH])
        sources = {SOURCE: source, RECALIBRATED: recalibrate_source(pictures.subset(rows), source)}
        choice = choose_engine(pictures, source)
        y, groups = target.y[kept], target.groups[kept]
        folds = stratified_group_folds(y, groups, n_folds=5, random_state=0)
        return cls(
            target,
            {key: CutActivations(pictures, one, CUT, choice, crops=False) for key, one in sources.items()},
            {key: compute(pictures, one, taps=[LAST], choice=choice)[LAST] for key, one in sources.items()},
            Bench(y, groups, folds, int(y.max()) + 1, 0),
        )

    def statistics(self, kind: str) -> str:
        """Return whose statistics the layers below the cut hold."""
        return RECALIBRATED if kind == RECALIBRATED else SOURCE

    def head(self, kind: str, train: Any, seed: int) -> tuple[Any, Any]:
        """Return the linear probe that training starts from, its penalty chosen on the training rows alone."""
        from headstart.data.splits import stratified_group_folds
        from headstart.training import LogisticHead, choose

        X, y, n = self.features[self.statistics(kind)][train], self.bench.y[train], self.bench.n_classes
        folds = stratified_group_folds(y, self.bench.groups[train], n_folds=3, random_state=seed)
        arrays = LogisticHead(C=choose(X, y, folds, n_classes=n).C).fit(X, y).to_arrays()
        return arrays["weight"], arrays["bias"]

    def changed(self, kind: str, rows: Any) -> Callable[[Any, Any], None] | None:
        """Return what puts another kind in the place of batch normalization above the cut, matched on some rows."""
        if kind not in CHANGED:
            return None

        def change(network: Any, top: Any) -> None:
            import torch

            from headstart.finetuning.freezing import layout
            from headstart.normalization.convert import convert
            from headstart.normalization.forms import forms

            plan, store = layout(network), self.stores[SOURCE]
            lowest = plan.position(CUT)
            picked = rows[np.linspace(0, len(rows) - 1, MATCHED).astype(np.int64)]
            store.ensure(0, picked)
            sample = torch.from_numpy(store.gather(picked, np.zeros(len(picked), np.int64)))
            layers = [f"network.{name}" for name in forms(network) if plan.position(plan.modules[name]) >= lowest]
            convert(top.eval(), kind, keep="function", sample=sample, layers=layers)

        return change

    def train(self, kind: str, size: int, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
        """Return what a cell reached: macro-F1 after each epoch, and which held-out rows were right at the end."""
        from headstart.finetuning.finetune import fine_tune, predict
        from headstart.metrics import scores
        from headstart.pipeline.dear import VIEWS
        from headstart.training.loop import Recipe

        bench, store = self.bench, self.stores[self.statistics(kind)]
        rows, held = bench.folds[seed]
        reached: list[float] = []

        def validate(top: Any) -> float:
            told = predict(top.network, store, held)
            reached.append(float(scores(bench.y[held], told)["macro_f1"]))
            return float(len(reached))  # no epoch is chosen on the rows that judge

        recipe = Recipe(epochs=epochs, batch_size=size, accumulate=accumulated(size))
        tuned = fine_tune(
            store, bench.y, rows, self.head(kind, rows, seed), recipe, views=VIEWS, hold=kind != BATCH, seed=seed,
            change=self.changed(kind, rows), validate=validate,
        )  # fmt: skip
        told = predict(tuned.network, store, held)
        right = told.argmax(axis=1)
        return {"macro_f1": reached, "losses": list(tuned.trained.losses), "said": right.tolist()}


def measure(ground: Ground, cells: dict[str, Any], save: Callable[[], None]) -> None:
    """Train each cell that is not kept yet."""
    from headstart.metrics import scores

    wanted = [(kind, STEP, seed) for seed in SEEDS for kind in KINDS]
    wanted += [(BATCH, size, seed) for seed in SEEDS for size in SIZES]
    wanted += [(kind, 1, 0) for kind in AGAIN]
    for seed in SEEDS:
        rows, held = ground.bench.folds[seed]
        if f"head {seed}" not in cells:
            from headstart.training import LogisticHead

            weight, bias = ground.head(SOURCE, rows, seed)
            head = LogisticHead.from_arrays({"weight": weight, "bias": bias})
            told = head.predict_proba(ground.features[SOURCE][held])
            cells[f"head {seed}"] = float(scores(ground.bench.y[held], told)["macro_f1"])
            cells[f"true {seed}"] = ground.bench.y[held].tolist()
    for kind, size, seed in wanted:
        key = f"{kind} {size} {seed}"
        if key not in cells:
            cells[key] = ground.train(kind, size, seed)
            save()
            print(key, [round(one, 3) for one in cells[key]["macro_f1"]], flush=True)


def macro(cells: dict[str, Any], key: str) -> Any:
    """Return what a cell said and what is true, of its held-out fifth."""
    return np.array(cells[key]["said"]), np.array(cells[f"true {key.split()[-1]}"])


def cell(cells: dict[str, Any], kind: str, size: int) -> list[str]:
    """Return the keys of a cell's seeds: kinds that do not look at the batch were trained at one size."""
    return [f"{kind} {size if kind == BATCH else STEP} {seed}" for seed in SEEDS]


def within(cells: dict[str, Any], key: str) -> int | None:
    """Return the first epoch that comes within a standard error of the best last epoch of any cell of that fifth."""
    seed = key.split()[-1]
    ends = [one["macro_f1"][-1] for name, one in cells.items() if name.split()[-1] == seed and isinstance(one, dict)]
    best, n = max(ends), len(cells[f"true {seed}"])
    enough = best - np.sqrt(best * (1 - best) / n)
    return next((place + 1 for place, one in enumerate(cells[key]["macro_f1"]) if one >= enough), None)


def automatic(cells: dict[str, Any], size: int) -> list[str]:
    """Return the keys that ``norm="auto"`` takes: chosen on the fifth before, the simplest within a standard error."""
    from headstart.training.path import select

    ways = [SOURCE, RECALIBRATED, GROUP, *([BATCH] if size >= SMALL else [])]
    taken = []
    for seed in SEEDS:
        before = (seed - 1) % len(SEEDS)
        f1 = np.array([cells[cell(cells, kind, size)[before]]["macro_f1"][-1] for kind in ways])
        chosen = ways[int(select(f1, np.arange(len(ways), dtype=np.float64), len(cells[f"true {before}"])))]
        taken.append(cell(cells, chosen, size)[seed])
    return taken


def gap(cells: dict[str, Any], ours: list[str], theirs: list[str]) -> str:
    """Return the paired gain in macro-F1 of one cell over another, in points, with a 95 % interval over pictures."""
    from sklearn.metrics import f1_score

    a, b = (np.concatenate([macro(cells, key)[0] for key in keys]) for keys in (ours, theirs))
    y = np.concatenate([macro(cells, key)[1] for key in ours])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        rows = rng.integers(0, len(y), len(y))
        drawn.append(f1_score(y[rows], a[rows], average="macro") - f1_score(y[rows], b[rows], average="macro"))
    value = f1_score(y, a, average="macro") - f1_score(y, b, average="macro")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def summary(name: str, cells: dict[str, Any]) -> str:
    """Return a target's tables: macro-F1 and epochs by kind and batch size, and what ``auto`` takes."""
    heads = np.mean([cells[f"head {seed}"] for seed in SEEDS])
    lines = [
        f"{name}, frozen head {heads:.3f}. Mean macro-F1 after {EPOCHS} epochs, over three fifths; epochs until it is "
        "within a standard error of the best cell.", "",
        "| kind | " + " | ".join(f"batch of {size}" for size in SIZES) + " | epochs |",
        "|---" * (2 + len(SIZES)) + "|",
    ]  # fmt: skip
    rows = [(kind, [STEP]) for kind in KINDS] + [(BATCH, list(SIZES))]
    for kind, sizes in rows:
        ends = {size: np.mean([cells[key]["macro_f1"][-1] for key in cell(cells, kind, size)]) for size in sizes}
        texts = [f"{ends[size]:.3f}" if size in ends else "same" for size in SIZES]
        epochs = [within(cells, key) for key in cell(cells, kind, STEP)]
        lines.append(f"| {kind} | {' | '.join(texts)} | {', '.join(str(one or 'never') for one in epochs)} |")
    lines += ["", "| batch | auto takes | best cell | auto less best, points |", "|---|---|---|---|"]
    for size in SIZES:
        ours = automatic(cells, size)
        keys = {kind: cell(cells, kind, size) for kind in (*KINDS, BATCH)}
        best = max(keys, key=lambda kind: np.mean([cells[key]["macro_f1"][-1] for key in keys[kind]]))
        told = ", ".join(key.split()[0] for key in ours)
        lines.append(f"| {size} | {told} | {best} | {gap(cells, ours, keys[best])} |")
    apart = [abs(cells[f"{kind} 1 0"]["macro_f1"][-1] - cells[f"{kind} {STEP} 0"]["macro_f1"][-1]) for kind in AGAIN]
    same = [np.mean(macro(cells, f"{kind} 1 0")[0] == macro(cells, f"{kind} {STEP} 0")[0]) for kind in AGAIN]
    lines += [
        "", f"Kinds that do not look at the batch, trained at 1 and at {STEP} (first fifth): macro-F1 at most "
        f"{100 * max(apart):.1f} points apart, {min(same):.1%} or more of the pictures told alike.",
    ]  # fmt: skip
    return "\n".join(lines)


def costs(ground: Ground) -> str:
    """Return the table of what a step of 32 pictures costs: seconds beside held statistics, and what backward keeps."""
    import torch

    from headstart.finetuning.freezing import freeze
    from headstart.finetuning.top import Top, with_head
    from headstart.training.frozen import freeze_statistics
    from headstart.training.memory import kept_memory

    rows, _ = ground.bench.folds[0]
    store = ground.stores[SOURCE]
    store.ensure(0, rows[:STEP])
    inputs = torch.from_numpy(store.gather(rows[:STEP], np.zeros(STEP, np.int64))).float()
    inputs = inputs.to(memory_format=torch.channels_last)
    classes = torch.from_numpy(ground.bench.y[rows[:STEP]])
    tops = {}
    for kind in (SOURCE, BATCH, *CHANGED):
        network = with_head(store.source.network(), *ground.head(SOURCE, rows, 0))
        top = Top(network, CUT, store.source.preprocessing).to(memory_format=torch.channels_last)
        if (change := ground.changed(kind, rows)) is not None:
            change(network, top)
        freeze(network, until=CUT)
        if kind != BATCH:
            freeze_statistics(network)
        tops[kind] = top.train()

    def step(top: Any, size: int) -> float:
        started = time.perf_counter()
        for start in range(0, STEP, size):
            loss = torch.nn.functional.cross_entropy(top(inputs[start : start + size]), classes[start : start + size])
            loss.backward()
        top.zero_grad()
        return time.perf_counter() - started

    def kept(top: Any, size: int) -> int:
        found: dict[int, int] = {}

        def pack(tensor: Any) -> Any:
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = top(inputs[:size]).sum()
        weights = {one.untyped_storage().data_ptr() for one in top.parameters()}
        del loss
        return sum(size for place, size in found.items() if place not in weights)

    lines = ["| kind | " + " | ".join(f"batch of {size}" for size in SIZES) + " |", "|---" * (1 + len(SIZES)) + "|"]
    taken: dict[tuple[str, int], list[float]] = {}
    with kept_memory():
        for _ in range(ROUNDS):
            for kind, top in tops.items():
                for size in SIZES:
                    taken.setdefault((kind, size), []).append(step(top, size))
    base = np.array(taken[SOURCE, STEP])
    for kind, top in tops.items():
        texts = [
            f"{np.median(np.array(taken[kind, size]) / base):.2f}×, {kept(top, size) / 2**20:,.0f} MB" for size in SIZES
        ]
        lines.append(f"| {kind} | {' | '.join(texts)} |")
    return "\n".join(lines)


def plot(kept: dict[str, Any]) -> Any:
    """Return macro-F1 against the batch size, a panel for each target."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    from headstart.results.plotting import styled

    figure = make_subplots(1, len(kept), subplot_titles=list(kept), horizontal_spacing=0.12)
    colours = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#999999", "#D55E00")
    for column, cells in enumerate(kept.values(), 1):
        for kind, colour in zip((*KINDS, BATCH), colours, strict=True):
            ends = [np.mean([cells[key]["macro_f1"][-1] for key in cell(cells, kind, size)]) for size in SIZES]
            line = {"color": colour, "dash": "solid" if kind == BATCH else "dot"}
            figure.add_trace(
                Scatter(x=SIZES, y=ends, name=kind, mode="lines+markers", line=line, legendgroup=kind,
                        showlegend=column == 1), 1, column,
            )  # fmt: skip
    styled(figure, height=420).update_layout(legend={"y": -0.24, "yanchor": "top"})
    figure.update_annotations(yanchor="top").update_yaxes(domain=[0, 0.92])  # titles inside, where no margin is
    figure.update_xaxes(type="log", tickvals=SIZES, title="batch size")
    figure.update_yaxes(title="macro-F1", col=1)
    return figure


def main() -> None:
    """Train each cell that is not kept yet, draw and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--only", choices=NAMES)
    parser.add_argument("--costs", action="store_true", help="measure the cost of a step too; on a quiet machine")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep.exists() else {}

    def save() -> None:
        options.keep.write_text(json.dumps(kept) + "\n")

    for name in NAMES:
        if options.only in (None, name):
            ground = Ground.of(name, options.shared)
            measure(ground, kept.setdefault(name, {}), save)
            if options.costs and name == NAMES[0]:
                publish(costs(ground), options.write, "step-cost")
    if options.pictures:
        picture(plot(kept), options.pictures / "normalization-batch-size.png", (1000, 440))
    publish("\n\n".join(summary(name, cells) for name, cells in kept.items()), options.write, "batch-size")


if __name__ == "__main__":
    main()

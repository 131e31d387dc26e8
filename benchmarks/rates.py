"""Rate and epochs of fine-tuning against what it brings the target and costs the source, as surfaces.

Each cell trains what lies above one cut of Lite0 on four fifths of the target's development part, from the same linear
probe and the same cached activations; macro-F1 is of the fifth left out. Forgetting is what the source's accuracy on
ImageNet samples, with its old classifier, falls by. Test parts are not touched.

    python benchmarks/rates.py SHARED [--keep FILE] [--pictures docs] [--write FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import picture, publish
from targets import targets

NAMES = ("Grocery-14", "ELPV")
RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
EPOCHS = (3, 6, 12)
CUT = "blocks.5"


def surface(name: str, shared: Path, keep: Path) -> dict[str, Any]:
    """Return the figures of each cell, and what the schedule chooses for this target in its default budget."""
    from headstart.features.activations import choose_engine, compute
    from headstart.features.cut import CutActivations
    from headstart.features.graph import LAST
    from headstart.finetuning.finetune import fine_tune, predict
    from headstart.finetuning.forgetting import forgetting
    from headstart.metrics import scores
    from headstart.pipeline.arms import Arms
    from headstart.pipeline.contest import bench_of
    from headstart.pipeline.dear import VIEWS
    from headstart.sources import get
    from headstart.training import LogisticHead, choose
    from headstart.training.loop import Recipe

    kept: dict[str, Any] = json.loads(keep.read_text()) if keep.exists() else {}
    cells = kept.setdefault(name, {})
    target, source = targets(shared)[name](), get("lite0")
    bench = bench_of(target, seed=0)
    assert target.pictures is not None
    pictures = target.pictures.subset(target.rows("train", "val"))
    choice = choose_engine(pictures, source)
    X = compute(pictures, source, taps=[LAST], choice=choice)[LAST]
    train, held = bench.folds[0]
    head = LogisticHead(C=choose(X, bench.y, bench.folds, n_classes=bench.n_classes).C).fit(X[train], bench.y[train])
    arrays = head.to_arrays()
    store = CutActivations(pictures, source, CUT, choice, crops=False)
    cells["frozen"] = scores(bench.y[held], head.predict_proba(X[held]))["macro_f1"]
    recipe = Recipe()
    if "chosen" not in cells:
        with tempfile.TemporaryDirectory() as scratch:
            plan, _ = Arms(pictures, source, {}, {}, bench, choice, Path(scratch), 10**11)._plans(None, False)
        cells["chosen"] = [recipe.rate, plan.epochs[plan.cuts.index(CUT)]]
    before = None
    for epochs in EPOCHS:
        for rate in RATES:
            key = f"{rate:g} {epochs}"
            if key in cells:
                continue
            told = Recipe(epochs=epochs, rate=rate, head_rate=max(rate, recipe.head_rate))
            tuned = fine_tune(store, bench.y, train, (arrays["weight"], arrays["bias"]), told, views=VIEWS).network
            reached = scores(bench.y[held], predict(tuned, store, held))["macro_f1"]
            lost = forgetting(tuned, source, shared / "data" / "imagenet_samples", right_before=before)
            before = lost.right_before
            cells[key] = [reached, lost.before, lost.after]
            keep.write_text(json.dumps(kept, indent=1))
            print(name, key, cells[key], flush=True)
    return cells


def plot(cells: dict[str, Any]) -> Any:
    """Return two surfaces side by side: gain over the frozen head, and accuracy lost on the source's own task."""
    from plotly.graph_objects import Contour, Scatter
    from plotly.subplots import make_subplots

    from headstart.results.plotting import INK, styled

    found = np.array([[cells[f"{rate:g} {epochs}"] for rate in RATES] for epochs in EPOCHS])
    shown = (found[:, :, 0] - cells["frozen"]) * 100, (found[:, :, 1] - found[:, :, 2]) * 100
    titles = ("macro-F1 over the frozen head, points", "accuracy lost on ImageNet, points")
    figure = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.12)
    for column, (values, colours) in enumerate(zip(shown, ("RdBu", "Oranges"), strict=True), 1):
        most = float(np.abs(values).max())
        figure.add_trace(
            Contour(
                x=RATES, y=EPOCHS, z=values, colorscale=colours, zmin=-most if column == 1 else 0, zmax=most,
                contours={"showlabels": True}, colorbar={"x": 0.45 if column == 1 else 1.01, "thickness": 12},
            ), 1, column,
        )  # fmt: skip
        rate, epochs = cells["chosen"]
        mark = {"size": 16, "symbol": "star", "color": "white", "line": {"color": INK, "width": 2}}
        figure.add_trace(Scatter(x=[rate], y=[min(epochs, EPOCHS[-1])], mode="markers", marker=mark), 1, column)
    styled(figure, height=420)
    figure.update_xaxes(type="log", tickvals=RATES, ticktext=[f"{rate:g}" for rate in RATES], title="rate")
    figure.update_yaxes(tickvals=EPOCHS)
    figure.update_yaxes(title="epochs", col=1)
    return figure.update_layout(showlegend=False)


def table(surfaces: dict[str, dict[str, Any]]) -> str:
    """Return a table for each target: macro-F1 over the frozen head / accuracy lost on the source, in points."""
    lines = []
    for name, cells in surfaces.items():
        rate, epochs = cells["chosen"]
        lines += [
            f"{name}: frozen head {cells['frozen']:.3f}; the schedule chooses rate {rate:g} for {epochs} epochs.",
            "",
            "| epochs | " + " | ".join(f"{rate:g}" for rate in RATES) + " |",
            "|---" * (1 + len(RATES)) + "|",
        ]
        for epochs in EPOCHS:
            found = [cells[f"{rate:g} {epochs}"] for rate in RATES]
            texts = [f"{100 * (f1 - cells['frozen']):+.1f} / {100 * (b - a):.1f}" for f1, b, a in found]
            lines.append(f"| {epochs} | {' | '.join(texts)} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def main() -> None:
    """Train each cell that is not kept yet, draw and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "rates.json")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    surfaces = {name: surface(name, options.shared, options.keep) for name in NAMES}
    if options.pictures:
        for name, cells in surfaces.items():
            picture(plot(cells), options.pictures / f"rates-{name.lower().replace(' ', '-')}.png", (1000, 440))
    text = table(surfaces)
    publish(text, options.write, "rates")


if __name__ == "__main__":
    main()

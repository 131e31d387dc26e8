"""Fashion-MNIST from 100 to 60,000 pictures: every arm's curve, where they cross, and what the 2x2 rule would say.

Lite0 at 64 pixels. The pictures of a size are among those of the next. Scores are macro-F1 on 5,000 test pictures, on
which nothing is chosen: penalties come from folds, epochs from the size alone. What is kept in a file is not measured
again.

    python benchmarks/sizes.py [--sizes 100 300 1000] [--keep FILE] [--picture docs/sizes.png] [--write docs/sizes.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import picture, replace_section
from targets import fashion

SIZES = (100, 300, 1000, 3000, 10_000, 60_000)
DEAR = 10_000  # beyond, only the plain head
SIDE = 64
HELD = 5000
FREEZE, SVM, BY_HAND = "freeze: logistic on the last tap", "SVM on low-level taps", "logistic on handmade features"
TOP, ALL, SCRATCH = "fine-tune from blocks.4 on", "fine-tune all", "from scratch"
ARMS = (FREEZE, TOP, ALL, SVM, SCRATCH, BY_HAND)
SAID = {"freeze": FREEZE, "fine-tune": ALL, "low-level": SVM, "scratch": SCRATCH}


def arms(n: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield each arm's name and how to score it on ``n`` pictures."""
    from headstart.data.splits import stratified_group_folds
    from headstart.features.activations import choose_engine, compute
    from headstart.features.cut import CutActivations
    from headstart.features.graph import LAST
    from headstart.features.handmade import handmade_features
    from headstart.finetuning.finetune import Views, fine_tune, predict
    from headstart.metrics import scores
    from headstart.pipeline.candidates import Bench, Candidate, logistic, machine
    from headstart.sources import Source, get
    from headstart.sources.card import Card
    from headstart.training import LogisticHead
    from headstart.training.loop import Recipe

    lite0 = get("lite0")
    small = dataclasses.replace(lite0.preprocessing, size=(SIDE, SIDE), fit="squash")
    source = dataclasses.replace(lite0, preprocessing=small)
    target, test = fashion(60_000), fashion(HELD, "t10k")
    order = np.random.default_rng(0).permutation(len(target))[:n]
    assert target.pictures is not None and test.pictures is not None
    pictures, y = target.pictures.subset(order), target.y[order]
    folds = stratified_group_folds(y, np.arange(n), n_folds=5, random_state=0)
    bench = Bench(y, np.arange(n), folds, 10, 0)
    choice = choose_engine(pictures, source)
    X, Z = (compute(some, source, choice=choice) for some in (pictures, test.pictures))
    lower = [tap for tap in X.arrays if tap != LAST][: len(X.arrays) // 2]

    def judged(made: Candidate, features: Any) -> float:
        return float(scores(test.y, made.make().predict_proba(features))["macro_f1"])

    plain = logistic("plain", X[LAST], bench, [])
    yield FREEZE, lambda: judged(plain, Z[LAST])
    if n > DEAR:
        return
    stacked = [np.hstack([one[tap] for tap in lower]) for one in (X, Z)]
    yield SVM, lambda: judged(machine("low", stacked[0], bench, [], kernel="rbf"), stacked[1])
    yield (
        BY_HAND,
        lambda: judged(logistic("hand", handmade_features(pictures), bench, []), handmade_features(test.pictures)),
    )

    def trained(origin: Source, cut: str | None, head: Any, recipe: Recipe) -> float:
        options = {"crops": False}
        store, held = (CutActivations(some, origin, cut, choice, **options) for some in (pictures, test.pictures))
        hold = head is not None
        given = head if hold else (np.zeros((10, 1280)), np.zeros(10))
        network = fine_tune(store, y, np.arange(n), given, recipe, views=Views(4, 0.25), hold=hold).network
        said = predict(network, held, np.arange(len(test)))
        return float(scores(test.y, said)["macro_f1"])

    arrays = LogisticHead(C=plain.C).fit(X[LAST], y).to_arrays()
    head = arrays["weight"], arrays["bias"]
    tuned = Recipe(epochs=int(np.clip(60_000 / n, 6, 20)))
    yield TOP, lambda: trained(source, "blocks.4", head, tuned)
    yield ALL, lambda: trained(source, None, head, tuned)
    blank = Source("blank", Card(source.card.architecture, "nothing", n_classes=source.card.n_classes), small, seed=0)
    long = Recipe(epochs=int(np.clip(100_000 / n, 10, 60)), rate=2e-3, head_rate=2e-3, layer_decay=1.0)
    yield SCRATCH, lambda: trained(blank, None, None, long)


def rule(n: int) -> str:
    """Return the arm that the 2x2 rule names at this size."""
    from headstart.finetuning.rule import place
    from headstart.finetuning.similarity import ENOUGH, source_similarity
    from headstart.sources import get

    pictures = fashion(min(n, ENOUGH)).pictures
    assert pictures is not None
    return SAID[place(n, 10, source_similarity(pictures, get("lite0")).overall).ways[0]]


def plot(kept: dict[str, dict[str, Any]]) -> Any:
    """Return the curves of all arms over the size."""
    from plotly.graph_objects import Figure

    from headstart.results.plotting import PALETTE, styled

    figure = Figure()
    for arm, colour in zip(ARMS, PALETTE, strict=False):
        points = [(int(n), row[arm]) for n, row in sorted(kept.items(), key=lambda item: int(item[0])) if arm in row]
        x, values = zip(*points, strict=True)
        figure.add_scatter(x=x, y=values, name=arm, mode="lines+markers", line={"color": colour, "width": 2})
    styled(figure, height=460, x="training pictures", y="macro-F1 on test pictures")
    return figure.update_xaxes(type="log")


def table(kept: dict[str, dict[str, Any]]) -> str:
    """Return one row a size, the best arm in bold, and what the rule says."""
    lines = ["| pictures | " + " | ".join(ARMS) + " | the rule says |", "|---" * (2 + len(ARMS)) + "|"]
    for n, row in sorted(kept.items(), key=lambda item: int(item[0])):
        best = max(row[arm] for arm in ARMS if arm in row)
        cells = [
            ("**{:.3f}**" if row[arm] == best else "{:.3f}").format(row[arm]) if arm in row else "" for arm in ARMS
        ]
        lines.append(f"| {int(n):,} | {' | '.join(cells)} | {row['rule']} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is not kept yet, draw and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "sizes.json")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept: dict[str, dict[str, Any]] = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for n in options.sizes:
        row = kept.setdefault(str(n), {})
        row.setdefault("rule", rule(n))
        for name, score in arms(n):
            if name not in row:
                row[name] = score()
                print(n, name, f"{row[name]:.3f}", flush=True)
                options.keep.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    if options.picture:
        picture(plot(kept), options.picture, (900, 500))
    print(table(kept))
    if options.write:
        replace_section(options.write, "sizes", table(kept))


if __name__ == "__main__":
    main()

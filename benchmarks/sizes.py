"""Fashion-MNIST from 100 to 60,000 pictures: every arm's curve, where they cross, and what the 2x2 rule would say.

EfficientNet-Lites at 64 pixels. The pictures of a size are among those of the next; up to 300, they are drawn three
times. Scores are macro-F1 on 5,000 test pictures, on which nothing is chosen: penalties come from folds, epochs from
the size alone. What is kept in a file is not measured again.

    python benchmarks/sizes.py [--sizes 100 300 1000] [--keep FILE] [--picture docs/sizes.png] [--write docs/sizes.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import picture, publish
from targets import fashion

from headstart.features.graph import LAST
from headstart.training import LogisticHead

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.sources import Source

SIZES = (100, 300, 1000, 3000, 10_000, 60_000)
FEW, DRAWS = 300, 3  # up to so many pictures they are drawn so many times
DEAR = 10_000  # beyond, only linear heads
SIDE = 64
HELD = 5000
FREEZE, ALL = "logistic on the last tap", "fine-tuned, all of it"
SVM, SCRATCH = "RBF SVM on low-level taps", "the same network from scratch"
COLOUR = "logistic on colour and texture"
DRAWN = (
    FREEZE, "logistic on 3 sources", "fine-tuned from blocks.4 on", ALL, SVM, SCRATCH, "RBF SVM on handmade features",
)  # fmt: skip
SAID = {"freeze": FREEZE, "fine-tune": ALL, "low-level": SVM, "scratch": SCRATCH}
Scores = dict[str, dict[int, list[float]]]
loaded = functools.cache(fashion)


def small(name: str, *, pretrained: bool = True) -> Source:
    """Return a packaged source at the size of this study."""
    from headstart.sources import get

    source = get(name, pretrained=pretrained)
    return dataclasses.replace(
        source, preprocessing=dataclasses.replace(source.preprocessing, size=(SIDE, SIDE), fit="squash")
    )


def drawn(n: int, draw: int) -> tuple[PictureSet, np.ndarray, PictureSet, np.ndarray]:
    """Return ``n`` training pictures and the test pictures, each with their classes."""
    target, test = loaded(60_000), loaded(HELD, "t10k")
    order = np.random.default_rng(draw).permutation(len(target))[:n]
    assert target.pictures is not None and test.pictures is not None
    return target.pictures.subset(order), target.y[order], test.pictures, test.y


def arms(n: int, draw: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield each arm's name and how to score it; a head's penalty is chosen before its name is known."""
    from headstart.data.splits import stratified_group_folds
    from headstart.features.activations import choose_engine, compute
    from headstart.features.handmade import handmade_features
    from headstart.metrics import scores
    from headstart.pipeline.candidates import Bench, Candidate, frozen, handmade

    pictures, y, test, held = drawn(n, draw)
    folds = stratified_group_folds(y, np.arange(n), n_folds=5, random_state=0)
    bench = Bench(y, np.arange(n), folds, 10, 0)
    dear = n <= DEAR
    sources = {name: small(name) for name in ("lite0", "lite1", "lite2")}
    lite0 = sources["lite0"]
    choice = choose_engine(pictures, lite0)
    X, Z = (
        {
            name: compute(some, source, taps=None if source is lite0 else [LAST], choice=choice).arrays
            for name, source in sources.items()
        }
        for some in (pictures, test)
    )
    by_hand = handmade_features(test)

    def judged(made: Candidate) -> float:
        model = made.make()
        seen = by_hand if model.handmade else model.concatenate([Z[one.name] for one, _ in model.parts])
        return float(scores(held, model.predict_proba(seen))["macro_f1"])

    ways = frozen(X, sources, bench, main=lite0.name, best_tap=LAST)
    own = handmade(handmade_features(pictures), bench)
    penalty = 1.0
    linear = (None, None) if dear else (3, 2)  # those come first
    for made in itertools.chain(*map(itertools.islice, (ways, own), linear)):
        if made.name == FREEZE:
            penalty = made.C
        yield made.name, functools.partial(judged, made)
    if dear:
        head = LogisticHead(C=penalty).fit(X["lite0"][LAST], y)
        yield from trained(lite0, choice, (pictures, y), (test, held), head)


def trained(
    source: Source, choice: Choice, given: tuple[PictureSet, Any], held: tuple[PictureSet, Any], head: LogisticHead
) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield the arms that train a network: from each cut of the bake-off on, from ``head``, and from random weights."""
    from headstart.features.cut import CutActivations
    from headstart.finetuning.finetune import fine_tune, predict
    from headstart.metrics import scores
    from headstart.pipeline.arms import cuts_of
    from headstart.pipeline.dear import VIEWS
    from headstart.training.loop import Recipe

    n = len(given[1])

    def judged(origin: Source, cut: str, start: tuple[Any, Any], recipe: Recipe) -> float:
        learned, test = (CutActivations(some, origin, cut or None, choice, crops=False) for some in (given[0], held[0]))
        hold = origin is source
        network = fine_tune(learned, given[1], np.arange(n), start, recipe, views=VIEWS, hold=hold).network
        return float(scores(held[1], predict(network, test, np.arange(len(held[1]))))["macro_f1"])

    arrays = head.to_arrays()
    tuned = Recipe(epochs=int(np.clip(60_000 / n, 6, 20)))
    for cut in cuts_of(source):
        name = f"fine-tuned from {cut} on" if cut else ALL
        yield name, functools.partial(judged, source, cut, (arrays["weight"], arrays["bias"]), tuned)
    blank = small(source.name, pretrained=False)
    zeros = np.zeros_like(arrays["weight"]), np.zeros_like(arrays["bias"])
    long = Recipe(epochs=int(np.clip(100_000 / n, 10, 60)), rate=2e-3, head_rate=2e-3, layer_decay=1.0)
    yield SCRATCH, functools.partial(judged, blank, "", zeros, long)


def rule(n: int) -> str:
    """Return the arm that the 2x2 rule names at this size."""
    from headstart.finetuning.rule import place
    from headstart.finetuning.similarity import ENOUGH

    return SAID[place(n, 10, similarity(min(n, ENOUGH))).ways[0]]


@functools.cache
def similarity(n: int) -> float | None:
    """Return how similar the first ``n`` pictures are to the source."""
    from headstart.finetuning.similarity import source_similarity
    from headstart.sources import get

    pictures = loaded(n).pictures
    assert pictures is not None
    return source_similarity(pictures, get("lite0")).overall


def collected(kept: dict[str, dict[str, float]]) -> Scores:
    """Return the scores of all draws, by arm and size."""
    found: Scores = {}
    for key, row in sorted(kept.items(), key=lambda item: int(item[0].split()[0])):
        for arm, score in row.items():
            found.setdefault(arm, {}).setdefault(int(key.split()[0]), []).append(score)
    return found


def crossings(found: Scores) -> str:
    """Return at which size one of the arms that are drawn overtakes another, by a line over the size's logarithm."""
    means = {arm: {n: float(np.mean(values)) for n, values in found[arm].items()} for arm in DRAWN}
    lines = ["| overtakes | is overtaken | at |", "|---|---|---|"]
    for one, other in itertools.permutations(DRAWN, 2):
        sizes = [n for n in means[one] if n in means[other]]
        ahead = [means[one][n] - means[other][n] for n in sizes]
        for k, (before, after) in enumerate(itertools.pairwise(ahead)):
            if before <= 0 < after:
                at = sizes[k] * (sizes[k + 1] / sizes[k]) ** (-before / (after - before))
                lines.append(f"| {one} | {other} | {float(f'{at:.2g}'):,.0f} |")
    return "\n".join(lines)


def plot(found: Scores) -> Any:
    """Return the curves of some arms over the size, every draw a dot."""
    from plotly.graph_objects import Figure

    from headstart.results.plotting import PALETTE, styled

    figure = Figure()
    for arm, colour in zip(DRAWN, PALETTE, strict=True):
        mine = found[arm]
        figure.add_scatter(
            x=list(mine), y=[float(np.mean(values)) for values in mine.values()], name=arm, mode="lines+markers",
            line={"color": colour, "width": 2}, marker={"size": 6},
        )  # fmt: skip
        dots = [(n, value) for n, values in mine.items() for value in values if len(values) > 1]
        if dots:
            x, y = zip(*dots, strict=True)
            figure.add_scatter(
                x=x, y=y, mode="markers", showlegend=False, hoverinfo="skip",
                marker={"color": colour, "size": 4, "opacity": 0.5},
            )  # fmt: skip
    styled(figure, height=520, x="training pictures", y="macro-F1 on 5,000 test pictures")
    sizes = sorted({n for mine in found.values() for n in mine})
    return figure.update_xaxes(type="log", tickvals=sizes, ticktext=[f"{n:,}" for n in sizes])


def table(found: Scores) -> str:
    """Return one row an arm and one column a size, the best of each size in bold, and what the rule says."""
    sizes = sorted({n for mine in found.values() for n in mine})
    means = {arm: {n: f"{np.mean(values):.3f}" for n, values in mine.items()} for arm, mine in found.items()}
    best = {n: max(mine[n] for mine in means.values() if n in mine) for n in sizes}
    lines = ["| arm | " + " | ".join(f"{n:,}" for n in sizes) + " |", "|---" * (1 + len(sizes)) + "|"]
    for arm, mine in means.items():
        cells = [f"**{mine[n]}**" if mine.get(n) == best[n] else mine.get(n, "") for n in sizes]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    lines.append("| *the rule says* | " + " | ".join(rule(n) for n in sizes) + " |")
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
    kept: dict[str, dict[str, float]] = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for n, draw in [(size, draw) for size in options.sizes for draw in range(DRAWS if size <= FEW else 1)]:
        row = kept.setdefault(f"{n} {draw}", {})
        if (SCRATCH if n <= DEAR else COLOUR) in row:  # the last arm
            continue
        for name, score in arms(n, draw):
            if name not in row:
                row[name] = score()
                print(n, draw, name, f"{row[name]:.3f}", flush=True)
                options.keep.write_text(json.dumps(kept, indent=1) + "\n")
    found = collected(kept)
    if options.picture:
        picture(plot(found), options.picture, (900, 540))
    publish(table(found) + "\n\n" + crossings(found), options.write, "sizes")


if __name__ == "__main__":
    main()

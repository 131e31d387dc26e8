"""The layer probe on real data: curves by depth, what they cost, and the calibration of the 2x2 rule.

    python benchmarks/probe.py SHARED [--pictures docs] [--write BENCHMARKS.md]
    python benchmarks/probe.py SHARED --calibrate [--sources lite0 lite2 ...] [--keep FILE] [--write BENCHMARKS.md]

SHARED is the folder that holds ``data/clothing``, ``data/emoji``, ``data/bccd`` and ``data/imagenet_samples``. ELPV is
used where ``elpv-dataset`` is installed, Fashion-MNIST where Debian's ``dataset-fashion-mnist`` is. Test parts are not
touched. ``--keep`` holds what was measured, so that an interrupted calibration goes on.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import picture, publish
from PIL import Image, ImageFilter, ImageOps
from targets import targets

from headstart.data import PictureSet, Target, load_target
from headstart.features.activations import compute
from headstart.finetuning.probe import probe
from headstart.finetuning.similarity import ENOUGH, source_similarity
from headstart.sources import get

MOST = 1000  # pictures a target in the calibration
SIZES = (5, 10, 20, 40, 80, 160, 320, 640)  # examples a class


ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "inverted": ImageOps.invert,
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "32 px": lambda picture: picture.resize((32, 32)),
    "24 px inverted": lambda picture: ImageOps.invert(picture.resize((24, 24))),
    "black and white": lambda picture: ImageOps.grayscale(picture).point(lambda v: 255 * (v > 110)).convert("RGB"),
    "edges": lambda picture: picture.filter(ImageFilter.FIND_EDGES),
}


def variants(shared: Path) -> Iterator[tuple[str, str, Callable[[], Target]]]:
    """Yield (target, alteration, how to load it): photos keep their labels while they are led away from the source."""
    for name, load in targets(shared).items():
        yield name, "", lambda load=load: sampled(load(), None)
        if name in {"Grocery-14", "Clothing-10"}:
            for what, change in ALTERED.items():
                yield name, what, lambda load=load, change=change: sampled(load(), change)


def sampled(target: Target, change: Callable[[Image.Image], Image.Image] | None) -> Target:
    """Return some of the development part, altered, as a target of its own; a fifth becomes its test part."""
    assert target.pictures is not None
    rng = np.random.default_rng(0)
    rows = target.rows("train", "val")
    rows = np.sort(rng.permutation(rows)[:MOST])
    opened = (target.pictures.open(int(row), at_least=256) for row in rows)
    pictures = [np.asarray(change(picture) if change else picture) for picture in opened]
    return load_target((pictures, target.labels[rows]), group=target.groups[rows])


def curves(shared: Path, source: str, pictures: Path | None) -> str:
    """Probe each target; return the table."""
    lines = [
        "| target | pictures | similarity | best tap | macro-F1 | turn | last | first time | from the cache |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, load in targets(shared).items():
        target = load()
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            found = probe(target, source)
            seconds.append(time.perf_counter() - started)
        best, last = found[found.best], found.taps[-1]
        lines.append(
            f"| {name} | {found.n:,} | {found.similarity.overall or np.nan:.3f} | {found.best} | {best.score} "
            f"| {found.turn} | {last.score.value:.3f} | {seconds[0]:.1f} s | {seconds[1]:.1f} s |"
        )
        print(lines[-1], flush=True)
        if pictures:
            picture(found.plot(), pictures / f"probe-{name.lower().replace(' ', '-')}.png")
    return "\n".join(lines)


def calibrate(shared: Path, sources: list[str], keep: Path | None) -> str:
    """Return the tables that the thresholds of ``finetuning/rule.py`` come from."""
    kept: dict[str, Any] = json.loads(keep.read_text()) if keep and keep.exists() else {}

    def once(key: str, measure: Callable[[], Any]) -> Any:
        if key not in kept:
            kept[key] = measure()
            print(key, kept[key], flush=True)
            if keep:
                keep.write_text(json.dumps(kept))
        return kept[key]

    rows = [
        (source, name, what, *once(f"{source}: {name} {what}".strip(), lambda s=source, load=load: gap(load(), s)))
        for source in sources
        for name, what, load in variants(shared)
    ]
    own = {source: once(f"{source}: ImageNet", lambda s=source: of_imagenet(shared, s)) for source in sources}
    learned = {
        (name, source): once(f"{source}: {name} by size", lambda s=source, load=load: learning_curve(load(), s))
        for name, load in targets(shared).items()
        if name not in {"Grocery-5", "BCCD cells"}
        for source in sources
    }
    return similarity_table(rows, own) + "\n\n" + size_table(learned)


def gap(target: Target, source: str) -> tuple[float, str, float, float, float]:
    """Return similarity, best earlier tap, and its gain over the last with the ends of its interval."""
    found = probe(target, source)
    earlier = max(found.taps[:-1], key=lambda tap: (tap.gain.low > 0, tap.score.value))
    return (
        found.similarity.overall or np.nan,
        earlier.name,
        *(float(end) for end in (earlier.gain.value, earlier.gain.low, earlier.gain.high)),
    )


def of_imagenet(shared: Path, source: str) -> float:
    """Return the similarity of pictures of the source's own data."""
    files = sorted((shared / "data" / "imagenet_samples").glob("*.JPEG"))
    drawn = np.random.default_rng(0).permutation(len(files))[:ENOUGH]
    return source_similarity(PictureSet([files[k] for k in drawn]), get(source)).overall or np.nan


def similarity_table(rows: list[Any], own: dict[str, float]) -> str:
    """Return similarity and gain of each pair (bold: measurable), and the threshold that separates best."""
    from scipy.stats import spearmanr

    similarity = np.array([row[3] for row in rows])
    ahead = np.array([row[6] > 0 for row in rows])
    sources = list(own)
    lines = ["| target | " + " | ".join(f"{source_name(source)} | earlier − last" for source in sources) + " |"]
    lines.append("|---" * (1 + 2 * len(sources)) + "|")
    for name, what in dict.fromkeys((row[1], row[2]) for row in rows):
        cells = [f"{name}{', ' + what if what else ''}"]
        for source in sources:
            _, _, _, value, tap, gain, low, _ = next(row for row in rows if row[:3] == (source, name, what))
            text = f"{gain:+.3f} {tap}"
            cells += [f"{value:.3f}", f"**{text}**" if low > 0 else text]
        lines.append("| " + " | ".join(cells) + " |")
    threshold, accuracy = separate(similarity, ahead)
    kept = [np.array([row[1] != name for row in rows]) for name in {row[1] for row in rows}]
    without = [separate(similarity[keep], ahead[keep])[0] for keep in kept if ahead[keep].any()]
    below = similarity < threshold
    order = spearmanr(similarity, [row[5] for row in rows])
    reached = ", ".join(f"{source_name(source)} {value:.3f}" for source, value in own.items())
    text = (
        f"Pictures of the source itself reach {reached}. **Threshold {threshold:.3f}** ({min(without):.3f} to "
        f"{max(without):.3f} when a target is left out), balanced accuracy {accuracy:.2f}: an earlier tap is "
        f"measurably better in {ahead[below].sum()} of {below.sum()} pairs below it and in {ahead[~below].sum()} of "
        f"{(~below).sum()} above. Rank correlation of similarity and gain: {order.statistic:+.2f} "
        f"(p = {order.pvalue:.3f}, the pairs taken as independent)."
    )
    return text + "\n\n" + "\n".join(lines)


def separate(similarity: np.ndarray, ahead: np.ndarray) -> tuple[float, float]:
    """Return the middle of the thresholds with the highest balanced accuracy for "ahead below it", and that."""
    values = np.unique(similarity)
    tried = (values[1:] + values[:-1]) / 2
    found = np.array([((similarity[ahead] < t).mean() + (similarity[~ahead] >= t).mean()) / 2 for t in tried])
    best = tried[found == found.max()]
    return float((best[0] + best[-1]) / 2), float(found.max())


def learning_curve(target: Target, source: str, draws: int = 3) -> list[tuple[float, float]]:
    """Return (examples a class, macro-F1) of a head on the frozen last tap; a third of the development is held out."""
    from headstart.data.splits import stratified_group_folds
    from headstart.finetuning.compare import CS
    from headstart.metrics import scores
    from headstart.training import LogisticHead, choose

    assert target.pictures is not None
    rng = np.random.default_rng(0)
    rows = target.rows("train", "val")
    y, groups, k = target.y[rows], target.groups[rows], len(target.classes)
    X = compute(target.pictures.subset(rows), get(source), taps=["last"])["last"]
    (pool, held), *_ = stratified_group_folds(y, groups, n_folds=3, random_state=0)
    points = []
    for size in SIZES:
        if size * k > len(pool):
            break
        reached = []
        for draw in range(draws if size < 160 else 1):
            drawn = [rng.permutation(pool[y[pool] == code]) for code in range(k)]
            part = np.concatenate([mine[: max(3, round(size * k * len(mine) / len(pool)))] for mine in drawn])
            folds = stratified_group_folds(y[part], groups[part], n_folds=5, random_state=draw)
            C = choose(X[part], y[part], folds, CS, n_classes=k).C
            head = LogisticHead(C=C, tol=1e-3).fit(X[part], y[part])
            reached.append(scores(y[held], head.predict_proba(X[held]))["macro_f1"])
        points.append((float(size), float(np.mean(reached))))
    return points


def size_table(learned: dict[tuple[str, str], list[tuple[float, float]]]) -> str:
    """Fit score(n) = c - a n^-b to each curve; return where a n^-b = 1 - c."""
    from scipy.optimize import curve_fit

    lines = ["| target | source | a | b | c | misfit | features limit from |", "|---|---|---|---|---|---|---|"]
    sizes = []
    for (name, source), points in learned.items():
        n, score = np.array(points).T
        law = lambda n, a, b, c: c - a * n**-b  # noqa: E731
        (a, b, c), _ = curve_fit(law, n, score, p0=(1, 0.5, 0.9), bounds=([0, 0.05, 0], [10, 3, 1]))
        sizes.append((a / (1 - c)) ** (1 / b) if c < 0.999 else np.inf)
        misfit = np.sqrt(np.mean((law(n, a, b, c) - score) ** 2))
        where = told(sizes[-1])
        lines.append(f"| {name} | {source_name(source)} | {a:.2f} | {b:.2f} | {c:.3f} | {misfit:.3f} | {where} |")
    low, middle = np.quantile(sizes, (0.25, 0.5), method="nearest")
    text = (
        f"**Large from {told(middle)}**, the middle of {len(sizes)} curves; a quarter of them lies below {told(low)}, "
        f"and {sum(size > SIZES[-1] for size in sizes)} beyond the largest number tried, {SIZES[-1]}."
    )
    return text + "\n\n" + "\n".join(lines)


def told(size: float) -> str:
    """Return a number of examples a class in words; what lies beyond those that were tried is no number."""
    return f"{size:,.0f} a class" if size <= SIZES[-1] else f"not by {SIZES[-1]}"


def source_name(source: str) -> str:
    """Return the part of a source's name that is not a path."""
    return source.partition("@")[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    parser.add_argument("--sources", nargs="+", default=["lite0"])
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.calibrate:
        text = calibrate(options.shared, options.sources, options.keep)
    else:
        text = curves(options.shared, options.sources[0], options.pictures)
    publish(text, options.write, "rule" if options.calibrate else "probe")


if __name__ == "__main__":
    main()

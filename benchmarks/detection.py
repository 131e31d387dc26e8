"""BCCD's blood cells: a detector on an ImageNet trunk beside the same detector from scratch, three seeds.

Both have the same minutes, the same size of the input and the same schedule; each keeps the epoch that is best on the
validation part. The data's own split; the test part is looked at once a row. Each row is kept in a file.

    python benchmarks/detection.py SHARED [--seeds 0 1 2] [--arms trunk weighted scratch] [--minutes 10]
                                          [--write docs/detection.md]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import publish

ARMS = {
    "trunk": "from the ImageNet trunk",
    "weighted": "from the trunk, rare classes weighted",
    "scratch": "from scratch",
}
COMPARED = ("trunk", "scratch")
RARE = "Platelets"
N_BOOT = 2000


def row(data: Path, arm: str, seed: int, minutes: float) -> dict[str, Any]:
    """Train one detector and look at the test part."""
    from headstart.detection import average_precision, load_detection_target
    from headstart.detection.contest import DetectorContest
    from headstart.detection.find import find_boxes
    from headstart.detection.inputs import choose_input
    from headstart.detection.matching import match_boxes
    from headstart.detection.scoring import best_thresholds, picture_scores
    from headstart.sources import get

    target, source = load_detection_target(data), get("lite0")
    rows, n_classes = target.rows("train"), len(target.classes)
    size = choose_input([target.boxes[one] for one in rows], target.sizes[rows], target.classes)
    with tempfile.TemporaryDirectory() as scratch:
        # Both arms are half of a contest of twice the time, so that the schedules are made alike.
        contest = DetectorContest(
            source, target, size, Path(scratch), budget=2 * 60 * minutes, strategy="auto", seed=seed, quiet=False,
            weights="sqrt" if arm == "weighted" else "none",
        )  # fmt: skip
        started = time.perf_counter()
        detector, course = contest.from_scratch() if arm == "scratch" else contest.transferred()
        taken = (time.perf_counter() - started) / 60
        rounds = [[one.name, one.score] for one in contest.rounds]

    def look(part: str) -> tuple[list[Any], list[Any]]:
        chosen = target.rows(part)
        boxes, _ = find_boxes(detector, target.pictures.subset(chosen), size, source.preprocessing.mean)
        return [target.boxes[one] for one in chosen], boxes

    thresholds = best_thresholds(*look("val"), n_classes)
    truth, found = look("test")
    measured = average_precision(truth, found, target.classes, n_boot=N_BOOT)
    return {
        "name": course.name,
        "rounds": rounds,
        "epochs": len(course.losses),
        "kept": course.best + 1,
        "validation": course.score,
        "minutes": taken,
        "mAP50": ends(measured.mean_ap50),
        "mAP": ends(measured.mean_ap),
        "classes": {name: ends(one) for name, one in zip(target.classes, measured.ap50, strict=True)},
        "objects": dict(zip(target.classes, measured.objects, strict=True)),
        "draws": drawn_map(match_boxes(truth, found, n_classes), len(truth)),
        "scores": picture_scores(truth, found, thresholds, n_classes).round(4).tolist(),
    }


def ends(interval: Any) -> list[float]:
    """Return value, low and high."""
    return [round(float(one), 4) for one in (interval.value, interval.low, interval.high)]


def drawn_map(matches: Any, n: int) -> list[float]:
    """Return mAP@0.5 on resamples of the pictures, the same for every row of the table."""
    from headstart.detection.accumulating import weighted_precision

    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_BOOT).astype(np.float64)
    precision, _ = weighted_precision(matches, weights)
    found: list[float] = np.nanmean(precision[:, 0], axis=1).round(4).tolist()
    return found


def table(kept: dict[str, Any]) -> str:
    """Return the rows, their means, and the verdict over seeds and pictures."""
    from headstart.evaluation import transfer_verdict

    classes = list(next(iter(kept.values()))["classes"])
    names = [f"{name} (the rare class)" if name == RARE else name for name in classes]
    lines = [
        f"| detector | seed | mAP@0.5 | {' | '.join(names)} | mAP@[.5:.95] | epochs (kept) | minutes |",
        "|---|---|---|" + "---|" * (len(classes) + 3),
    ]
    means = {}
    for arm, told in ARMS.items():
        mine = {key: one for key, one in sorted(kept.items()) if key.startswith(f"{arm}-")}
        for key, one in mine.items():
            figures = [one["mAP50"], *one["classes"].values(), one["mAP"]]
            lines.append(
                f"| {told} | {key.rpartition('-')[2]} | {' | '.join(map(shown, figures))} | "
                f"{one['epochs']} ({one['kept']}) | {one['minutes']:.1f} |"
            )
        if len(mine) > 1:
            means[arm] = np.mean([one["draws"] for one in mine.values()], axis=0)
            value = np.mean([one["mAP50"][0] for one in mine.values()])
            rare = np.mean([[one["classes"][name][0] for name in classes] for one in mine.values()], axis=0)
            whole = np.mean([one["mAP"][0] for one in mine.values()])
            minutes = np.mean([one["minutes"] for one in mine.values()])
            figures = [*[f"{one:.3f}" for one in rare], f"{whole:.3f}"]
            interval = shown([value, *np.percentile(means[arm], [2.5, 97.5])])
            lines.append(f"| **{told}** | mean | **{interval}** | {' | '.join(figures)} | | {minutes:.1f} |")
    if all(arm in means for arm in COMPARED):
        gain = means["trunk"] - means["scratch"]
        low, high = np.percentile(gain, [2.5, 97.5])
        pair = [[one["scores"] for key, one in sorted(kept.items()) if key.startswith(f"{arm}-")] for arm in COMPARED]
        lines += [
            "",
            f"Gain in mAP@0.5, mean of the seeds: {gain.mean():.3f} ({low:.3f} to {high:.3f} over the pictures). "
            f"By the F1 of each test picture: {transfer_verdict(*pair).headline()}",
        ]
    return "\n".join(lines)


def shown(figures: list[float]) -> str:
    """Return a figure with its interval."""
    value, low, high = figures
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def main() -> None:
    """Run each row that is not kept yet; print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path, help="Folder with data/bccd.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(COMPARED))
    parser.add_argument("--minutes", type=float, default=10.0, help="Minutes of each training.")
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "detection.json")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    for seed in options.seeds:
        for arm in options.arms:
            if f"{arm}-{seed}" not in kept:
                kept[f"{arm}-{seed}"] = row(options.shared / "data" / "bccd", arm, seed, options.minutes)
                options.keep.write_text(json.dumps(kept, sort_keys=True) + "\n")
    publish(table(kept), options.write, "detection")


if __name__ == "__main__":
    main()

"""The page's sections on objects in pictures: what is there, how well it is found, what to look at."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.detection.drawing import LEGEND, draw_boxes
from headstart.detection.scoring import Judged, judge, picture_scores
from headstart.report import (
    Block,
    Details,
    Figure,
    Gallery,
    KeyFigure,
    KeyFigures,
    Notes,
    Picture,
    Section,
    Table,
    answer_section,
)

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from headstart.detection import AveragePrecision, Boxes, BoxProfile, DetectionTarget

_SIDE = 480
_SHOWN = 12


def detection_sections(
    target: DetectionTarget,
    profile: BoxProfile,
    answer: AveragePrecision,
    found: Sequence[Boxes],
    thresholds: ArrayLike,
) -> list[Section]:
    """Return the sections of a detector: what the data holds, how well objects are found, which pictures to look at.

    Parameters
    ----------
    target : DetectionTarget
    profile : BoxProfile
    answer : AveragePrecision
        On the test part.
    found : sequence of Boxes
        All that was found in the pictures of the test part, in the order of ``target.rows("test")``.
    thresholds : array_like, shape (k,)
        Score from which on a box of each class is shown, chosen on the validation part.
    """
    truth = [target.boxes[row] for row in target.rows("test").tolist()]
    limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), (len(target.classes),))
    judged = judge(truth, found, limits, len(target.classes))
    return [
        profile_section(profile, target),
        quality_section(answer, shown_frame(target.classes, truth, judged, limits.tolist())),
        look_at_section(target, truth, judged, picture_scores(truth, found, limits, len(target.classes)).tolist()),
    ]


def profile_section(profile: BoxProfile, target: DetectionTarget) -> Section:
    """Return what the pictures hold, and what was left out."""
    figures = [
        KeyFigure("objects a picture", profile.per_picture[2], explanation="in the median picture", digits=1),
        KeyFigure("imbalance ratio", profile.imbalance_ratio, explanation="most frequent class over rarest", digits=1),
        KeyFigure(
            "tiny boxes",
            sum(profile.tiny),
            explanation=f"a side under 8 pixels where the picture's shorter side is {profile.shorter_side}",
        ),
    ]
    blocks: list[Block | str] = [
        KeyFigures(figures),
        Figure(
            profile.plot(),
            "How large the boxes of each class are, relative to their picture",
            "Square root of the box's area over the picture's: least, quartiles, largest.",
        ),
        Table(profile.to_frame(), "Objects of each class", bar="train"),
    ]
    if profile.notes:
        blocks.append(Notes("What was done while loading", list(profile.notes), open=len(profile.notes) <= 4))
    if target.left_out:
        blocks.append(Notes("Left out", list(target.left_out.items())))
    return answer_section(profile, *blocks, table=False)


def quality_section(answer: AveragePrecision, shown: pd.DataFrame) -> Section:
    """Return average precision by class with its intervals, the curves, and what a person gets to see."""
    figures = [
        KeyFigure.of("mAP@0.5", answer.mean_ap50, "the mean over the classes, boxes overlapping by half or more"),
        KeyFigure.of("mAP@[.5:.95]", answer.mean_ap, "the same, averaged over stricter overlaps"),
    ]
    if answer.rarest is not None and len(answer.classes) > 1:
        name, few = answer.classes[answer.rarest], answer.objects[answer.rarest]
        text = f"the rarest class, {few:,} of {sum(answer.objects):,} objects"
        figures.append(KeyFigure.of(f"{name}: AP@0.5", answer.ap50[answer.rarest], text))
    blocks: list[Block | str] = [
        KeyFigures(figures),
        Table(class_frame(answer), "Average precision of each class, the rarest first, with 95 % intervals", limit=30),
        Figure(
            answer.plot(),
            "Precision and recall of each class as boxes of lower and lower scores are taken",
            "Recall is the share of the objects that are found, precision the share of the boxes that are right, at "
            "IoU 0.5. The figure beside a class is its AP@0.5.",
        ),
        Table(shown, "What is shown: boxes from a score on that was chosen on the validation part", limit=30),
    ]
    return answer_section(answer, *blocks, Details("Every figure", [Table(answer.to_frame(), limit=30)]), table=False)


def look_at_section(
    target: DetectionTarget, truth: Sequence[Boxes], judged: Sequence[Judged], scores: Sequence[float]
) -> Section:
    """Return the test pictures with their boxes, those with the worst mistakes first."""
    rows = target.rows("test").tolist()
    order = sorted(range(len(rows)), key=lambda i: (scores[i], -judged[i].mistakes))
    wrong = sum(one.mistakes > 0 for one in judged)
    pictures = [
        Picture(
            functools.partial(_drawn, target, rows[i], truth[i], judged[i]),
            _lines(target.classes, truth[i], judged[i]),
            str(target.ids[rows[i]]),
        )
        for i in order
    ]
    headline = (
        f"{wrong:,} of {len(rows):,} test pictures have a miss or a false alarm; the worst come first."
        if wrong
        else f"No miss and no false alarm in {len(rows):,} test pictures."
    )
    return Section(
        "Which pictures should I look at?", headline, [Gallery(pictures, LEGEND, limit=_SHOWN, side=_SIDE, wide=True)]
    )


def class_frame(answer: AveragePrecision) -> pd.DataFrame:
    """Return the figures of each class in few columns, intervals as text."""
    import pandas as pd

    full = answer.to_frame()
    frame = full[["objects", "pictures"]].copy()
    columns: list[pd.Series] = [frame["objects"], frame["pictures"]]
    for name in ("AP@0.5", "AP@[.5:.95]", "recall"):
        columns.append(full[name])
        ends = [
            "" if low != low else f"{low:.3f}–{high:.3f}"
            for low, high in zip(full[f"{name} low"], full[f"{name} high"], strict=True)
        ]
        if name != "recall":
            columns.append(pd.Series(ends, index=full.index, name="interval"))
    return pd.concat(columns, axis=1)


def shown_frame(
    classes: Sequence[str], truth: Sequence[Boxes], judged: Sequence[Judged], thresholds: Sequence[float]
) -> pd.DataFrame:
    """Return for each class what became of the boxes that are shown."""
    import pandas as pd

    rows = []
    for code, limit in enumerate(thresholds):
        right, alarms, missed = (
            sum(int((flags & (boxes.labels == code)).sum()) for flags, boxes in pairs)
            for pairs in (
                [(one.right, one.found) for one in judged],
                [(one.alarms, one.found) for one in judged],
                [(one.missed, boxes) for one, boxes in zip(judged, truth, strict=True)],
            )
        )
        precision = right / (right + alarms) if right + alarms else np.nan
        recall = right / (right + missed) if right + missed else np.nan
        rows.append((limit, right, alarms, missed, precision, recall))
    columns = ["score from", "right", "false alarms", "missed", "precision", "recall"]
    return pd.DataFrame(rows, index=pd.Index(classes, name="class"), columns=columns)


def _drawn(target: DetectionTarget, row: int, truth: Boxes, judged: Judged) -> Image:
    return draw_boxes(target.pictures.open(row), truth, judged, target.classes, side=_SIDE)


def _lines(classes: Sequence[str], truth: Boxes, judged: Judged) -> list[tuple[str, str]]:
    ignored = 0 if truth.ignore is None else int(truth.ignore.sum())
    lines = [("found", f"{int(judged.right.sum()):,} of {len(truth) - ignored:,}")]
    for title, flags, boxes in (("missed", judged.missed, truth), ("false alarms", judged.alarms, judged.found)):
        counts = np.bincount(boxes.labels[flags], minlength=len(classes))
        if counts.any():
            lines.append((title, ", ".join(f"{n} {name}" for n, name in zip(counts, classes, strict=True) if n)))
    return lines

"""The page's sections on normalization: what was found in the source's layers, and which statistics they keep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headstart.pipeline.norm_ways import accumulated
from headstart.report import Block, Decision, Details, Figure, Notes, Section, Table, answer_section

if TYPE_CHECKING:
    from headstart.normalization import Audit
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.norming import Norming

_WAYS = {
    "source": "the statistics of the source, held",
    "recalibrated": "those of these pictures, held",
    "group": "group normalization, which has none",
    "batch": "those of each batch",
}


def norm_sections(found: Findings) -> list[Section]:
    """Return the sections of what was looked at; none where nothing was."""
    sections = []
    if found.audit is not None:
        sections.append(_audit(found.audit))
    if found.norming is not None:
        sections.append(_norming(found.norming))
    return sections


def _audit(answer: Audit) -> Section:
    blocks: list[Block | str] = []
    if any(not math.isnan(layer.shift) for layer in answer.layers):
        caption = "How far each layer's statistics of these pictures are from the source's, in the order of the layers"
        blocks.append(Figure(answer.plot(), answer.headline(), caption))
    if answer.findings:
        lines = [(f"{one.severity}, {one.layer}", f"{one.message}; mend: {one.mend}") for one in answer.findings]
        blocks.append(Notes("What was found", lines, open=len(lines) <= 4))
    frame = answer.to_frame()
    if len(frame):
        blocks.append(Details("Each layer in figures", [Table(frame, limit=len(frame))]))
    return answer_section(answer, *blocks, table=False)


def _norming(answer: Norming) -> Section:
    blocks: list[Block | str] = []
    if answer.gain is not None:
        frame = answer.to_frame()
        why = (
            f"A cross-validated logistic head on the last tap, {answer.n:,} development pictures, the same folds for "
            f"both. The target's statistics were taken from {answer.n_statistics:,} of them, without their labels. The "
            "source's are left only for a gain whose paired 95 % interval is above zero. The test part played no role."
        )
        blocks.append(
            Decision(
                f"Statistics of the {answer.taken if answer.taken == 'source' else 'target'}.", why, frame,
                list(frame.index).index(answer.taken), "--norm source|recalibrated",
            )
        )  # fmt: skip
    if answer.tuned:
        ways = "; ".join(_WAYS[way] for way in answer.tuned)
        size = f"batch of {answer.batch_size}" if answer.batch_size > 1 else "batch of one picture"
        count = accumulated(answer.batch_size)
        blocks.append(
            f"Fine-tuning, with a {size}: {ways}. "
            + ("The first within one standard error of the best is taken. " if len(answer.tuned) > 1 else "")
            + (f"A step adds up the gradients of {count} batches. " if count > 1 else "")
            + ("" if "batch" in answer.tuned else "Nothing is estimated from a batch, so its size changes no result.")
        )
    return answer_section(answer, *blocks, table=False)

"""The page's sections on other data: how it differs from the target, and what of it was carried over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.report import Block, Decision, Figure, KeyFigure, KeyFigures, Notes, Section, answer_section

if TYPE_CHECKING:
    from headstart.pipeline.carried import Carried
    from headstart.pipeline.findings import Findings


def carried_sections(found: Findings) -> list[Section]:
    """Return the sections on other data; none where there was none."""
    sections = []
    if found.scenario is not None:
        sections.append(answer_section(found.scenario))
    if found.carried is not None:
        sections.append(_carried(found.carried))
    return sections


def _carried(answer: Carried) -> Section:
    frame = answer.to_frame()
    why = (
        f"Each way learned from {answer.n_source:,} examples of {answer.source} and, fold by fold, from the target's "
        f"own {answer.n:,}, and was judged on target examples that it had not seen; the test part played no role. "
        "Taken is the one with the lowest log loss among those whose macro-F1 lies within one standard error of the "
        "best, if it is one linear layer and gains anything on other divisions into folds; else the target's own head."
    )
    expected = KeyFigure.of("macro-F1 to expect", answer.estimate, "on new examples, the choice paid for")
    blocks: list[Block | str] = [
        KeyFigures([expected]),
        Figure(answer.plot(), "Gain of each way over the target alone, with its 95 % interval; filled: taken"),
        Decision(f"{answer.taken[0].upper()}{answer.taken[1:]}.", why, frame, list(frame.index).index(answer.taken)),
    ]
    if answer.failed:
        blocks.append(Notes("What could not be tried", list(answer.failed)))
    return answer_section(answer, *blocks, table=False)

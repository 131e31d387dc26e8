"""The page's section on the bake-off: what was taken, what else was tried, how sure the order is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.report import (
    Block,
    Decision,
    Details,
    Figure,
    KeyFigure,
    KeyFigures,
    Notes,
    Section,
    Table,
    answer_section,
)

if TYPE_CHECKING:
    from headstart.pipeline.bakeoff import BakeOff


def bakeoff_section(answer: BakeOff) -> Section:
    """Return the section of the bake-off."""
    import pandas as pd

    frame = answer.to_frame()
    why = (
        f"Every candidate predicted the same {answer.n:,} development examples out of fold; groups and copies were "
        "never torn apart, and the test part played no role. Taken is the one with the lowest log loss among those "
        "whose macro-F1 lies within one standard error of the best."
    )
    figures = [
        KeyFigure.of(
            "macro-F1 to expect", answer.estimate, "on new examples of the same kind, corrected for the choice (BBC-CV)"
        )
    ]
    blocks: list[Block | str] = [
        KeyFigures(figures),
        Figure(answer.plot(), f"Gain of each candidate over {answer.entries[0].name}, with its 95 % interval"),
        Decision(
            f"{answer.winner[0].upper()}{answer.winner[1:]} ({answer.entry(answer.winner).detail}).",
            why,
            frame.drop(columns=["kind", "settings", "examples"]),
            list(frame.index).index(answer.winner),
            "--strategy linear|frozen|auto, --budget MINUTES",
        ),
    ]
    if answer.rounds:
        table = pd.DataFrame([{**one, "cut": one["cut"] or "the whole network"} for one in answer.rounds])
        blocks.append(Details("The rounds of fine-tuning", [Table(table.set_index("cut"))]))
    if answer.notes:
        blocks.append(Notes("What was not tried", list(answer.notes)))
    return answer_section(answer, *blocks, table=False)

"""The page's sections on the bake-off: what each layer knows, the rule, what was taken and tried, the verdict."""

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
    from headstart.evaluation.verdict import TransferVerdict
    from headstart.pipeline.bakeoff import BakeOff
    from headstart.pipeline.findings import Findings


def bakeoff_sections(found: Findings) -> list[Section]:
    """Return the sections of what was found on the way to a model; none where there was no bake-off."""
    sections = []
    if found.probe is not None:
        plot = Figure(found.probe.plot(), "Score of a head on each tap, and similarity to the source, by depth")
        table = Details("Each tap in figures", [Table(found.probe.to_frame())])
        sections.append(answer_section(found.probe, plot, table, table=False))
    if found.rule is not None:
        fields = Figure(found.rule.plot(), found.rule.headline(), "The rule's four fields, and this target's place")
        sections.append(answer_section(found.rule, fields, table=False))
    if found.warm is not None:
        sections.append(answer_section(found.warm))
    if found.bakeoff is not None:
        sections.append(_bakeoff(found.bakeoff))
    if found.verdict is not None:
        seeds = "Gain over the baseline, by each seed and by all together, with 95 % intervals"
        plot = Figure(found.verdict.plot(), found.verdict.headline(), seeds)
        sections.append(answer_section(found.verdict, plot, *_known(found.verdict), table=False))
    return sections


def _known(answer: TransferVerdict) -> list[str]:
    """Return what is said of the source itself where it helps; where it is not shown to, a warning says so."""
    if answer.answer != "helps" or answer.knowledge is None:
        return []
    low, high = (f"{100 * end:.1f}" for end in (answer.knowledge.low, answer.knowledge.high))
    return [
        f"The source knows something of use here: a head on its frozen features reaches {low} to {high} points of "
        "balanced accuracy more than one on those of the same network with its weights in random order."
    ]


def _bakeoff(answer: BakeOff) -> Section:
    import pandas as pd

    frame = answer.to_frame()
    why = (
        f"Compared on the {answer.n:,} development examples that every candidate which carries knowledge over "
        "predicted out of fold; a gain is on all that it and the plain one predicted. Groups and copies were never "
        "torn apart, and the test part played no role. Taken is the one with the lowest log loss among those "
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
        shown = [{**one, "cut": one["cut"] or "the whole network", "rate": f"{one['rate']:g}"} for one in answer.rounds]
        table = pd.DataFrame(shown)
        blocks.append(Details("The rounds of fine-tuning", [Table(table.set_index("cut"))]))
    if answer.notes:
        blocks.append(Notes("What was not tried", list(answer.notes)))
    return answer_section(answer, *blocks, table=False)

"""The page of measured tasks: affinities before and after, the tree, the taxonomy of each budget, what they buy."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from headstart.report import Details, Figure, KeyFigure, Section, Table, answer_section, render
from headstart.taskonomy.plots import affinity_heatmap, random_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.taskonomy import MeasuredTasks

_USUAL = 2


def tasks_page(found: MeasuredTasks, *, title: str, command: Sequence[str] = ()) -> str:
    """Return the report of a measurement as one HTML page that needs nothing else."""
    two = found.at(_USUAL)
    facts = {
        "Tasks": str(len(found.tasks)),
        "Pictures": f"{found.n_pictures:,}",
        "Repetitions": str(found.seeds),
        "Encoder": found.encoder,
    }
    sections = [_affinities(found), _budgets(found), *_tree(found), _references(found)]
    return render(
        sections,
        title=title,
        subtitle="which tasks help which",
        facts=facts,
        verdict=found.headline(),
        figures=[
            KeyFigure.of(
                f"quality at budget {two.budget}", two.chosen,
                "how often a transfer beats full supervision, mean over targets; 0.5 is as good",
            )
        ],
        command=shlex.join(command),
    )  # fmt: skip


def _affinities(found: MeasuredTasks) -> Section:
    order = list(found.tree.to_frame().index) if found.tree else None
    losses = found.affinity.assign(value=-found.affinity["loss"])
    return answer_section(
        found,
        Figure(
            found.plot(),
            "Each task as a target (row) and as a source (column): darker transfers better.",
            "Affinities, after ordinal normalization; coloured by rank within a row.",
            found.matrix(),
        ),
        Details("Before normalization", [
            Figure(
                affinity_heatmap(losses, order),
                "The mean losses that affinities are made from.",
                "Minus the mean loss of each transfer; coloured by rank within a row.",
            )
        ]),
        caption="Every transfer: affinity with its interval over repetitions; quality, gain, metric and loss on the "
        "judging pictures.",
    )  # fmt: skip


def _budgets(found: MeasuredTasks) -> Section:
    graphs = [
        Details(
            f"Budget {one.budget:g}: {', '.join(one.sources)}",
            [Figure(one.plot(), f"Which task each target is transferred from within a budget of {one.budget:g}.")],
        )
        for one in found.curve.taxonomies
    ]
    return Section(
        found.curve.question,
        found.curve.headline(),
        [
            Figure(
                random_lines(found),
                "Mean quality against budget, of the chosen tasks and of as many tasks at random.",
                "Quality is the share of judging pictures on which a transfer beats full supervision.",
                found.by_budget(),
            ),
            Figure(
                found.curve.plot(),
                "Value, gain and quality against budget.",
                "Gain is the share on which it beats a network trained from scratch on the same few pictures.",
            ),
            *graphs,
        ],
        found.curve.warnings,
    )


def _tree(found: MeasuredTasks) -> list[Section]:
    if found.tree is None:
        return []
    alt = "Tasks joined by the likeness of what they transfer to."
    return [answer_section(found.tree, Figure(found.tree.plot(), alt), table=False)]


def _references(found: MeasuredTasks) -> Section:
    parts = (
        f"{found.n_encode:,} pictures train encoders, {found.n_few:,} others decoders, {found.n_compare:,} compare "
        f"sources, {found.n_judge:,} judge."
    )
    return Section("How well is each task solved without a transfer?", parts, [Table(found.references(), limit=40)])

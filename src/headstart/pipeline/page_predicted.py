"""The report of a fit of ranks, numbers, labels or heads."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.evaluation.head_choice import titled
from headstart.evaluation.scored import TITLES
from headstart.pipeline.page import given_blocks, input_fit_section, provenance, repeated, source_section
from headstart.report import (
    Block,
    ConfusionMatrix,
    Decision,
    Details,
    Figure,
    Gallery,
    KeyFigure,
    KeyFigures,
    Picture,
    Section,
    Table,
    answer_section,
    render,
)
from headstart.report.thumbnails import SIDE

if TYPE_CHECKING:
    from headstart.data.values_profile import ValuesProfile
    from headstart.pipeline.plan import Plan
    from headstart.pipeline.predicting import Predicted

_SHOWN = 24
_RULES = {
    "ordinal": "The rule was chosen by quadratic weighted kappa out of fold; tuned points were judged on rows that had "
    "no part in tuning them.",
    "multilabel": "Each label's threshold makes its F1 highest out of fold; their gain was judged on rows that had no "
    "part in tuning them.",
}  # fmt: skip


def predicted_page(found: Predicted, plan: Plan) -> str:
    """Return the page, as HTML."""
    target, source = found.target, found.source
    sections = [_profile(found)]
    if source is not None:
        sections.append(source_section(found))
    if found.input_fit is not None:
        sections.append(input_fit_section(found))
    if found.known is not None:
        sections.append(answer_section(found.known))
    sections.append(_head(found))
    if found.decision is not None:
        sections.append(answer_section(found.decision, _RULES.get(target.task, "")))
    if found.verdict is not None:
        sections.append(_verdict(found))
    if found.scored is not None:
        sections += [_scored(found), _look_at(found)]
    parts = {part: len(target.rows(part)) for part in ("train", "val", "test")}
    return render(
        sections,
        title=target.name,
        subtitle=f"{target.what} · headstart fit",
        facts={
            "Pictures" if target.modality == "pictures" else "Rows": f"{sum(parts.values()):,}",
            "Predicted": target.what,
            "Learned from": f"{parts['train'] + parts['val']:,}",
            "Tested on": f"{parts['test']:,}",
            "Source": source.name if source else "plain features",
        },
        verdict=found.headline(),
        figures=[] if found.scored is None else [_figure(found, found.scored.primary)],
        provenance=provenance(plan, target.fingerprint, source),
        command=repeated(plan),
    )


def _profile(found: Predicted) -> Section:
    profile = cast("ValuesProfile", found.profile)
    frame = profile.to_frame()
    blocks: list[Block | str] = [
        Table(frame, "Outside the test part", limit=30, bar="examples" if "examples" in frame else "")
    ]
    if found.target.task == "regression":
        blocks.insert(0, Figure(_histogram(found), "How the number is spread", "How the number is spread"))
    return answer_section(profile, *blocks, *given_blocks(found), table=False)


def _histogram(found: Predicted) -> object:
    from plotly import graph_objects as go

    from headstart.results.plotting import styled

    target = found.target
    assert target.values is not None
    figure = go.Figure()
    for part in ("train", "val", "test"):
        if len(rows := target.rows(part)):
            figure.add_histogram(x=target.values[rows, 0], name=part, nbinsx=40)
    styled(figure, height=260, x=next(iter(target.outputs)), y="examples")
    return figure.update_layout(barmode="stack")


def _head(found: Predicted) -> Section:
    answer = found.head
    assert answer is not None
    frame = answer.to_frame()
    chosen = list(frame.index).index(answer.chosen) if answer.chosen in frame.index else None
    folds = f"{answer.n_folds} folds of the development part; groups and copies were never torn apart."
    why = f"The penalty was chosen on {folds}"
    if answer.gains:
        why = (
            f"Compared by {titled(answer.metric)}, each head with its best penalty, on {folds} Another head than the "
            "plain one is taken only where its gain has a paired 95 % interval above zero."
        )
    what = f"{answer.chosen[0].upper()}{answer.chosen[1:]}."
    return answer_section(answer, Decision(what, why, frame, chosen), table=False)


def _verdict(found: Predicted) -> Section:
    verdict, kind = found.verdict, found.kind
    assert verdict is not None and kind is not None
    text = (
        "The baseline is the same head on handmade descriptors (shape, texture, colour), with its penalty chosen on "
        f"the same folds. The score of a picture is {kind.score}, out of fold."
    )
    return answer_section(verdict, text, table=False)


def _figure(found: Predicted, name: str) -> KeyFigure:
    scored = found.scored
    assert scored is not None
    label, explanation = TITLES[name]
    constant, value = scored.best_constant(name)
    top = max(1.0, *(one[name] for one in scored.useless.values()), scored.metrics[name].high)
    scale = (0.0, float(f"{1.05 * top:.1g}")) if name in ("mae", "rmse", "macro_mae") else (0.0, 1.0)
    return KeyFigure.of(
        label, scored.metrics[name], explanation, scale=scale, reference=value,
        reference_label=f"always {constant}",
    )  # fmt: skip


def _scored(found: Predicted) -> Section:
    scored, target = found.scored, found.target
    assert scored is not None
    blocks: list[Block | str] = [KeyFigures([_figure(found, name) for name in scored.metrics])]
    if scored.confusion is not None:
        blocks.append(
            ConfusionMatrix(scored.confusion, target.classes, "The test part: given in rows, predicted in columns")
        )
    if target.task == "regression":
        from headstart.evaluation.scored_plots import truth_against

        test = target.rows("test")
        assert target.values is not None and found.said is not None
        plot = truth_against(
            target.values[test, 0], found.said[test, 0], target.ids[test].tolist(), next(iter(target.outputs))
        )
        blocks.append(Figure(plot, "Predicted against given, test part", "The line is where both are equal."))
    blocks += [
        Table(scored.each_frame(), "The test part in parts", limit=30),
        Details("Every metric beside useless answers", [Table(scored.to_frame())]),
    ]
    return answer_section(scored, *blocks, table=False)


def _look_at(found: Predicted) -> Section:
    """The test examples that are furthest off."""
    target, kind = found.target, found.kind
    assert kind is not None and found.said is not None
    test = target.rows("test")
    order = test[np.argsort(kind.by_picture(test, found.said[test]), kind="stable")]
    wrong = [int(row) for row in order if (found.said[row] != kind.values[row]).any()][:_SHOWN]
    given, said = _texts(found, wrong)
    if not wrong:
        return Section("Which examples should I look at?", "None: every test example is right.")
    caption = f"The {len(wrong)} test examples that are furthest off"
    block: Block
    if target.pictures is None:
        import pandas as pd

        frame = pd.DataFrame({"given": given, "predicted": said}, index=pd.Index(target.ids[wrong], name="id"))
        block = Table(frame, caption, limit=_SHOWN)
    else:
        pictures = [
            Picture(
                functools.partial(target.pictures.open, row, at_least=SIDE), [("given", mine), ("predicted", other)],
                str(target.ids[row]),
            )
            for row, mine, other in zip(wrong, given, said, strict=True)
        ]  # fmt: skip
        block = Gallery(pictures, caption)
    headline = "These are furthest off: a wrong label, or something that the model has not seen."
    return Section("Which examples should I look at?", headline, [block])


def _texts(found: Predicted, rows: list[int]) -> tuple[list[str], list[str]]:
    from headstart.data.readers.answers import decoded

    target = found.target
    assert found.said is not None
    outputs = dict(target.outputs)
    said = decoded(found.said[rows], outputs, target.task)
    return [str(label) or "nothing" for label in target.labels[rows]], [text or "nothing" for text in said]

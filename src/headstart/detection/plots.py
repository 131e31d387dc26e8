"""Pictures of the detection room."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from headstart.detection.accumulating import RECALLS
from headstart.results.plotting import PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.detection.average import AveragePrecision
    from headstart.detection.facts import BoxProfile

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_MOST = 12  # curves that can still be told apart


def precision_recall(answer: AveragePrecision) -> Figure:
    """Return precision against recall at IoU 0.5, one curve a class, told apart by colour and by dashes.

    Of more than twelve classes the six with the lowest average precision and the six with the highest are drawn.
    """
    from plotly import graph_objects as go

    known = [code for code, one in enumerate(answer.ap50) if not math.isnan(one.value)]
    known.sort(key=lambda code: answer.ap50[code].value)
    if len(known) > _MOST:
        known = known[: _MOST // 2] + known[-_MOST // 2 :]
    figure = go.Figure()
    for place, code in enumerate(known):
        name, figures = html.escape(answer.classes[code]), answer.curves[code]
        reached = figures > 0
        figure.add_scatter(
            x=RECALLS[reached], y=figures[reached], mode="lines", name=f"{name} {answer.ap50[code].value:.3f}",
            line={"width": 2.5, "color": PALETTE[place % len(PALETTE)], "dash": _DASHES[place % len(_DASHES)]},
            hovertemplate=f"{name}: recall %{{x:.2f}}, precision %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    styled(figure, height=380, x="recall", y="precision")
    return figure.update_xaxes(range=[0, 1.01]).update_yaxes(range=[0, 1.03])


def box_sizes(profile: BoxProfile) -> Figure:
    """Return the relative sizes of the boxes of each class: quartiles, and a line from the least to the largest.

    Of more than twelve classes the twelve with the most objects are drawn.
    """
    from plotly import graph_objects as go

    totals = [sum(profile.objects[part][code] for part in profile.objects) for code in range(len(profile.classes))]
    order = sorted((code for code, n in enumerate(totals) if n), key=lambda code: -totals[code])[:_MOST]
    figure = go.Figure()
    quantiles = [profile.sizes[code] for code in order]
    figure.add_box(
        y=[html.escape(profile.classes[code]) for code in order], orientation="h", showlegend=False,
        **{name: [100 * one[i] for one in quantiles]
           for i, name in enumerate(("lowerfence", "q1", "median", "q3", "upperfence"))},
        line={"color": PALETTE[0], "width": 1.5},
    )  # fmt: skip
    styled(figure, height=110 + 34 * len(order), x="size of a box, % of its picture")
    return figure.update_yaxes(type="category", autorange="reversed").update_xaxes(rangemode="tozero")

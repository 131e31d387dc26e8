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
        name = html.escape(answer.classes[code])
        figure.add_scatter(
            x=RECALLS, y=answer.curves[code], mode="lines", name=f"{name} {answer.ap50[code].value:.3f}",
            line={"width": 2.5, "color": PALETTE[place % len(PALETTE)], "dash": _DASHES[place % len(_DASHES)]},
            hovertemplate=f"{name}: recall %{{x:.2f}}, precision %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    styled(
        figure,
        height=380,
        x="recall: share of the objects that are found",
        y="precision: share of boxes that are right",
    )
    return figure.update_xaxes(range=[0, 1.01]).update_yaxes(range=[0, 1.03])

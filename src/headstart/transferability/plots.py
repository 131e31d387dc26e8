"""The picture of a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import INK, MUTED, PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.transferability.ranking import Ranking

_CONFIRMED, _OTHER = PALETTE[0], PALETTE[6]
_LONGEST = 26  # letters of a name on the axis


def ranking_bars(ranking: Ranking) -> Figure:
    """Return the combined score of each source with its interval, the best on top; what was confirmed is filled.

    Beside each stands how often it was the best on halves of the pictures, and what its head reached.
    """
    from plotly import graph_objects as go

    rows = ranking.sources[::-1]
    names = [_short(one.name) for one in rows]
    scores = [one.placement.score for one in rows]
    figure = go.Figure()
    figure.add_scatter(
        x=[score.value for score in scores],
        y=names,
        mode="markers",
        marker={
            "size": 13,
            "color": [_CONFIRMED if one.tap else "white" for one in rows],
            "line": {"width": 2, "color": [_CONFIRMED if one.tap else _OTHER for one in rows]},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [score.high - score.value for score in scores],
            "arrayminus": [score.value - score.low for score in scores],
            "color": MUTED,
            "thickness": 1.5,
            "width": 5,
        },
        customdata=[[one.name, one.placement.first, one.seconds] for one in rows],
        hovertemplate="%{customdata[0]}: %{x:.2f}<br>best on %{customdata[1]:.0%} of the halves, "
        "%{customdata[2]:.0f} s<extra></extra>",
        showlegend=False,
    )
    styled(figure, height=90 + 44 * len(rows), x="combined score")
    for name, one, score in zip(names, rows, scores, strict=True):
        text = f"best on {one.placement.first:.0%}" + (f", head {one.tap.score.value:.3f}" if one.tap else "")
        figure.add_annotation(
            x=score.value,
            y=name,
            text=text,
            showarrow=False,
            yshift=17,
            font={"size": 11, "color": INK if one.tap else MUTED},
        )
    figure.update_yaxes(range=[-0.6, len(rows) - 0.3])
    low, high = min(score.low for score in scores), max(score.high for score in scores)
    pad = 0.12 * ((high - low) or 1.0)
    figure.update_xaxes(range=[low - pad, high + pad])
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"

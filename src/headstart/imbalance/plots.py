"""The pictures of this room: what useless models score, and what corrections gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headstart.results.plotting import INK, PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.imbalance.balanced import Balance
    from headstart.imbalance.metric import MetricChoice

_SYMBOLS = ("circle", "diamond", "square")


def useless(choice: MetricChoice) -> Figure:
    """Return what useless models score in each recommended and misleading metric, with the chance line of each."""
    from plotly import graph_objects as go

    order = [*choice.recommended, *choice.misleading]
    by_name = {row.metric: row for row in choice.rows}
    shown = [f"{name}  ✓" if name in choice.recommended else f"{name}  ✗" for name in order]
    figure = go.Figure()
    for place, (column, values) in enumerate(choice.baselines.loc[order].items()):
        figure.add_scatter(
            x=[float(value) for value in values], y=shown, mode="markers", name=str(column),
            marker={"size": 11, "symbol": _SYMBOLS[place], "color": PALETTE[place], "opacity": 0.85},
            hovertemplate="%{y}: %{x:.3f}<extra>" + str(column) + "</extra>",
        )  # fmt: skip
    chance = [by_name[name].chance for name in choice.recommended]
    figure.add_scatter(
        x=[value for value in chance if not math.isnan(value)], y=shown[: len(chance)], mode="markers", name="chance",
        marker={"size": 22, "symbol": "line-ns", "line": {"width": 2, "color": INK}},
        hovertemplate="%{y}: chance is %{x:.3f}<extra></extra>",
    )  # fmt: skip
    styled(figure, height=110 + 26 * len(order), x="score of a useless model")
    figure.update_xaxes(range=[-0.05, 1.05])
    return figure.update_yaxes(type="category", autorange="reversed")


def gains(balance: Balance) -> Figure:
    """Return the gain of each way over no correction with its interval; what was taken is filled."""
    from plotly import graph_objects as go

    rows = [way for way in balance.ways if way.name != "none"]
    colors = [PALETTE[0] if way.name == balance.taken else "white" for way in rows]
    gain = [way.gain for way in rows]
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure.add_scatter(
        x=[100 * one.value for one in gain], y=[way.name for way in rows], mode="markers", showlegend=False,
        marker={"size": 12, "color": colors, "line": {"width": 2, "color": PALETTE[0]}},
        error_x={
            "type": "data", "symmetric": False, "array": [100 * (one.high - one.value) for one in gain],
            "arrayminus": [100 * (one.value - one.low) for one in gain], "thickness": 1.5, "width": 5,
        },
        hovertemplate="%{y}: %{x:.1f} points<extra></extra>",
    )  # fmt: skip
    styled(figure, height=110 + 34 * len(rows), x=f"gain in {balance.metric} over no correction, points")
    return figure.update_yaxes(type="category", autorange="reversed")

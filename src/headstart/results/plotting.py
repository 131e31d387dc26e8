"""One look for every plot: colours that a colour-blind person can tell apart, quiet axes, no chart junk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plotly.graph_objects import Figure

    from headstart.metrics import Interval

# Okabe and Ito (2008), the usual palette for colour-vision deficiency, darkest first.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
INK, MUTED, GRID = "#1c2430", "#5b6675", "#e4e8ee"


def styled(figure: Figure, *, height: int | None = None, x: str = "", y: str = "") -> Figure:
    """Give ``figure`` the common look, axis titles ``x`` and ``y`` and, if given, a ``height`` in pixels."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "ticks": "", "automargin": True}
    figure.update_layout(
        template="none",
        colorway=list(PALETTE),
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hoverlabel={"font": {"size": 13}},
        xaxis={**axis, "title": {"text": x, "font": {"color": MUTED}}},
        yaxis={**axis, "title": {"text": y, "font": {"color": MUTED}}},
        autosize=True,
    )
    if height is not None:
        figure.update_layout(height=height)
    return figure


def gain_dots(names: Sequence[str], gains: Sequence[Interval], taken: str, metric: str, over: str) -> Figure:
    """Return what each way gains in ``metric`` over another, in points with its interval; the one taken is filled."""
    from plotly import graph_objects as go

    figure = go.Figure()
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure.add_scatter(
        x=[100 * one.value for one in gains], y=list(names), mode="markers", showlegend=False,
        marker={
            "size": 12, "color": [PALETTE[0] if name == taken else "white" for name in names],
            "line": {"width": 2, "color": PALETTE[0]},
        },
        error_x={
            "type": "data", "symmetric": False, "array": [100 * (one.high - one.value) for one in gains],
            "arrayminus": [100 * (one.value - one.low) for one in gains], "thickness": 1.5, "width": 5,
        },
        hovertemplate="%{y}: %{x:.1f} points<extra></extra>",
    )  # fmt: skip
    styled(figure, height=110 + 34 * len(names), x=f"gain in {metric} over {over}, points")
    return figure.update_yaxes(type="category", autorange="reversed")

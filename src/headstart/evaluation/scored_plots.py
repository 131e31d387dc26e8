"""Plots of metrics beside useless answers, and of predicted numbers against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import INK, MUTED, PALETTE, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    from headstart.evaluation.scored import Scored


def against_useless(found: Scored) -> Figure:
    """Return the metrics that have no unit, each with its interval, and the best useless answer as a line."""
    from plotly import graph_objects as go

    from headstart.evaluation.scored import LOWER_IS_BETTER, TITLES

    names = [name for name in found.metrics if name not in LOWER_IS_BETTER]
    titles = [TITLES[name][0] for name in names]
    values = [found.metrics[name] for name in names]
    figure = go.Figure()
    figure.add_scatter(
        x=[found.best_constant(name)[1] for name in names], y=titles, mode="markers", name="best useless answer",
        marker={"symbol": "line-ns", "size": 18, "line": {"width": 2, "color": MUTED}},
    )  # fmt: skip
    figure.add_scatter(
        x=[one.value for one in values], y=titles, mode="markers", name="this model",
        marker={"size": 11, "color": PALETTE[0]},
        error_x={
            "type": "data", "symmetric": False, "array": [one.high - one.value for one in values],
            "arrayminus": [one.value - one.low for one in values], "thickness": 1.5, "width": 5,
        },
    )  # fmt: skip
    styled(figure, height=120 + 34 * len(names), x="score; further right is better")
    return figure.update_yaxes(type="category", autorange="reversed")


def truth_against(y: NDArray[np.float64], predicted: NDArray[np.float64], ids: Sequence[str], name: str) -> Figure:
    """Return predicted numbers against true ones, with the line on which they are equal."""
    from html import escape

    from plotly import graph_objects as go

    low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
    figure = go.Figure()
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": INK, "width": 1}, hoverinfo="skip")
    figure.add_scatter(
        x=y, y=predicted, mode="markers", text=[escape(str(one)) for one in ids],
        marker={"size": 6, "color": PALETTE[0], "opacity": 0.45},
        hovertemplate="%{text}: %{x:.4g}, predicted %{y:.4g}<extra></extra>",
    )  # fmt: skip
    styled(figure, height=420, x=f"{escape(name)}, given", y="predicted")
    return figure.update_layout(showlegend=False)

"""The picture of a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.scenario.marginal import Marginal

_MOST = 20
_LONGEST = 26  # letters of a name on the axis


def shift_bars(found: Marginal, level: float = 0.05) -> Figure:
    """Return the distance of source and target in each feature, the 20 that moved most; grey: it may be chance."""
    from plotly import graph_objects as go

    rows = sorted(found.features, key=lambda one: -one.distance)[:_MOST][::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[one.distance for one in rows],
        y=[one.name if len(one.name) <= _LONGEST else f"…{one.name[1 - _LONGEST :]}" for one in rows],
        orientation="h",
        marker={"color": [PALETTE[0] if one.adjusted <= level else PALETTE[6] for one in rows]},
        customdata=[[one.name, one.test, one.adjusted] for one in rows],
        hovertemplate="%{customdata[0]}: %{x:.2f} (%{customdata[1]}, p = %{customdata[2]:.3f} for all)<extra></extra>",
    )
    styled(figure, height=80 + 26 * max(len(rows), 1), x="distance of the distributions, 0 to 1")
    figure.update_xaxes(range=[0, 1])
    return figure

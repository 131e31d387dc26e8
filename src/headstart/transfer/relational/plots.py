"""The picture of this room: which classes are related to which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.transfer.relational.mixing import Mixing


def compatibility(found: Mixing) -> Figure:
    """Return the share of each class among the relations of each class."""
    from plotly import graph_objects as go

    names = list(found.classes)
    figure = go.Figure(
        go.Heatmap(
            z=found.compatibility.tolist(), x=names, y=names, zmin=0, zmax=1, xgap=1, ygap=1,
            colorscale=[[0, "#ffffff"], [1, PALETTE[0]]], colorbar={"title": "share"},
            hovertemplate="%{z:.0%} of the relations of %{y} lead to %{x}<extra></extra>",
        )
    )  # fmt: skip
    styled(figure, height=140 + 30 * len(names), x="its neighbours", y="class")
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)

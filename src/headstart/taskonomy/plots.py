"""Pictures of affinities, of the tree of tasks, and of what each unit of budget buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.results.plotting import MUTED, PALETTE, styled

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.taskonomy.curve import BudgetCurve
    from headstart.taskonomy.tree import TaskTree

_DASHES = ("solid", "dot", "dash", "dashdot")
_PALE = "#f4f7fa"


def affinity_heatmap(affinity: pd.DataFrame, order: list[str] | None = None) -> Figure:
    """Return the first-order affinities as a matrix, a row a target and a column a source; darker is better.

    Each row is coloured by the rank of its sources, for values compare within a target only; hover for the values.

    Parameters
    ----------
    affinity : DataFrame
        Columns ``sources``, ``target``, ``value``.
    order : list of str, optional
        Tasks in the order to be drawn, such as the leaves of a ``task_tree``; others follow.

    Raises
    ------
    DataError
        If the table cannot be used.
    """
    from plotly import graph_objects as go

    from headstart.taskonomy.table import affinity_matrix

    matrix = affinity_matrix(affinity)
    first = {task: k for k, task in enumerate(order or [])}
    columns = sorted(matrix.columns, key=lambda task: first.get(task, len(first)))
    rows = sorted(matrix.index, key=lambda task: first.get(task, len(first)))
    matrix = matrix.loc[rows, columns]
    ranks = matrix.rank(axis=1, pct=True)
    figure = go.Figure()
    figure.add_heatmap(
        x=columns, y=rows, z=ranks.to_numpy(), customdata=matrix.to_numpy(), xgap=1, ygap=1,
        colorscale=[[0, _PALE], [1, PALETTE[0]]], zmin=0, zmax=1, showscale=False,
        hovertemplate="%{x} to %{y}: %{customdata:.3g}<extra></extra>",
    )  # fmt: skip
    styled(figure, height=140 + 22 * len(rows), x="source", y="target")
    figure.update_xaxes(tickangle=-50, showgrid=False, type="category", title_standoff=10)
    return figure.update_yaxes(autorange="reversed", showgrid=False, type="category", title_standoff=10)


def dendrogram(tree: TaskTree) -> Figure:
    """Return the tree of tasks, leaves on the left, clusters in colour."""
    from plotly import graph_objects as go
    from scipy.cluster.hierarchy import dendrogram as layout

    drawn: dict[str, Any] = layout(tree.merges, no_plot=True, labels=list(tree.tasks))
    leaves = drawn["ivl"]
    row = {task: 10 * k + 5 for k, task in enumerate(leaves)}
    colour = {
        branch: PALETTE[k % (len(PALETTE) - 1)]
        for k, group in enumerate(tree.clusters)
        for branch in tree.branches()
        if branch <= set(group)
    }
    figure = go.Figure()
    middle: dict[frozenset[str], float] = {frozenset([task]): y for task, y in row.items()}
    for joined, left, right in tree.joins():
        distance = tree.branches()[joined]
        middle[joined] = (middle[left] + middle[right]) / 2
        figure.add_scatter(
            x=[tree.branches()[left], distance, distance, tree.branches()[right]],
            y=[middle[left], middle[left], middle[right], middle[right]],
            mode="lines", line={"color": colour.get(joined, MUTED), "width": 2}, showlegend=False,
            hovertemplate=f"{len(joined)} tasks joined at {distance:.3g}<extra></extra>",
        )  # fmt: skip
    styled(figure, height=80 + 24 * len(leaves), x="distance")
    figure.update_yaxes(tickvals=list(row.values()), ticktext=leaves, showgrid=False, range=[0, 10 * len(leaves)])
    return figure.update_xaxes(range=[0, 1.02 * float(tree.merges[:, 2].max()) or 1.0])


def budget_lines(curve: BudgetCurve) -> Figure:
    """Return the value against budget, as a share of the highest, and the win rates; hover for the tasks."""
    from plotly import graph_objects as go

    frame = curve.to_frame()
    top = float(frame["value"].max())
    lines = {"value, of the highest": frame["value"] / top if top > 0 else frame["value"]}
    lines |= {name: frame[name] for name in curve.rates}
    figure = go.Figure()
    for k, (name, values) in enumerate(lines.items()):
        figure.add_scatter(
            x=frame.index, y=values, name=name, mode="lines+markers", customdata=frame["sources"],
            line={"color": PALETTE[k % len(PALETTE)], "width": 2, "dash": _DASHES[k % len(_DASHES)]},
            hovertemplate="budget %{x:g}: %{y:.3f}<br>%{customdata}<extra></extra>",
        )  # fmt: skip
    styled(figure, height=360, x="budget", y="share")
    return figure.update_yaxes(rangemode="tozero")

"""Pictures of affinities, of the tree of tasks, and of what each unit of budget buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.results.plotting import MUTED, PALETTE, styled

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.taskonomy.curve import BudgetCurve
    from headstart.taskonomy.levels import LevelScores
    from headstart.taskonomy.measured.answer import MeasuredTasks
    from headstart.taskonomy.taxonomy import Taxonomy
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


def taxonomy_graph(taxonomy: Taxonomy) -> Figure:
    """Return a taxonomy as a graph: supervised tasks on the left, targets on the right, a line for each source read.

    A supervised task is filled; a line is thicker where the affinity of its transfer is higher.
    """
    from plotly import graph_objects as go

    targets = list(taxonomy.transfers)
    row = {target: len(targets) - k for k, target in enumerate(targets)}
    # A source stands at the mean height of what it is read for, so that few lines cross.
    edges = taxonomy.to_graph()
    wanted = edges["target"].map(row).groupby(edges["source"]).mean().sort_values(kind="stable")
    step = (len(targets) + 1) / (len(wanted) + 1)
    place = {source: step * (k + 1) for k, source in enumerate(wanted.index)}
    most = max(float(edges["value"].max()), 1e-12) if len(edges) else 1.0
    figure = go.Figure()
    for source, target, value in edges.itertuples(index=False):
        figure.add_scatter(
            x=[0, 1], y=[place[source], row[target]], mode="lines", showlegend=False,
            line={"color": PALETTE[list(place).index(source) % (len(PALETTE) - 1)], "width": 1 + 4 * value / most},
            hovertemplate=f"{source} to {target}: {value:.3g}<extra></extra>",
        )  # fmt: skip
    for x, nodes, side in ((0, place, "middle left"), (1, row, "middle right")):
        figure.add_scatter(
            x=[x] * len(nodes), y=list(nodes.values()), text=list(nodes), mode="markers+text", textposition=side,
            marker={
                "size": 14,
                "color": [MUTED if name in taxonomy.sources else _PALE for name in nodes],
                "line": {"color": MUTED, "width": 2},
            },
            hoverinfo="text", showlegend=False,
        )  # fmt: skip
    styled(figure, height=80 + 30 * len(targets))
    figure.update_xaxes(visible=False, range=[-0.6, 1.6])
    return figure.update_yaxes(visible=False, range=[0, len(targets) + 1])


def random_lines(found: MeasuredTasks) -> Figure:
    """Return mean quality against budget, of the taxonomies and of random choices, with intervals over repetitions."""
    from plotly import graph_objects as go

    figure = go.Figure()
    budgets = [one.budget for one in found.budgets]
    for k, name in enumerate(("chosen", "random")):
        figures = [getattr(one, name) for one in found.budgets]
        middle = [one.value for one in figures]
        figure.add_scatter(
            x=budgets, y=middle, name=f"{name} tasks", mode="lines+markers",
            customdata=[", ".join(one.sources) for one in found.budgets],
            line={"color": PALETTE[k], "width": 2, "dash": _DASHES[k]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [one.high - one.value for one in figures],
                "arrayminus": [one.value - one.low for one in figures],
                "thickness": 1,
            },
            hovertemplate="budget %{x}: %{y:.3f}<br>%{customdata}<extra></extra>" if k == 0 else "%{y:.3f}",
        )  # fmt: skip
    styled(figure, height=360, x="budget", y="mean quality")
    return figure.update_yaxes(rangemode="tozero")


def level_bars(found: LevelScores) -> Figure:
    """Return the accuracy at each level with its interval."""
    from plotly import graph_objects as go

    figures = [one.accuracy for one in found.levels]
    figure = go.Figure()
    figure.add_bar(
        x=[one.name for one in found.levels], y=[one.value for one in figures],
        customdata=[one.n_classes for one in found.levels], marker={"color": PALETTE[0]},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.value for one in figures],
            "arrayminus": [one.value - one.low for one in figures],
        },
        hovertemplate="%{x}, %{customdata} classes: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    styled(figure, height=320, y="accuracy")
    return figure.update_yaxes(range=[0, 1])

"""The pictures of this room: what useless models score, and what corrections gain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from headstart.results.plotting import INK, MUTED, PALETTE, gain_dots, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from headstart.imbalance._labels import Codes, Floats
    from headstart.imbalance.balanced import Balance
    from headstart.imbalance.metric import MetricChoice

_POINTS = 400  # of a curve: a page with every threshold of a large target would be slow
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
    rows = [way for way in balance.ways if way.name != "none"]
    return gain_dots(
        [way.name for way in rows], [way.gain for way in rows], balance.taken, balance.metric, "no correction"
    )


def roc(balance: Balance) -> Figure:
    """Return the ROC curves of the rarest class before and after, and the points where it is decided."""
    from plotly import graph_objects as go
    from sklearn.metrics import roc_auc_score, roc_curve

    there = balance.y == balance.shown
    figure = go.Figure(_line([0, 1], [0, 1], "chance"))
    for place, (name, probability, said) in enumerate(_states(balance)):
        alarms, hits, _ = roc_curve(there, probability)
        curve = f"{name}, area {roc_auc_score(there, probability):.3f}"
        _curve(figure, alarms, hits, curve, place, (said[~there].mean(), said[there].mean()))
    return _unit(figure, "share of the others that are said to be it", "share of it that is found")


def precision_recall(balance: Balance) -> Figure:
    """Return precision against recall of the rarest class before and after, with its prevalence as a line."""
    from plotly import graph_objects as go
    from sklearn.metrics import average_precision_score, precision_recall_curve

    there = balance.y == balance.shown
    figure = go.Figure(_line([0, 1], [there.mean()] * 2, f"prevalence {there.mean():.3f}"))
    for place, (name, probability, said) in enumerate(_states(balance)):
        precision, recall, _ = precision_recall_curve(there, probability)
        curve = f"{name}, average precision {average_precision_score(there, probability):.3f}"
        point = (said[there].mean(), there[said].mean() if said.any() else math.nan)
        _curve(figure, recall, precision, curve, place, point)
    return _unit(figure, "recall", "precision")


def calibration_curves(balance: Balance) -> Figure:
    """Return how often the rarest class was there in up to ten bins of equal counts of its probability."""
    from plotly import graph_objects as go

    there = balance.y == balance.shown
    figure = go.Figure(_line([0, 1], [0, 1], "calibrated"))
    for place, (name, probability, _) in enumerate(_states(balance)):
        bins = np.array_split(np.argsort(probability, kind="stable"), min(10, len(there)))
        figure.add_scatter(
            x=[probability[rows].mean() for rows in bins], y=[there[rows].mean() for rows in bins],
            mode="lines+markers", name=name, line={"color": PALETTE[place], "width": 3 - place},
            hovertemplate="said %{x:.3f}, was there %{y:.3f}<extra></extra>",
        )  # fmt: skip
    return _unit(figure, "mean probability", "share that was it")


def _states(balance: Balance) -> Iterator[tuple[str, Floats, Codes]]:
    """Yield name, probability of the rarest class and whether it is said: before, and after what was taken."""
    code = balance.shown
    yield "before", balance.plain[:, code], balance.plain.argmax(axis=1) == code
    if balance.taken != "none":
        yield f"after {balance.taken}", balance.probabilities[:, code], balance.decisions == code


def _line(x: list[float], y: list[float], name: str) -> Scatter:
    from plotly.graph_objects import Scatter

    return Scatter(x=x, y=y, mode="lines", name=name, line={"color": MUTED, "dash": "dot"}, hoverinfo="skip")


def _curve(figure: Figure, x: Floats, y: Floats, name: str, place: int, point: tuple[float, float]) -> None:
    colour = PALETTE[place]
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).round().astype(np.int64))
    figure.add_scatter(
        x=x[kept], y=y[kept], mode="lines", name=name, line={"color": colour, "width": 3 - place}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=[point[0]], y=[point[1]], mode="markers", showlegend=False,
        marker={"size": 12, "symbol": _SYMBOLS[place], "color": colour},
        hovertemplate="decided here: %{x:.3f}, %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _unit(figure: Figure, x: str, y: str) -> Figure:
    styled(figure, height=400, x=x, y=y)
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.04])

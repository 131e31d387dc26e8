"""Pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.validation import NAMES
from headstart.results.plotting import INK, MUTED, PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.evaluation.calibrate import Calibrating
    from headstart.evaluation.heldout import Evaluation
    from headstart.evaluation.validation import CrossValidation
    from headstart.metrics import Calibration

_LEGIBLE = 20  # classes up to which each cell of a confusion matrix can carry its count


def confusion_heatmap(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Return the confusion matrix: colour is the share of a true class, text the count."""
    from plotly import graph_objects as go

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(classes), y=list(classes), text=counts, zmin=0, zmax=1, showscale=False,
            colorscale=[[0, "#ffffff"], [1, PALETTE[0]]],
            texttemplate="%{text}" if len(classes) <= _LEGIBLE else "",
            hovertemplate="%{y} → %{x}: %{text} (%{z:.0%})<extra></extra>", xgap=1, ygap=1,
        )
    )  # fmt: skip
    styled(figure, height=140 + 26 * len(classes), x="predicted", y="true")
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def class_bars(evaluation: Evaluation, metric: str = "f1") -> Figure:
    """Return one bar a class with its 95 % interval, the weakest on top; ``metric`` is precision, recall or f1."""
    from plotly import graph_objects as go

    found = evaluation.by_class_intervals[metric]
    order = sorted(range(len(found)), key=lambda code: (np.isnan(found[code].value), found[code].value))
    values = [found[code].value for code in order]
    figure = go.Figure(
        go.Bar(
            x=values, y=[evaluation.classes[code] for code in order], orientation="h",
            error_x={
                "type": "data", "symmetric": False, "color": INK, "thickness": 1, "width": 3,
                "array": [found[code].high - found[code].value for code in order],
                "arrayminus": [found[code].value - found[code].low for code in order],
            },
            customdata=[f"{evaluation.by_class['support'][code]:.0f}" for code in order],
            hovertemplate="%{y}: %{x:.3f} (%{customdata} examples)<extra></extra>",
        )
    )  # fmt: skip
    styled(figure, height=80 + 24 * len(order), x={"f1": "F1"}.get(metric, metric))
    figure.update_xaxes(range=[0, 1])
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def reliability_diagram(calibration: Calibration) -> Figure:
    """Return accuracy against confidence in each bin that holds anything, the size of a dot being its share."""
    return _reliability({"found": calibration})


def reliability_pair(answer: Calibrating) -> Figure:
    """Return the reliability of probabilities before and, where they were calibrated, after."""
    from headstart.metrics import calibration

    found = {"as they are": calibration(answer.y, answer.before)}
    if answer.taken != "none":
        found[f"after {answer.taken}"] = calibration(answer.y, answer.after)
    return _reliability(found)


def _reliability(found: Mapping[str, Calibration]) -> Figure:
    from plotly import graph_objects as go

    figure = go.Figure(
        go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot"}, name="calibrated", hoverinfo="skip"
        )
    )
    for name, one in found.items():
        held = one.count > 0
        count = one.count[held]
        figure.add_scatter(
            x=one.confidence[held], y=one.accuracy[held], mode="lines+markers", name=name,
            marker={"size": 6 + 18 * np.sqrt(count / count.sum())}, customdata=count,
            hovertemplate="said %{x:.2f}, was right %{y:.2f} (%{customdata} examples)<extra></extra>",
        )  # fmt: skip
    styled(figure, height=380, x="confidence", y="share that is right")
    figure.update_xaxes(range=[0, 1.03])
    return figure.update_yaxes(range=[-0.03, 1.03])


def penalty_path(validation: CrossValidation) -> Figure:
    """Return the metric against C, the chosen C marked, and the honest estimate as a band."""
    from plotly import graph_objects as go

    name = NAMES[validation.metric]
    figure = go.Figure(go.Scatter(x=validation.Cs, y=validation.scores, mode="lines+markers", name=name))
    chosen: dict[str, Any] = {"size": 13, "color": PALETTE[1], "symbol": "diamond"}
    figure.add_scatter(
        x=[validation.C], y=[validation.uncorrected], mode="markers", marker=chosen, name=f"chosen: {validation.C:g}"
    )
    if np.isfinite([validation.estimate.low, validation.estimate.high]).all():
        figure.add_hrect(
            y0=validation.estimate.low, y1=validation.estimate.high, fillcolor=PALETTE[2], opacity=0.15, line_width=0
        )
    figure.add_hline(y=validation.estimate.value, line={"color": PALETTE[2], "dash": "dot"})
    styled(figure, height=320, x="C", y=name)
    return figure.update_xaxes(type="log", dtick=1, exponentformat="power")

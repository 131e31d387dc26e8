"""Pictures of what each layer knows, and of the 2x2 rule."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from headstart.results.plotting import INK, MUTED, PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.finetuning.probe import LayerProbe
    from headstart.finetuning.rule import TwoByTwo, Way

_SCORE, _VOTE, _NEAR = PALETTE[0], PALETTE[2], PALETTE[1]


def depth_curves(probe: LayerProbe) -> Figure:
    """Return macro-F1 by depth with its interval, and below it the similarity to the source, on one axis of taps.

    A diamond marks the best tap; what lies right of the turn, where features are specific to the source, is shaded.
    """
    from plotly import graph_objects as go

    names = [tap.name for tap in probe.taps]
    told = probe.similarity.overall is not None
    figure = go.Figure()
    high = [tap.score.high for tap in probe.taps]
    low = [tap.score.low for tap in probe.taps]
    figure.add_scatter(
        x=[*names, *reversed(names)], y=[*high, *reversed(low)], mode="lines", fill="toself",
        fillcolor=_faint(_SCORE), line={"width": 0}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=names, y=[tap.score.value for tap in probe.taps], mode="lines+markers", name="linear probe",
        line={"color": _SCORE, "width": 3}, marker={"size": 7},
        customdata=[[tap.score.low, tap.score.high, tap.n_features, tap.dimension] for tap in probe.taps],
        hovertemplate="%{x}: %{y:.3f} (%{customdata[0]:.3f}–%{customdata[1]:.3f})<br>%{customdata[2]:,} features of "
        "intrinsic dimension %{customdata[3]:.0f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=names, y=[tap.knn for tap in probe.taps], mode="lines", name=f"{probe.k}-NN",
        line={"color": _VOTE, "width": 2, "dash": "dot"}, hovertemplate="%{x}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[probe.best], y=[probe[probe.best].score.value], mode="markers", name="best tap",
        marker={"size": 14, "symbol": "diamond", "color": _SCORE, "line": {"color": INK, "width": 2}},
        hoverinfo="skip",
    )  # fmt: skip
    styled(figure, height=460 if told else 340, y="macro-F1")
    if told:
        figure.add_scatter(
            x=names, y=[tap.similarity for tap in probe.taps], yaxis="y2", mode="lines+markers",
            name="similarity to the source", line={"color": _NEAR, "width": 2}, marker={"size": 6, "symbol": "square"},
            hovertemplate="%{x}: %{y:.3f}<extra></extra>", showlegend=False,
        )  # fmt: skip
        axis: dict[str, Any] = {**figure.layout.yaxis.to_plotly_json(), "domain": [0, 0.24], "anchor": "x"}
        axis["title"] = {"text": "similarity", "font": {"color": MUTED}}
        figure.update_layout(yaxis={"domain": [0.32, 1]}, yaxis2=axis)
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=names, range=[-0.5, len(names) - 0.5], anchor="free",
        position=0, title={"text": "tap, shallow to deep", "font": {"color": MUTED}},
    )  # fmt: skip
    turn = names.index(probe.turn)
    figure.add_vline(x=turn, line={"color": MUTED, "width": 2, "dash": "dash"})
    if turn < len(names) - 1:
        figure.add_vrect(x0=turn, x1=len(names) - 0.5, fillcolor=MUTED, opacity=0.08, line_width=0, layer="below")
    right = turn > (len(names) - 1) / 2
    side = "generic ◂" if right else "▸ specific"
    figure.add_annotation(
        x=turn, xref="x", y=0.34 if told else 0.02, yref="paper", yanchor="bottom", showarrow=False,
        xanchor="right" if right else "left", xshift=-6 if right else 6,
        text=side if turn < len(names) - 1 else "useful up to the end", font={"color": MUTED},
    )  # fmt: skip
    return figure


def four_fields(placed: TwoByTwo) -> Figure:
    """Return examples a class against similarity, the four fields named, the target as a diamond in its own."""
    from plotly import graph_objects as go

    from headstart.finetuning.rule import LARGE, SIMILAR, WAYS

    left, right = 1.0, 100_000.0
    bottom = min(0.75, (placed.similarity or 1) - 0.02)
    figure = go.Figure()
    ways: tuple[tuple[Way, float, float, float, float], ...] = (
            ("freeze", left, LARGE, SIMILAR, 1), ("fine-tune", LARGE, right, SIMILAR, 1),
            ("low-level", left, LARGE, bottom, SIMILAR), ("scratch", LARGE, right, bottom, SIMILAR))  # fmt: skip
    for way, x0, x1, y0, y1 in ways:
        ours = way in placed.ways
        text = "<br>".join(textwrap.wrap(WAYS[way], 14, break_on_hyphens=False))  # the fields of a phone are narrow
        figure.add_shape(
            type="rect", x0=x0, x1=x1, y0=y0, y1=y1, layer="below", line={"color": MUTED, "width": 1},
            fillcolor=PALETTE[0] if ours else "rgba(0,0,0,0)", opacity=0.15 if ours else 1,
        )  # fmt: skip
        figure.add_annotation(
            x=_middle(x0, x1), y=y1, yanchor="top", yshift=-4, showarrow=False, text=text,
            font={"color": INK if ours else MUTED},
        )  # fmt: skip
    known = placed.similarity is not None
    x = min(max(placed.per_class, left), right)
    figure.add_scatter(
        x=[x] if known else [x, x], y=[placed.similarity] if known else [bottom, 1],
        mode="markers" if known else "lines", marker={"size": 14, "symbol": "diamond", "color": PALETTE[1]},
        line={"color": PALETTE[1], "width": 3}, showlegend=False,
        hovertemplate="%{x:,.0f} a class, similarity %{y:.3f}<extra></extra>",
    )  # fmt: skip
    styled(figure, height=340, x="examples a class", y="similarity to the source")
    figure.update_xaxes(type="log", range=[0, 5], tickvals=[1, 10, 100, 1000, 10_000, 100_000], showgrid=False)
    return figure.update_yaxes(range=[bottom, 1], showgrid=False)


def _middle(x0: float, x1: float) -> float:
    """Return where an annotation goes on a logarithmic axis, which wants the exponent."""
    from math import log10

    return (log10(x0) + log10(x1)) / 2


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"

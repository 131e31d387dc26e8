"""The picture of a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import INK, MUTED, PALETTE, styled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from headstart.evaluation.verdict import TransferVerdict

_COLOURS = {"helps": PALETTE[2], "hurts": PALETTE[1], "no evidence": MUTED}


def forest(verdict: TransferVerdict) -> Figure:
    """Return the gain of each seed and, below them and larger, of all together, with intervals against zero."""
    from plotly import graph_objects as go

    seeds = len(verdict.by_seed) > 1
    named = {f"seed {k}": found for k, found in enumerate(verdict.by_seed, 1)} if seeds else {}
    rows = {**named, "all seeds" if seeds else "gain": verdict.gain}
    figure = go.Figure()
    for name, found in rows.items():
        whole = found is verdict.gain
        figure.add_scatter(
            x=[found.value * verdict.scale], y=[name], mode="markers", showlegend=False,
            marker={
                "size": 15 if whole else 8, "symbol": "diamond" if whole else "circle",
                "color": _COLOURS[verdict.answer] if whole else PALETTE[0],
            },
            error_x={
                "type": "data", "symmetric": False, "thickness": 3 if whole else 1.5, "width": 0,
                "color": _COLOURS[verdict.answer] if whole else PALETTE[0],
                "array": [(found.high - found.value) * verdict.scale],
                "arrayminus": [(found.value - found.low) * verdict.scale],
            },
            hovertemplate=f"{name}: {verdict.shown(found)}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    styled(figure, height=90 + 30 * len(rows), x=verdict.unit.removeprefix("of "))
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)

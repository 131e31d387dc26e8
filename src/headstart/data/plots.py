"""Pictures of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.plotting import styled

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_MOST = 60  # bars that can still be read


def class_bars(frame: pd.DataFrame) -> Figure:
    """Return horizontal bars, one a class, stacked by part, the largest class on top.

    Of more than 60 classes the 30 largest and the 30 smallest are drawn.

    Parameters
    ----------
    frame : DataFrame
        Class names as index, and a column of counts for each of "train", "val" and "test".
    """
    from plotly import graph_objects as go

    parts = ["train", "val", "test"]
    counts = frame[parts].loc[frame[parts].sum(axis=1).sort_values(ascending=False, kind="stable").index]
    if len(counts) > _MOST:
        counts = counts.iloc[[*range(_MOST // 2), *range(-(_MOST // 2), 0)]]
    figure = go.Figure()
    for part in parts:
        if counts[part].any():
            figure.add_bar(y=counts.index.astype(str), x=counts[part], name=part, orientation="h")
    figure.update_layout(barmode="stack", bargap=0.3)
    styled(figure, height=90 + 22 * len(counts), x="examples")
    return figure.update_yaxes(autorange="reversed", type="category", showgrid=False)

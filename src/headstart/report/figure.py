"""Interactive figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.report.blocks import Block
from headstart.report.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure as PlotlyFigure

    from headstart.report.page import Page

_HEIGHT = 360


@dataclass(frozen=True, eq=False)
class Figure(Block):
    """A plotly figure, as wide as the column. Its script stands in the page once, if any figure is there.

    plotly reads a few tags (``<b>``, ``<br>``) in the texts of a figure: escape names that come from outside.

    Attributes
    ----------
    figure : plotly.graph_objects.Figure
        Best passed through `headstart.results.plotting.styled`, whose colours follow the light and the dark page.
    alt : str
        What the figure shows, for whoever cannot see it: the finding, not the kind of chart.
    caption : str
        Line below the figure.
    data : DataFrame, optional
        The numbers that are drawn, to be opened on demand.
    """

    figure: PlotlyFigure
    alt: str
    caption: str = ""
    data: pd.DataFrame | None = None
    template = "figure.html"

    def view(self, page: Page) -> dict[str, Any]:
        text = str(self.figure.to_json())
        # Inside a script element nothing may look like a tag; JSON allows the escape in any string.
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        height = self.figure.layout.height
        return {
            "id": page.figure_id(),
            "json": text,
            "height": int(height) if height else _HEIGHT,
            "table": None if self.data is None else Table(self.data),
        }

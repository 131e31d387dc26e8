"""The report: one self-contained HTML page, made of sections, made of blocks.

A page answers questions in order. Each answer is a `Section` (question, headline, warnings, body), and the body is a
list of blocks. Blocks are frozen dataclasses of plain Python values; whoever makes one writes no HTML:

>>> from headstart.report import KeyFigure, KeyFigures, Section, Text, render
>>> section = Section(
...     question="How good is it?",
...     headline="Four of five pictures are named rightly.",
...     body=[KeyFigures([KeyFigure("macro-F1", 0.823, 0.79, 0.85)]), Text("Measured once, on the test part.")],
... )
>>> page = render([section], title="groceries", subtitle="14 classes", facts={"Pictures": "700"}, verdict="Usable.")
>>> page.startswith("<!doctype html>"), "0.823" in page, "<script src" in page
(True, True, False)

`answer_section` turns any `headstart.results.Answer` into a section; more blocks can be handed to it.

The blocks: `Text`, `KeyFigures`, `Table`, `Figure` (plotly), `Gallery`, `Notes`, `Details`, `Decision`,
`ConfusionMatrix`, `ClassBars`. A plain string in a body counts as a `Text`.

Adding a block
--------------
1. A frozen dataclass that inherits `Block`, names its template, and does all arithmetic (shares, positions, cuts) in
   ``view``, which returns what the template shows::

       @dataclass(frozen=True, eq=False)
       class Verdict(Block):
           helped: bool
           why: str
           template = "verdict.html"

           def view(self, page: Page) -> dict[str, Any]:
               return {"word": "helped" if self.helped else "did not help"}

2. ``templates/blocks/verdict.html``, which sees ``block`` and the entries of ``view``::

       <p class="verdict">Transfer {{ word }}: {{ block.why }}</p>

3. Its look, in ``templates/style.css``, with the colours that stand at the top of that file.

Templates escape everything (class names and file names are foreign input). Text that may come from outside stands in
``<bdi>``, so that right-to-left names do not turn the sentence around. A block that holds other blocks shows them
with ``{{ page.show(inner) }}``. The page's Content-Security-Policy lets no request out and runs no script but its
own two, named by their hashes, so a block brings no script.
"""

from headstart.report.blocks import (
    Block,
    Decision,
    Details,
    KeyFigure,
    KeyFigures,
    Notes,
    Section,
    Text,
)
from headstart.report.charts import ClassBars, ConfusionMatrix
from headstart.report.figure import Figure
from headstart.report.gallery import Gallery, Picture
from headstart.report.page import Page, answer_section, render
from headstart.report.table import Table
from headstart.report.thumbnails import data_uri

__all__ = [
    "Block",
    "ClassBars",
    "ConfusionMatrix",
    "Decision",
    "Details",
    "Figure",
    "Gallery",
    "KeyFigure",
    "KeyFigures",
    "Notes",
    "Page",
    "Picture",
    "Section",
    "Table",
    "Text",
    "answer_section",
    "data_uri",
    "render",
]

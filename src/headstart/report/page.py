"""The page: sections in, one self-contained HTML file out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from headstart.report.blocks import Block, KeyFigure, Section, Text
from headstart.report.table import Table
from headstart.results.plotting import GRID, INK, MUTED, PALETTE

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from headstart.results import Answer

# What a plot's colours become on a dark page: the same hues, lighter.
_DARK = ("#56a9dd", "#f08a4b", "#2fc39a", "#dba3c4", "#edb84a", "#8accf2", "#a3abb6")
_DARK_COLOURS = {**dict(zip(PALETTE, _DARK, strict=True)), INK: "#e4e8ee", MUTED: "#9ba7b6", GRID: "#2b333f"}

# Control characters are legal in file names but not in a page: show their pictures instead.
_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}


# Names of parts of the page itself, which no section may take.
_RESERVED = ("top", "content", "contents")


class Page:
    """What the blocks of one page share: the space left for pictures, and the numbering of figures."""

    def __init__(self, environment: Environment, picture_budget: int) -> None:
        self._environment = environment
        self._left = picture_budget
        self.figures = 0

    def show(self, block: Block | str) -> Markup:
        """Return a block as HTML.

        Raises
        ------
        TypeError
            If ``block`` is neither a block nor text.
        """
        from markupsafe import Markup

        if isinstance(block, str):
            block = Text(block)
        if not isinstance(block, Block):
            raise TypeError(f"a section's body holds blocks and text, not {type(block).__name__}")
        template = self._environment.get_template(f"blocks/{block.template}")
        return Markup(template.render({"page": self, "block": block, **block.view(self)}))

    def spend(self, size: int) -> bool:
        """Take ``size`` bytes from the space for pictures; False, and nothing is taken, if they are not left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def figure_id(self) -> str:
        """Return a name for one more interactive figure."""
        self.figures += 1
        return f"figure_{self.figures}"  # a section's anchor has no underscore, so the two never meet


def answer_section(
    answer: Answer, *blocks: Block | str, anchor: str = "", caption: str = "", limit: int = 15, table: bool = True
) -> Section:
    """Return the section of any answer: its question, headline and warnings, ``blocks``, then its table.

    Parameters
    ----------
    answer : Answer
        Any answer of Headstart.
    *blocks : Block or str
        What is shown before the table.
    anchor, caption, limit
        Name of the section in the page's address, caption of the table, rows shown at once.
    table : bool, default True
        Whether ``answer.to_frame()`` closes the section; it is left out in any case where it has no rows.
    """
    body = list(blocks)
    if table:
        frame = answer.to_frame()
        if len(frame):
            body.append(Table(frame, caption, limit=limit))
    return Section(answer.question, answer.headline(), body, answer.warnings, anchor)


def render(
    sections: Sequence[Section],
    *,
    title: str,
    subtitle: str = "",
    facts: Mapping[str, str],
    verdict: str,
    figures: Sequence[KeyFigure] = (),
    provenance: Mapping[str, str] | None = None,
    command: str = "",
    picture_budget: int = 8_000_000,
) -> str:
    """Return the report as one HTML page that needs nothing else: no network, no other file.

    Parameters
    ----------
    sections : sequence of Section
        In the order in which they are read.
    title, subtitle : str
        What the report is about, such as the name of the data, and one line on what was done.
    facts : mapping of str to str
        What the header shows at a glance: ``{"Pictures": "700", "Classes": "14", "Source": "lite0"}``.
    verdict : str
        How good the model is and whether it can be trusted, in a sentence or two.
    figures : sequence of KeyFigure
        The one or two numbers of the header, best with interval and explanation.
    provenance : mapping of str to str, optional
        Versions, seed, data fingerprint: what the footer shows.
    command : str
        The command that repeats the run.
    picture_budget : int, default 8,000,000
        Bytes that the pictures of all galleries may take together. What does not fit is named in its gallery.

    Returns
    -------
    str
        The page. It can be written as UTF-8 whatever the names in it are.

    Raises
    ------
    TypeError
        If a section's body holds something that is neither a block nor text.
    """
    from markupsafe import Markup

    environment = _environment()
    page = Page(environment, picture_budget)
    anchors = _anchors(sections)
    shown = [
        {"section": section, "anchor": anchor, "blocks": [page.show(block) for block in section.body]}
        for section, anchor in zip(sections, anchors, strict=True)
    ]
    scripts = [_asset("script.js")]
    if page.figures:
        from plotly.offline import get_plotlyjs

        scripts.insert(0, get_plotlyjs().replace("\r\n", "\n"))
    html = environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        facts=facts,
        verdict=verdict,
        figures=[figure.shown() for figure in figures],
        provenance=provenance or {},
        command=command,
        sections=shown,
        warned=[
            {"text": warning, "anchor": anchor, "number": number}
            for number, (section, anchor) in enumerate(zip(sections, anchors, strict=True), 1)
            for warning in section.warnings
        ],
        style=Markup(_asset("style.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        dark_colours=Markup(json.dumps(_DARK_COLOURS)),
    )
    # A file name that is not valid UTF-8 reaches Python as lone surrogates, which no file can hold.
    return html.encode("utf-8", "backslashreplace").decode("utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy that lets ``scripts`` run and nothing else, and no request out."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Return one name for each section, unique in the page."""
    names: list[str] = []
    for number, section in enumerate(sections, 1):
        name = re.sub(r"[^a-z0-9]+", "-", (section.anchor or section.question).lower()).strip("-")[:60]
        name = name or "section"
        while name in names or name in _RESERVED:
            name = f"{name}-{number}"
        names.append(name)
    return names


@cache
def _asset(name: str) -> str:
    return files("headstart.report").joinpath("templates", name).read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        return value.translate(_CONTROLS) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=PackageLoader("headstart.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""The page in a real browser: quiet, closed to the network, and never wider than the screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from headstart.report import (
    ClassBars,
    ConfusionMatrix,
    Decision,
    Details,
    Figure,
    Gallery,
    KeyFigure,
    KeyFigures,
    Notes,
    Picture,
    Section,
    Table,
    render,
)
from headstart.results.plotting import styled

# Elements that reach beyond the window, apart from those that scroll inside a box of their own.
WIDE = """(() => {
  const boxed = e => e.parentElement && (["auto", "scroll", "hidden", "clip"].includes(
    getComputedStyle(e.parentElement).overflowX) || boxed(e.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter(e => !e.matches(".skip") && e.getBoundingClientRect().right > innerWidth + 0.5 && !boxed(e))
    .map(e => e.outerHTML.slice(0, 120));
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(12)] + ["W" * 200, "<img src=http://example.org/x onerror=alert(1)>"]
    long = names[12]
    counts = rng.integers(0, 9, (14, 14)) + np.diag(rng.integers(20, 60, 14))
    frame = pd.DataFrame({"name": names, **{f"a column {i}": rng.random(14) for i in range(12)}})
    line = go.Figure(go.Scatter(x=names, y=rng.random(14), line={"color": "#0072b2"}))
    figure = Figure(styled(line, height=300, y="score"), names[12], names[12], data=frame)
    photos = [
        Picture(Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)), [("given", name)], name + ".jpg")
        for name in names
    ]
    shares = rng.random((3, 14))
    body = [
        KeyFigures(
            [KeyFigure(n, 0.5, 0.4, 0.6, n, reference=0.1, reference_label=n) for n in names] + [KeyFigure("x", long)]
        ),
        Decision(names[12], names[12], frame, 1, "--" + names[12]),
        Table(frame.rename(columns={"a column 3": long}), long, limit=5),
        figure,
        ConfusionMatrix(counts, names, long),
        ClassBars(names, *shares, counts.sum(axis=1), long),
        Gallery([*photos, Picture(None, [(long, long), long], long)], long, limit=15),
        Gallery(photos, long, limit=3),
        Table(frame.head(0), long),
        Notes(long, [long, *((name, name) for name in names)], open=True),
        Notes("Closed " + long, ["inside"]),
        Details(long, [figure, names[12]], open=True),
    ]
    html = render(
        [Section(f"Question {i}? {names[12 + i % 2]}", names[12], body if i == 0 else ["Text. " * 80], [names[13]])
         for i in range(8)],
        title=names[12], subtitle=names[13], facts={name: name for name in names[10:]}, verdict=names[13],
        figures=[KeyFigure(long, 0.823, 0.79, 0.85, long)], provenance={long: long}, command="run " + names[12],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "report <ü>.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_page_is_quiet_closed_and_fits(browser: Any, page: Path, width: int, scheme: str) -> None:
    browser.complaints.clear()
    browser.requests.clear()
    browser.media(scheme=scheme)
    browser.size(width)
    browser.open(page)
    assert browser.evaluate("innerWidth") == width
    assert browser.complaints == []
    assert browser.evaluate("__violations") == []
    outside = [url for url in browser.requests if not url.startswith(("data:", page.as_uri()[:20]))]
    assert outside == [] and any(url.startswith("file:") for url in browser.requests)
    assert sum(url.startswith("file:") for url in browser.requests) == 1
    assert browser.evaluate(WIDE) == []
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("document.querySelectorAll('.plot-area .main-svg').length >= 2"), "figures are drawn"
    assert browser.evaluate("[...document.images].every(i => i.getAttribute('src').startsWith('data:image/'))")


def test_policy_stops_a_script_and_a_request_that_slip_in(browser: Any, page: Path, tmp_path: Path) -> None:
    """The check of the checks: with a hole in the page, the browser complains."""
    hole = "<script>window.__ran = 1</script><img src='http://192.0.2.1/x.png'></main>"
    path = tmp_path / "hole.html"
    path.write_text(page.read_text(encoding="utf-8").replace("</main>", hole, 1), encoding="utf-8")
    browser.complaints.clear()
    browser.open(path)
    assert browser.evaluate("window.__ran === undefined")
    assert len(browser.evaluate("__violations")) >= 2 and browser.complaints
    browser.complaints.clear()


def test_figures_follow_the_colours_of_the_page(browser: Any, page: Path) -> None:
    colour = "getComputedStyle(document.querySelector('.plot-area .xtick text')).fill"
    browser.size(1280)
    browser.media(scheme="light")
    browser.open(page)
    light = browser.evaluate(colour)
    browser.media(scheme="dark")
    browser.settle()
    dark = browser.evaluate(colour)
    assert light == "rgb(28, 36, 48)" and dark == "rgb(228, 232, 238)"


def test_keyboard_reaches_contents_and_scrolling_tables(browser: Any, page: Path) -> None:
    browser.media()
    browser.size(390)
    browser.open(page)
    focused = []
    for _ in range(40):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        focused.append(browser.evaluate("document.activeElement.className + ' ' + document.activeElement.tagName"))
    assert focused[0].startswith("skip")
    assert any("scroll" in name for name in focused) and sum(" A" in name for name in focused) >= 8, json.dumps(focused)


def test_print_is_light_and_shows_what_is_folded(browser: Any, page: Path) -> None:
    folded = "document.querySelector('details.notes:not([open]) li').checkVisibility()"
    browser.media(scheme="dark", kind="print")
    browser.open(page)
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(28, 36, 48)"
    assert browser.evaluate(folded)
    browser.media()
    browser.settle()
    assert browser.evaluate("!" + folded)

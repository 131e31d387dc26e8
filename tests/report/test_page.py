"""The page as a whole: whole, escaped, closed to the network, legible."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser

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
    Text,
    answer_section,
    render,
)
from headstart.report.page import _asset
from headstart.results import Answer

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>body{display:none}",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; & co",
    "مشروب الصويا",
    "パプリカ 赤",
    "a\u202egnp.exe",
    "N" * 200,
]


class Reader(HTMLParser):
    """What an independent parser sees: elements, texts, scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if tag in self.raw:
            self.raw[tag].append("")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        else:
            self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def everything(names: list[str], figure: bool = True) -> list[Section]:
    """One section for each block, filled with ``names``."""
    k = len(names)
    frame = pd.DataFrame({"name": names, "n": range(k)})
    counts = [[5 if i == j else int(j == (i + 1) % k) for j in range(k)] for i in range(k)]
    shares = [0.5] * k
    pictures = [Picture(Image.new("RGB", (300, 200), "green"), [("given", name), name], name) for name in names]
    blocks = [
        Text("\n\n".join(names)),
        KeyFigures([KeyFigure(name, 0.5, 0.4, 0.6, name, reference=0.1, reference_label=name) for name in names]),
        Table(frame, names[0], bar="n"),
        Gallery(pictures, names[0]),
        Notes(names[0], [*names, *((name, name) for name in names)]),
        Details(names[0], names),
        Decision(names[0], names[0], frame, 0, names[0]),
        ConfusionMatrix(counts, names, names[0]),
        ClassBars(names, shares, shares, shares, range(k), names[0]),
    ]
    if figure:
        bars = go.Figure(go.Bar(x=names, y=list(range(k))))
        blocks.append(Figure(bars, names[0], names[0], frame))
    return [Section(names[0], names[0], [block], [names[0]]) for block in blocks]


def page_of(sections: list[Section], words: str = "words", **more: object) -> str:
    settings: dict[str, object] = {"title": words, "subtitle": words, "facts": {words: words}, "verdict": words}
    return render(sections, **{**settings, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_are_text(hostile: str) -> None:
    def read(name: str) -> Reader:
        figures = [KeyFigure(name, 0.5, 0.4, 0.6)]
        return Reader(
            page_of(everything([name, "other"]), name, provenance={name: name}, command=name, figures=figures)
        )

    plain, found = read("plainname"), read(hostile)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags], "a name became an element"
    assert [set(values) - {"title"} for _, values in found.tags] == [
        set(values) - {"title"} for _, values in plain.tags
    ], "a name became an attribute"
    assert found.text.count(hostile) == plain.text.count("plainname") > 50, "a name is cut or changed"
    assert found.raw["style"] == plain.raw["style"]


def test_control_characters_and_broken_file_names_can_be_written() -> None:
    page = page_of([Section("q", "h", [Notes("files", ["bell\x07 null\x00", "latin-\udce9.jpg"])])])
    assert "latin-\\udce9.jpg" in page.encode("utf-8").decode("utf-8")
    assert "\x00" not in page and "bell␇ null␀" in page


def test_nothing_is_loaded_from_outside() -> None:
    found = Reader(page_of(everything(["apple", "pear"])))
    for tag, values in found.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
            if name in values:
                assert values[name].startswith(("data:", "#")), (tag, name, values[name][:80])
        assert not any(name.startswith("on") for name in values), "inline handlers do not run under the policy"
        assert "url(" not in values.get("style", "")
        assert values.get("http-equiv", "") in {"", "Content-Security-Policy"}
    style = "".join(found.raw["style"])
    assert "url(" not in style and "@import" not in style and "@font-face" not in style


def test_policy_names_each_script_and_no_other() -> None:
    for figure in (True, False):
        found = Reader(page_of(everything(["apple", "pear"], figure=figure)))
        policy = next(values["content"] for _, values in found.tags if "http-equiv" in values)
        kinds = [values.get("type", "") for tag, values in found.tags if tag == "script"]
        run = [text for text, kind in zip(found.raw["script"], kinds, strict=True) if kind != "application/json"]
        digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run}
        assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
        assert "default-src 'none'" in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_plotly_stands_in_the_page_once_and_only_if_needed() -> None:
    figure = Figure(go.Figure(go.Scatter(y=[1, 2])), "rises from 1 to 2")
    without, one = page_of(everything(["a", "b"], figure=False)), page_of([Section("q", "h", [figure])])
    two = page_of([Section("q", "h", [figure, Details("more", [figure])])])
    assert len(without) < 200_000
    assert 0 < len(two) - len(one) < 50_000 < 1_000_000 < len(one)
    assert Reader(two).text.count("rises from 1 to 2") >= 2


def test_figures_cannot_close_their_script_element() -> None:
    class Raw:
        layout = go.Layout()

        def to_json(self) -> str:
            return '{"data": [{"name": "</script <b>&lt;"}]}'

    found = Reader(page_of([Section("q", "h", [Figure(Raw(), "alt")])]))
    data = next(text for text in found.raw["script"] if text.startswith('{"data"'))
    assert json.loads(data)["data"][0]["name"] == "</script <b>&lt;"
    assert not set("<>&") & set(data), "a browser ends a script at less than this parser does"


def test_what_scrolls_can_be_reached_and_has_a_name() -> None:
    boxes = [values for _, values in Reader(page_of(everything(["a", "b"]))).tags if values.get("class") == "scroll"]
    assert len(boxes) >= 4
    assert all(box["tabindex"] == "0" and box["role"] == "region" and box["aria-label"] for box in boxes)


def test_all_that_is_given_is_shown() -> None:
    page = page_of(
        [Section("Q one?", "H one.", ["First.\n\nSecond."], ["W one"], "one"), Section("Q two?", "H two.")],
        title="T", subtitle="S", facts={"F": "f"}, verdict="V.", figures=[KeyFigure("K", 0.8234, 0.79, 0.85, "E")],
        provenance={"Seed": "17"}, command="headstart fit x",
    )  # fmt: skip
    found = Reader(page)
    for part in (
        "Q one?",
        "H one.",
        "First.",
        "Second.",
        "Q two?",
        "H two.",
        "V.",
        "0.823",
        "0.790 – 0.850",
        "17",
        "E",
    ):
        assert part in found.text, part
    assert found.text.count("W one") == 2 and "1 warning to read" in found.text
    assert found.text.index("Q one?") < found.text.rindex("Q two?")
    assert "headstart fit x" in found.text


def test_anchors_are_unique_and_every_link_arrives() -> None:
    sections = [Section("Same?", "x", [], ["w"]) for _ in range(3)] + [Section("日本", "x"), Section("中文", "x")]
    sections += [Section("Content", ""), Section("", ""), Section("Same? 2", ""), Section("q", "h", anchor="Top")]
    found = Reader(page_of(sections))
    ids = [values["id"] for _, values in found.tags if "id" in values]
    assert len(ids) == len(set(ids))
    links = [values["href"][1:] for tag, values in found.tags if tag == "a"]
    assert set(links) <= set(ids) and len(links) >= len(sections)
    assert 'id="how-good"' in page_of([Section("How good?", "x")])


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in Reader(page_of(everything(["a", "b"]))).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and set(levels[1:]) == {2}


def test_empty_pages_and_blocks() -> None:
    assert "no sections" in Reader(page_of([], facts={}, verdict="")).text
    empty = [
        Text(""), KeyFigures([]), Table(pd.DataFrame()), Table(pd.DataFrame({"a": []}), "Caption"), Gallery([]),
        Notes("Unreadable files", []), Details("more", []), Decision("kept", "", pd.DataFrame()),
        ConfusionMatrix([[0]], ["only"]), ClassBars([], [], [], [], []),
        Figure(go.Figure(), "nothing"),
    ]  # fmt: skip
    found = Reader(page_of([Section("", "", empty), Section("Q", "")]))
    assert "Caption: no rows." in found.text and "no pictures." in found.text and "nothing was judged" in found.text


def test_what_is_not_a_block_is_refused() -> None:
    with pytest.raises(TypeError, match="not DataFrame"):
        page_of([Section("q", "h", [pd.DataFrame()])])  # type: ignore[list-item]


def test_same_input_same_page() -> None:
    assert page_of(everything(["a", "b"])) == page_of(everything(["a", "b"]))


@dataclass(frozen=True, kw_only=True)
class Counted(Answer):
    rows: int = 2
    question = "How many?"

    def headline(self) -> str:
        return f"{self.rows} of them."

    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame({"thing": [f"thing {i}" for i in range(self.rows)]})


def test_answers_become_sections() -> None:
    section = answer_section(Counted(warnings=("look out",)), Text("Because."), anchor="n")
    assert (section.question, section.headline, section.anchor) == ("How many?", "2 of them.", "n")
    assert tuple(section.warnings) == ("look out",)
    found = Reader(page_of([section])).text
    assert found.index("Because.") < found.index("thing 0") < found.index("thing 1")
    assert len(answer_section(Counted(rows=0)).body) == 0 == len(answer_section(Counted(), table=False).body)


def _luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: list[float], b: list[float]) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_meets_wcag_aa(scheme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", _asset("style.css"), re.S)[scheme]
    colours = {
        name: [int(value[i : i + 2], 16) for i in (0, 2, 4)]
        for name, value in re.findall(r"--([\w-]+): #([0-9a-f]{6})\b", block)
    }
    for ink, ground in [
        ("ink", "paper"), ("muted", "paper"), ("accent", "paper"), ("ink", "raised"), ("muted", "raised"),
        ("accent", "raised"), ("warn-ink", "warn-paper"), ("warn-ink", "paper"), ("ink", "ground"),
    ]:  # fmt: skip
        assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for mark in ("fill", "error"):
        assert _contrast(colours[mark], colours["paper"]) >= 3, mark
    full = float(re.search(r"--full: (\d+)%", block).group(1)) / 100  # type: ignore[union-attr]
    for mark, ground in (("fill", "ground"), ("error", "paper")):  # the numbers of the confusion matrix
        for tint in range(11):
            share = full * tint / 10
            mixed = [share * a + (1 - share) * b for a, b in zip(colours[mark], colours[ground], strict=True)]
            assert _contrast(colours["ink"], mixed) >= 4.5, (mark, tint)

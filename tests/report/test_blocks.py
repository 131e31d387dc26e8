"""What single blocks show, and where they cut."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart.report import (
    Block,
    ClassBars,
    ConfusionMatrix,
    Gallery,
    KeyFigure,
    Notes,
    Page,
    Picture,
    Section,
    Table,
    data_uri,
    render,
)
from headstart.report.page import _environment
from headstart.report.thumbnails import thumbnail
from headstart.results import PictureError


def shown(block: Block | str, budget: int = 10_000_000) -> str:
    return str(Page(_environment(), budget).show(block))


def words(block: Block | str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", shown(block)).split())


def test_key_figures_place_values_on_their_scale() -> None:
    figure = KeyFigure("x", 0.15, 0.1, 0.3, scale=(0.1, 0.2), reference=0.05)
    seen = figure.shown()
    assert (seen["at"], seen["start"], seen["length"], seen["tick"]) == (50.0, 0.0, 100.0, 0.0)
    assert KeyFigure("n", 12345).shown()["value"] == "12,345"
    assert KeyFigure("n", np.float64(0.5)).shown()["value"] == "0.500"
    assert KeyFigure("n", "small").shown()["drawn"] is False
    nan = KeyFigure("n", float("nan"), float("nan"), float("nan")).shown()
    assert nan["value"] == "–" and nan["interval"] == "" and not nan["drawn"]
    assert KeyFigure("n", 0.5, 0.4, 0.6, scale=(1, 1)).shown()["drawn"] is False


def test_key_figure_of_an_interval() -> None:
    class Interval:
        value, low, high, level = 0.8, 0.7, 0.9, 0.9

    figure = KeyFigure.of("F1", Interval(), "why", digits=2)
    assert (figure.value, figure.low, figure.high, figure.level, figure.digits) == (0.8, 0.7, 0.9, 0.9, 2)
    assert figure.shown()["interval"] == "0.70 – 0.90"


def test_tables_align_numbers_and_leave_missing_values_empty() -> None:
    frame = pd.DataFrame(
        {"word": ["a", None], "n": [1200, 3], "x": [0.5, np.nan], "big": [61.0, 121.125], "ok": [True, False],
         "when": [pd.Timestamp("2024-01-02"), pd.NaT]},
    )  # fmt: skip
    view = Table(frame, digits={"x": 1}).view(Page(_environment(), 0))
    assert [column["numeric"] for column in view["columns"]] == [False, True, True, True, False, False]
    assert [row["cells"] for row in view["first"]] == [
        ["a", "1,200", "0.5", "61.0", "yes", "2024-01-02 00:00:00"],
        ["", "3", "", "121.1", "no", ""],
    ]


def test_table_bars_are_shares_of_the_largest() -> None:
    frame = pd.DataFrame({"n": [4.0, 1.0, np.nan, -2.0]})
    assert [row["bars"] for row in Table(frame, bar="n").view(Page(_environment(), 0))["first"]] == [
        [100.0], [25.0], [0.0], [0.0],
    ]  # fmt: skip


def test_named_index_is_shown_and_long_tables_are_cut_but_counted() -> None:
    frame = pd.DataFrame({"n": range(2000)}, index=pd.Index([f"row {i}" for i in range(2000)], name="id"))
    html = shown(Table(frame, limit=10))
    assert ">id<" in html and "row 9<" in html and "row 1009<" in html and "row 1010<" not in html
    assert "and 1,990 more" in html and "and 990 more, not shown here" in html
    assert "more" not in words(Table(frame.head(13), limit=10)), "three rows more are not worth a click"


def test_duplicate_and_odd_column_names() -> None:
    frame = pd.DataFrame(
        [[1, 2, 3]], columns=["a", "a", 7], index=pd.MultiIndex.from_tuples([("x", 1)], names=["a", "b"])
    )
    assert words(Table(frame)).startswith("a b a a 7 x 1 1 2 3")


def test_confusion_matrix_counts_shares_and_pairs() -> None:
    matrix = ConfusionMatrix([[8, 2, 0], [1, 5, 4], [0, 0, 0]], ["a", "b", "c"])
    view = matrix.view(Page(_environment(), 0))
    assert [row["recall"] for row in view["rows"]] == ["80\u202f%", "50\u202f%", "–"]
    assert view["precision"] == ["89\u202f%", "71\u202f%", "0\u202f%"]
    assert [(p["given"], p["predicted"], p["count"], p["back"]) for p in view["pairs"]] == [
        ("b", "c", 4, 0), ("a", "b", 2, 1), ("b", "a", 1, 2),
    ]  # fmt: skip
    assert (view["wrong"], view["total"]) == (7, 20)
    assert all(0 <= cell["tint"] <= 1 for row in view["rows"] for cell in row["cells"])


@pytest.mark.parametrize("k", [1, 2, 30, 31, 300])
def test_confusion_matrix_of_any_size(k: int) -> None:
    counts = np.eye(k, dtype=int) * 3
    if k > 1:
        counts[0, 1] = 2
    html = shown(ConfusionMatrix(counts, [f"class {i}" for i in range(k)]))
    assert ("<table" in html) == (k <= 30)
    assert ("Most often mistaken" in html) == ("<b>2</b> of 5" in html) == (k > 1)
    assert ("None of 3 is mistaken" in html) == (k == 1)


def test_charts_refuse_lengths_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\).*3 classes"):
        ConfusionMatrix([[1, 2]], ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"recall has shape \(1,\)"):
        ClassBars(["a", "b"], [1, 1], [1], [1, 1], [1, 1])


def test_class_bars_put_the_weakest_first_and_the_undefined_last() -> None:
    bars = ClassBars(["a", "b", "c"], [0.9, np.nan, 0.1], [0.9, 0.0, 0.2], [0.9, np.nan, 0.13], [4, 0, 1200])
    rows = bars.view(Page(_environment(), 0))["first"]
    assert [row["name"] for row in rows] == ["c", "a", "b"]
    assert (rows[0]["support"], rows[2]["f1"], rows[2]["at"]) == ("1,200", "–", None)
    assert "and 60 more" in words(ClassBars([f"k{i}" for i in range(100)], *[[0.5] * 100] * 3, [1] * 100))


def test_galleries_open_only_what_they_show() -> None:
    opened: list[int] = []

    def opener(i: int) -> Image.Image:
        opened.append(i)
        return Image.new("RGB", (400, 300), (i, 0, 0))

    pictures = [Picture(lambda i=i: opener(i), [("given", "a")], f"{i}.jpg") for i in range(50)]  # type: ignore[misc]
    html = shown(Gallery(pictures, limit=6))
    assert opened == [0, 1, 2, 3, 4, 5] and html.count("<img") == 6
    assert 'width="200" height="150"' in html and 'loading="lazy"' in html
    assert "44 more are not shown" in html and "49.jpg" in html


def test_the_page_bounds_all_its_pictures_together() -> None:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (200, 200, 3), dtype=np.uint8)) for _ in range(12)]
    gallery = Gallery([Picture(image, name=f"{i}.png") for i, image in enumerate(noise)])
    one = len(data_uri(noise[0]))
    html = render(
        [Section("q", "h", [gallery, gallery])], title="t", facts={}, verdict="", picture_budget=int(15.5 * one)
    )
    assert 14 <= html.count("<img") <= 16
    assert f"{24 - html.count('<img')} more are not shown: this page is kept small" in html
    assert sum(map(len, re.findall(r"data:image[^\"]+", html))) <= 15.5 * one


def broken() -> Image.Image:
    raise PictureError("truncated after 12 bytes")


def test_a_picture_that_cannot_be_opened_is_named() -> None:
    pictures = [Picture(broken, name="x.jpg"), Picture(b"junk", name="y.jpg"), Picture(None, name="z.jpg")]
    text = words(Gallery(pictures))
    assert "truncated after 12 bytes x.jpg" in text and "y.jpg" in text and "not available z.jpg" in text
    assert "0x" not in text, "an address differs from run to run"


def test_notes_count_all_and_show_some() -> None:
    text = words(Notes("Unreadable", [("a.jpg", "empty")] * 7, limit=3))
    assert text.startswith("Unreadable 7") and text.count("a.jpg empty") == 3 and "and 4 more" in text


def decoded(uri: str) -> Image.Image:
    head, body = uri.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize("size", [(640, 480), (1, 5000), (5000, 1), (20, 10), (200, 200)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK"])
def test_thumbnails_of_any_shape_and_mode(size: tuple[int, int], mode: str) -> None:
    picture = Image.new(mode, size)
    before = picture.tobytes()
    made = thumbnail(picture)
    small = decoded(made.uri)
    assert small.size == (made.width, made.height) and max(small.size) <= 200 and small.mode == "RGB"
    assert max(size) > 200 or small.size == size
    assert picture.size == size and picture.tobytes() == before


def test_thumbnails_keep_colours_and_show_transparency_on_white() -> None:
    red = decoded(data_uri(Image.new("RGB", (300, 300), (200, 30, 30))))
    assert np.abs(np.asarray(red, int)[50, 50] - [200, 30, 30]).max() <= 6
    clear = decoded(data_uri(Image.new("RGBA", (300, 300), (0, 0, 0, 0))))
    assert np.asarray(clear).min() >= 250
    stream = io.BytesIO()
    Image.new("RGB", (900, 600), (30, 30, 200)).save(stream, "JPEG")
    assert decoded(data_uri(stream.getvalue(), side=90)).size == (90, 60)

import dataclasses
import io
import json
import time

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from headstart.results import Answer, plain
from headstart.results.terminal import progress, table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found(Answer):
    best: str
    scores: dict[str, np.float32]
    big: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(3))
    question = "Which one?"

    def headline(self):
        return f"{self.best} <is> best."

    def to_frame(self):
        return pd.DataFrame({"name": list(self.scores), "score": list(self.scores.values())})


ANSWER = Found(best="a", scores={"a": np.float32(0.5), "b": np.float32("nan")}, warnings=("careful",))


def test_to_dict_is_json_without_the_large_arrays():
    assert json.loads(json.dumps(ANSWER.to_dict())) == {
        "best": "a",
        "scores": {"a": 0.5, "b": None},
        "warnings": ["careful"],
    }


def test_shown_in_a_terminal_and_in_a_notebook():
    screen = Console(file=io.StringIO(), width=60)
    screen.print(ANSWER)
    text = screen.file.getvalue()
    assert "Which one?" in text and "a <is> best." in text and "careful" in text and "0.500" in text
    html = ANSWER._repr_html_()
    assert "a &lt;is&gt; best." in html and "<table" in html
    with pytest.raises(TypeError, match="no plot"):
        ANSWER.plot()


def test_an_answer_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ANSWER.best = "b"


def test_plain_knows_what_answers_hold():
    value = {"t": (1, np.int64(2)), "s": {3, 1}, "inf": np.inf, "flag": np.bool_(True), 5: None}
    assert plain(value) == {"t": [1, 2], "s": [1, 3], "inf": None, "flag": True, "5": None}


def test_a_long_table_says_what_it_leaves_out():
    screen = Console(file=io.StringIO(), width=60)
    screen.print(table(pd.DataFrame({"n": range(50)}), limit=10))
    assert "and 40 more" in " ".join(screen.file.getvalue().split())


def test_where_room_is_short_headings_are_broken_and_numbers_are_not():
    names = [f"feature {k}" for k in range(8)]
    frame = pd.DataFrame(-0.123, index=pd.Index(["blocks.0"], name="tap"), columns=names)
    screen = Console(file=io.StringIO(), width=80)
    screen.print(table(frame))
    shown = screen.file.getvalue()
    assert "blocks.0" in shown and shown.count("-0.123") == 8 and "…" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_table_without_rows():
    screen = Console(file=io.StringIO(), width=60)
    screen.print(table(pd.DataFrame({"n": []}, index=pd.Index([], name="class"))))
    assert "class" in screen.file.getvalue()


def test_markup_in_names_is_text():
    screen = Console(file=io.StringIO(), width=60)
    screen.print(table(pd.DataFrame({"class": ["[red]x[/red]", "[/]"]})))
    assert "[red]x[/red]" in screen.file.getvalue()


def test_progress_shows_only_what_takes_long(capsys):
    with progress("short", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
    with progress("long", 3, after=0.0) as advance:
        time.sleep(0.01)
        advance(3)
    assert "long" in capsys.readouterr().err
    with progress("hushed", 3, after=0.0, quiet=True) as advance:
        advance(3)
    assert capsys.readouterr().err == ""

"""The command as a person runs it: a process, its exit code, what it prints."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image


def headstart(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "headstart", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
    )


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    result = headstart("fit", photos, "--out", folder / "run", HEADSTART_CACHE=str(folder / "cache"))
    assert result.returncode == 0, result.stderr
    return folder / "run", result


def test_fit_says_what_it_found_and_where_the_report_is(run):
    folder, result = run
    assert str(folder / "report.html") in result.stdout
    assert "macro-F1" in result.stdout and "What do I have?" in result.stdout
    assert "Traceback" not in result.stderr


def test_predict_writes_csv_and_json_and_lists_what_it_cannot_read(run, photos, tmp_path):
    folder, _ = run
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not really")
    paths = [photos / "環", photos / "disc" / "0.jpg", tmp_path / "broken.jpg"]
    assert headstart("predict", folder, *paths, "--out", tmp_path / "p.csv", "--top", 2).returncode == 0
    frame = pd.read_csv(tmp_path / "p.csv")
    assert len(frame) == 18 and list(frame["id"])[-1] == str(tmp_path / "broken.jpg")
    assert frame["unreadable"].notna().sum() == 1 and pd.isna(frame["predicted"].iloc[-1])
    assert (frame["predicted"][:16] == "環").mean() > 0.8
    chances = frame[[column for column in frame if column.startswith("p(")]][:-1]
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-4)
    assert (frame["probability"][:-1] >= frame["probability_2"][:-1]).all()
    assert headstart("predict", folder, *paths, "--out", tmp_path / "p.json", "--quiet").stdout == ""
    rows = json.loads((tmp_path / "p.json").read_text())
    assert len(rows) == 18 and rows[-1]["predicted"] is None
    assert len(json.loads(headstart("predict", folder, paths[1], "--json").stdout)) == 1


def test_profile_sources_and_report(run, photos):
    folder, _ = run
    profile = headstart("profile", photos)
    assert profile.returncode == 0 and "quer balken" in profile.stdout
    found = json.loads(headstart("profile", photos, "--json").stdout)
    assert found["headline"]
    listed = headstart("sources")
    assert all(name in listed.stdout for name in ("lite0", "lite1", "lite2"))
    rows = json.loads(headstart("sources", "--json").stdout)
    assert {row["source"] for row in rows if row["on disk"] == "yes"} >= {"lite0", "lite1", "lite2"}
    assert {"timm:vit_small_patch14_dinov2.lvd142m"} <= {row["source"] for row in rows}
    assert str(folder / "report.html") in headstart("report", folder).stdout
    assert json.loads(headstart("report", folder, "--json").stdout)["headline"]


def _pictures(folder, classes):
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / name / f"{k}.png")
    return folder


def test_a_fit_of_a_table_says_to_predict_a_table(tmp_path):
    frame = pd.DataFrame({"x": np.arange(40.0), "label": ["low", "high"] * 20})
    table = _table(tmp_path / "t.csv", frame)
    said = headstart("fit", table, "--out", tmp_path / "run").stdout
    hint = next(line for line in said.splitlines() if line.startswith("predict "))
    words = hint.replace("TABLE", str(table)).replace("predictions.csv", str(tmp_path / "p.csv")).split()
    assert words[:2] == ["predict", "headstart"] and headstart(*words[2:]).returncode == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == 40


def _broken(folder):
    _pictures(folder, {"a": 9, "b": 9})
    for k in range(3):
        (folder / "a" / f"broken{k}.png").write_bytes(b"junk")
    return folder


def _table(path, frame):
    frame.to_csv(path, index=False)
    return path


BAD = {
    "missing folder": (lambda t: ["fit", t / "nowhere"], "nowhere"),
    "empty folder": (lambda t: ["fit", _pictures(t / "d", {"a": 0})], "d"),
    "a single class": (lambda t: ["fit", _pictures(t / "d", {"only": 5})], "only"),
    "a class with one picture": (lambda t: ["fit", _pictures(t / "d", {"a": 5, "b": 5, "rare": 1})], "rare"),
    "too many unreadable": (lambda t: ["fit", _broken(t / "d")], "max_unreadable"),
    "no such label column": (
        lambda t: ["fit", _table(t / "t.csv", pd.DataFrame({"x": [1.0, 2], "y": [0, 1]})), "--label", "klass"],
        "klass",
    ),
    "NaN labels": (
        lambda t: ["fit", _table(t / "t.csv", pd.DataFrame({"x": range(6), "label": list("abab") + [None] * 2}))],
        "label",
    ),
    "unknown source": (lambda t: ["fit", _pictures(t / "d", {"a": 5, "b": 5}), "--source", "lite9"], "lite9"),
    "a cost that cannot be read": (
        lambda t: ["fit", _pictures(t / "d", {"a": 5, "b": 5}), "--cost", "fn=much"],
        "write it like 'fn=10,fp=1'",
    ),
    "no such run": (lambda t: ["predict", t / "norun", t], "norun"),
    "no such picture": (lambda t: ["report", t], "no run"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_and_exit_code_2(name, tmp_path):
    make, says = BAD[name]
    result = headstart(*make(tmp_path), cwd=tmp_path)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error ") and says in lines[0]
    assert result.stdout == ""


def test_the_switch_lets_unreadable_pictures_pass(tmp_path):
    result = headstart("profile", _broken(tmp_path / "d"), "--max-unreadable", 0.5)
    assert result.returncode == 0 and "3" in result.stdout


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path):
    """At several instants: while a library is imported or exports a network, too."""
    command = [sys.executable, "-m", "headstart", "fit", str(_pictures(tmp_path / "d", {"a": 40, "b": 40}))]
    for wait in (0.0, 0.7, 1.4, 2.1):
        run = tmp_path / f"run {wait}"
        # A shell's background job inherits that SIGINT is ignored, and so would the tests that it runs.
        process = subprocess.Popen(
            [*command, "--out", str(run)], stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        while process.poll() is None and not (run / "plan.json").exists():
            time.sleep(0.05)
        time.sleep(wait)
        if wait > 1 and process.poll() == 0:  # a quick machine is through by now
            break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.endswith("stopped; what was finished is kept, and the same command goes on from there\n")
        assert "Traceback" not in said
    assert headstart("fit", tmp_path / "d", "--out", tmp_path / "run 0.0", "--quiet").returncode == 0


def test_import_is_light():
    """What makes ``import headstart`` slow are its heavy libraries: none may be loaded by it."""
    code = "import sys, headstart; print([m for m in ('torch','numpy','pandas','sklearn','PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"

"""Records on disk: whole, found again, merged once, and gone when they are cleared."""

import dataclasses
import multiprocessing

import pytest
from typer.testing import CliRunner

from headstart.cli.app import app
from headstart.results import DataError
from headstart.transfer.history import Record, Trial, clear, export, history, history_folder, merge, records, remember


def record(number=0, **more):
    trials = (
        Trial("plain", "frozen", "C = 1", 0.5 + number / 100, float("nan"), 40),
        Trial("by hand", "target-only", "", 0.9, 1.0, 40),
    )
    rounds = ({"cut": "", "rate": 1e-3, "fold": 0, "epochs": 3, "crops": True, "macro_f1": 0.5, "log_loss": 1.0},)
    values = {"target": "Äpfel", "data": f"d{number}", "modality": "pictures", "source": "lite0", "centre": (0.5, 1.0)}
    return Record(**{**values, "meta": {"rows": 4.0}, "trials": trials, "rounds": rounds, **more})


def same(one, other):
    return one.to_dict() == other.to_dict()


def test_what_is_remembered_is_found_again_the_oldest_first(cache_dir):
    for number in (3, 1, 2):
        path = remember(record(number))
        assert path.parent == cache_dir / "history"
    found = records()
    assert [one.data for one in found] == ["d3", "d1", "d2"] and same(found[0], record(3))
    assert found[0].best.name == "plain", "what carries nothing over is no advice"
    remember(record(1))
    assert len(records()) == 3


def test_the_folder_is_named_by_a_variable_which_also_switches_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_HISTORY", str(tmp_path / "mine"))
    assert history_folder() == tmp_path / "mine" and remember(record()).parent == tmp_path / "mine"
    monkeypatch.setenv("HEADSTART_HISTORY", "off")
    assert remember(record()) is None and records() == [] and "switched off" in history().headline()
    with pytest.raises(DataError, match="the history is switched off"):
        merge(tmp_path / "x")


def test_damage_and_later_formats_are_passed_over(cache_dir):
    remember(record(1))
    remember(record(2)).write_bytes(b"{}")
    (cache_dir / "history" / "run-abc.json").write_text("half a re")
    assert [one.data for one in records()] == ["d1"]


def _write(start):
    for number in range(start, start + 15):
        remember(record(number))


def test_two_processes_at_once_lose_nothing():
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_write, args=(start,)) for start in (0, 10)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert {one.exitcode for one in both} == {0}
    assert sorted(one.data for one in records()) == sorted(f"d{number}" for number in range(25))


def test_exported_here_and_merged_there(tmp_path, monkeypatch):
    for number in range(3):
        remember(record(number))
    assert export(tmp_path / "all.jsonl") == 3
    monkeypatch.setenv("HEADSTART_HISTORY", str(tmp_path / "there"))
    remember(record(2))
    assert merge(tmp_path / "all.jsonl") == 2 and merge(tmp_path / "all.jsonl") == 0
    assert sorted(one.data for one in records()) == ["d0", "d1", "d2"]
    assert clear() == 3 and records() == [] and clear() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "line 1: no JSON; give a file of headstart history export"),
        ('\n{"format": 7}', "line 2: a record of format 7"),
        ('{"format": 1, "target": "x"}', "line 1: not a record of a run"),
    ],
)
def test_a_wrong_file_adds_nothing(text, message, tmp_path):
    (tmp_path / "wrong").write_text(text)
    with pytest.raises(DataError, match=message):
        merge(tmp_path / "wrong")
    with pytest.raises(DataError, match="cannot be read"):
        merge(tmp_path / "nowhere")
    assert records() == []


def test_a_record_without_a_score_is_none():
    bad = record().to_dict()
    bad["trials"] = []
    with pytest.raises(DataError, match="not a record"):
        Record.from_dict(bad)
    assert same(Record.from_dict(dataclasses.replace(record(), centre=()).to_dict()), record(centre=()))


def test_the_command_shows_exports_merges_and_clears(tmp_path):
    def run(*words, **more):
        found = CliRunner().invoke(app, ["history", *map(str, words)], **more)
        assert found.exit_code == 0, found.output
        return found.output

    assert "Nothing is remembered yet" in run()
    remember(record())
    assert "Äpfel" in run() and "1 run on 1 data set" in run("show") and '"data": "d0"' in run("show", "--json")
    assert "1 runs written" in run("export", tmp_path / "f")
    assert CliRunner().invoke(app, ["history", "clear"], input="n\n").exit_code == 1 and len(records()) == 1
    assert "1 runs forgotten" in run("clear", "--yes") and "1 runs added" in run("merge", tmp_path / "f")

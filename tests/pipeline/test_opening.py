"""A run's folder is opened in one way for every task."""

import pandas as pd
import pytest

from headstart.data import load_target
from headstart.pipeline.opening import open_run
from headstart.pipeline.plan import Settings
from headstart.results import RunError


@pytest.fixture
def target(tmp_path):
    table = tmp_path / "wells.csv"
    pd.DataFrame({"depth": range(40), "label": ["dry", "wet"] * 20}).to_csv(table, index=False)
    return load_target(table, label="label")


def opened(target, out=None, **settings):
    return open_run(out, Settings(**settings), target, [], lambda: pytest.fail("no engine for a table"))


def test_the_folder_has_the_name_of_the_data(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = opened(target)
    assert run.folder.name == "wells-run" and (tmp_path / "wells-run" / "plan.json").is_file()
    assert run.trial is None and run.plan.choice.backend == "" and not run.is_finished


def test_a_stopped_run_keeps_its_work_and_loses_halves_of_files(target, tmp_path):
    first = opened(target, tmp_path / "run")
    first.work.mkdir()
    half = first.folder / ".model.x.part"
    half.touch()
    again = opened(target, tmp_path / "run")
    assert again.plan == first.plan and again.work.is_dir() and not half.exists()
    again.close()
    assert not again.work.exists()
    with pytest.raises(RunError, match="with seed=0, not 1"):
        opened(target, tmp_path / "run", seed=1)


def test_a_finished_run_is_left_as_it_is(target, tmp_path):
    run = opened(target, tmp_path / "run")
    (run.folder / "run.json").touch()
    half = run.folder / ".model.x.part"
    half.touch()
    assert opened(target, tmp_path / "run").is_finished and half.exists()

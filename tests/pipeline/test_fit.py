"""``fit`` from end to end on drawn pictures: the run folder, its files, repetition, resumption."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import f1_score

import headstart
from headstart.features.preprocess import prepare
from headstart.results import HeadstartError, HeadstartWarning, RunError


def outcome(folder):
    """What must not depend on the clock."""
    run = json.loads((folder / "run.json").read_text())
    run.pop("times")
    return run, *((folder / name).read_bytes() for name in ("model.safetensors", "model.onnx", "predictions.csv"))


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """One finished run, its cache, and the run itself."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(root / "cache"))
        run = headstart.fit(photos, out=root / "run")
    return run, root / "cache"


def test_the_run_folder_is_complete_and_says_what_was_done(finished, photos):
    run, _ = finished
    names = {entry.name for entry in run.folder.iterdir()}
    assert names == {
        "plan.json", "run.json", "model.safetensors", "model.onnx", "predictions.csv", "report.html",
    }  # fmt: skip
    assert run.classes == ("disc", "quer balken", "環")
    info = run.info
    assert info["data"]["parts"]["train"] + info["data"]["parts"]["test"] == 70
    assert info["times"]["pictures_passed"] > 0
    assert set(info["metrics"]) >= {"macro_f1", "balanced_accuracy", "accuracy", "roc_auc", "pr_auc", "ece"}
    assert info["metrics"]["macro_f1"]["low"] <= info["metrics"]["macro_f1"]["value"]


def test_the_figure_in_run_json_is_that_of_the_predictions(finished):
    run, _ = finished
    frame = pd.read_csv(run.folder / "predictions.csv")
    test = frame[frame["split"] == "test"]
    assert set(test["how"]) == {"held out"} and set(frame[frame["split"] == "train"]["how"]) == {"out of fold"}
    expected = f1_score(test["label"], test["predicted"], average="macro")
    assert run.metrics["macro_f1"]["value"] == pytest.approx(expected, abs=1e-9)
    assert expected > 0.8, "discs, bars and rings are easy to tell apart"


def test_predict_gives_what_the_run_predicted_and_what_onnx_runtime_gives(finished, photos):
    run, _ = finished
    frame = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    files = [photos / name for name in frame["id"]]
    found = run.predict_proba(files)
    columns = [f"p({name})" for name in run.classes]
    assert np.abs(found - frame[columns].to_numpy()).max() < 1e-4
    assert list(run.predict(files)) == list(frame["predicted"])
    session = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    batch = np.stack([prepare(Image.open(file).convert("RGB"), run.preprocessing) for file in files])
    assert np.abs(session.run(None, {"pictures": batch})[0] - found).max() < 1e-4
    assert np.abs(headstart.load(run.folder).predict_proba(files, device="cpu") - found).max() == 0
    assert np.abs(run.model.predict_proba(_torch_last(run, batch)) - found).max() < 1e-4


def _torch_last(run, batch):
    return run._torch_engine("cpu")(batch)[-1].astype(float)


def test_a_second_fit_runs_no_forward_pass_and_gives_the_same_bytes(finished, photos, tmp_path, monkeypatch):
    run, cache = finished
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    again = headstart.fit(photos, out=tmp_path / "again")
    assert again.info["times"]["pictures_passed"] == 0
    assert outcome(again.folder) == outcome(run.folder)


def test_a_finished_run_is_a_source(finished, photos, tmp_path):
    run, _ = finished
    source = headstart.sources.get(run.folder)
    assert source.card.n_classes == 3 and "photos" in source.card.trained_on
    second = headstart.fit(photos, out=tmp_path / "second", source=run.folder, input_fit="pad")
    assert second.info["source"]["name"] == str(run.folder)
    assert second.info["model"]["preprocessing"]["fit"] == "pad"


def test_final_refits_on_everything_but_measures_first(finished, photos, tmp_path, monkeypatch):
    run, cache = finished
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    final = headstart.fit(photos, out=tmp_path / "final", final=True)
    assert final.metrics == run.metrics
    assert final.info["model"]["fitted_on"] == ["train", "val", "test"]
    assert not np.array_equal(final.model.head.coef_, run.model.head.coef_)


def test_a_run_folder_is_never_mixed_up(finished, photos, tmp_path):
    run, _ = finished
    assert headstart.fit(photos, out=run.folder).folder == run.folder
    with pytest.raises(RunError, match="seed=0, not 1"):
        headstart.fit(photos, out=run.folder, seed=1)
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    (other / "disc" / "0.jpg").unlink()
    with pytest.raises(RunError, match="another data set"):
        headstart.fit(other, out=run.folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="no run"):
        headstart.fit(photos, out=tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    with pytest.raises(RunError, match="is no run"):
        headstart.load(tmp_path / "full")
    with pytest.raises(HeadstartError, match="crop, squash or pad"):
        headstart.fit(photos, out=tmp_path / "x", input_fit="stretch")


def test_a_damaged_shard_is_computed_again(finished, photos, tmp_path, monkeypatch):
    run, cache = finished
    shutil.copytree(cache, tmp_path / "cache")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    shard = max((tmp_path / "cache").glob("activations/*/shard-*"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(bytes(content))
    with pytest.warns(HeadstartWarning, match="damaged"):
        again = headstart.fit(photos, out=tmp_path / "again")
    assert again.info["times"]["pictures_passed"] > 0
    assert outcome(again.folder) == outcome(run.folder)


@pytest.mark.parametrize("wait", [2.0, 5.0])
def test_killed_and_started_again_it_ends_the_same(finished, photos, tmp_path, wait):
    """``benchmarks/kill.py`` does it at 20 instants on real photos."""
    run, cache = finished
    shutil.copytree(cache / "trials", tmp_path / "cache" / "trials")  # which engine is faster depends on the clock
    environment = {**os.environ, "HEADSTART_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "headstart", "fit", str(photos), "--out", str(tmp_path / "run"), "--quiet"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, env=environment, check=True)
    assert outcome(tmp_path / "run") == outcome(run.folder)
    assert not list((tmp_path / "run").glob(".*"))


def test_a_table_of_features(tmp_path):
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True, as_frame=True)
    frame = X.assign(cultivar=[f"cultivar {code}" for code in y])
    frame.to_csv(tmp_path / "wine.csv", index=False)
    run = headstart.fit(tmp_path / "wine.csv", label="cultivar", out=tmp_path / "run")
    assert run.metrics["macro_f1"]["value"] > 0.9
    assert run.preprocessing is None and run.info["source"] is None
    assert (run.predict(X) == frame["cultivar"]).mean() > 0.95
    assert (run.predict(X.to_numpy()) == run.predict(X)).all()
    with pytest.raises(HeadstartError, match="'alcohol'"):
        run.predict(X.drop(columns="alcohol"))


def test_no_space_left(photos, tmp_path, monkeypatch):
    """A write that the system refuses: one line, and what was finished is kept."""
    from headstart.results import files

    real, written = os.fdopen, []

    class Full:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def write(self, content):
            written.append(len(content))
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fdopen", lambda fd, mode: Full(real(fd, mode)))
    with pytest.raises(HeadstartError, match="no space left") as caught:
        headstart.fit(photos, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and written
    monkeypatch.setattr(files.os, "fdopen", real)
    assert headstart.fit(photos, out=tmp_path / "run").metrics["macro_f1"]["value"] > 0.8

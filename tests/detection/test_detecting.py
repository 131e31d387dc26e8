"""fit(task="detect") from drawn pictures to a run that predicts, and what it says where it cannot."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import headstart
from headstart.detection import schedule
from headstart.detection.batches import BoxBatches
from headstart.detection.boxes import Boxes
from headstart.pipeline.detecting import fit_detector
from headstart.pipeline.detector_run import DetectorRun
from headstart.results import DataError, HeadstartError, RunError

SOURCE = "timm:resnet10t"


@pytest.fixture(scope="module")
def small_source():
    from headstart.sources import get

    return get(SOURCE, pretrained=False, seed=1)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Fix the machine's pace, so that schedules are short and the same everywhere; write the page once, in ``run``."""
    monkeypatch.setattr("headstart.pipeline.page_detector.report_page", lambda *args: "")
    pace = schedule.DetectorPace({"": 1.0, "layer2": 1.0, "layer3": 1.0, "head": 1.0}, find=0.0)
    monkeypatch.setattr("headstart.detection.contest.measure_pace", lambda *args, **more: pace)


def fit(target, folder, source, **more):
    return fit_detector(target, out=folder, source=source, budget=0.25, device="cpu", **more)


@pytest.fixture(scope="module")
def run(squares, small_source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        pace = schedule.DetectorPace({"": 1.0, "layer2": 1.0, "layer3": 1.0, "head": 1.0}, find=0.0)
        patch.setattr("headstart.detection.contest.measure_pace", lambda *args, **more: pace)
        return fit(squares, folder, small_source, strategy="auto")


def test_the_run_folder_is_whole_and_told(run, squares):
    assert isinstance(run, DetectorRun)
    assert isinstance(headstart.load(run.folder), DetectorRun)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"plan.json", "run.json", "model.safetensors", "predictions.csv", "report.html"}
    info = run.info
    assert info["data"]["task"] == "detection"
    assert info["data"]["parts"] == {"train": 6, "val": 3, "test": 3}
    assert info["settings"]["task"] == "detect"
    assert info["model"]["input"]["shorter"] % 32 == 0
    assert len(info["model"]["thresholds"]) == 2
    assert {"mAP", "mAP50", "AP50(bright)", "AP50(dark)"} <= set(run.metrics)
    assert {"How large must the pictures be?", "What learns, and how long?", "Did transfer help?"} <= set(
        info["decisions"]
    )
    courses = info["decisions"]["What learns, and how long?"]["courses"]
    assert ["scratch" in one["name"] for one in courses] == [False, True]
    assert "mAP@0.5" in run.report.read_text(encoding="utf-8")


def test_predictions_are_those_of_the_loaded_run(run, squares):
    table = pd.read_csv(run.folder / "predictions.csv")
    assert set(table["split"]) <= {"val", "test"}
    rows = squares.rows("test")
    found = headstart.load(run.folder).predict([squares.pictures.raw(row) for row in rows])
    for row, one in zip(rows, found, strict=True):
        mine = table[table.iloc[:, 0] == squares.ids[row]]
        np.testing.assert_allclose(mine["score"], one.scores, rtol=1e-4)
        edges = mine[["left", "top", "right", "bottom"]].to_numpy()
        np.testing.assert_allclose(edges, one.xyxy, rtol=1e-4, atol=1e-3)


def test_boxes_are_in_the_pixels_of_each_picture_whatever_is_given(run, squares, tmp_path):
    arrays = [squares.pictures.raw(row) for row in range(3)]
    paths = []
    for number, array in enumerate(arrays):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(array).save(paths[-1])
    of_arrays = run.predict(arrays)
    of_paths = run.predict([str(path) for path in paths])
    of_bytes = run.predict([path.read_bytes() for path in paths])
    for a, b, c, array in zip(of_arrays, of_paths, of_bytes, arrays, strict=True):
        np.testing.assert_allclose(a.xyxy, b.xyxy)
        np.testing.assert_allclose(a.scores, c.scores)
        assert a.xyxy.min(initial=0) >= 0
        assert (a.xyxy[:, [0, 2]] <= array.shape[1] + 1e-9).all()
        assert (a.xyxy[:, [1, 3]] <= array.shape[0] + 1e-9).all()
    np.testing.assert_allclose(run.predict(paths[0])[0].xyxy, of_arrays[0].xyxy)
    assert run.predict([]) == []


def test_a_picture_that_cannot_be_read_is_named(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="picture 0 of 1 cannot be read"):
        run.predict([tmp_path / "broken.png"])
    with pytest.raises(RunError, match="finds boxes: call predict"):
        run.predict_proba([])


def test_the_command_predicts_csv_and_coco_json(run, squares, tmp_path, capsys):
    from headstart.cli import main

    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(squares.pictures.raw(0)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")

    def command(*words):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(run.folder), str(folder), *words])
        return ended.value.code

    assert command("--out", str(tmp_path / "boxes.csv"), "--quiet") == 0
    table = pd.read_csv(tmp_path / "boxes.csv")
    found = run.predict(folder / "a.png")[0]
    assert (table.iloc[:, 0].str.endswith("a.png")).sum() == len(found)
    assert table["unreadable"].notna().sum() == 1
    limits = np.array(run.thresholds)[found.labels]
    assert (table["shown"].iloc[: len(found)].astype(bool) == (found.scores >= limits)).all()
    assert command("--out", str(tmp_path / "boxes.json"), "--quiet") == 0
    stored = json.loads((tmp_path / "boxes.json").read_text())
    assert len(stored) == len(found)
    np.testing.assert_allclose(
        [one["bbox"] for one in stored],
        np.hstack([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]]).reshape(-1, 4), atol=1e-2,
    )  # fmt: skip
    assert command("--quiet") == 0
    assert "a.png" in capsys.readouterr().out


def test_a_detector_is_a_source(run):
    from headstart.detection.network import Detector
    from headstart.sources import get

    source = get(run.folder)
    trunk, stored = source.network().state_dict(), run.detector.trunk.state_dict()
    assert all((trunk[name] == stored[name]).all() for name in stored)
    assert Detector(source, 4).entries == run.detector.entries


def test_a_run_that_was_stopped_ends_with_the_same_weights(squares, small_source, tmp_path, monkeypatch):
    whole = fit(squares, tmp_path / "whole", small_source, seed=3)
    from headstart.training import loop

    steps = 0

    class Stop(Exception):
        pass

    own = loop._save

    def stop(*args):
        nonlocal steps
        own(*args)
        steps += 1
        if steps == 1:
            raise Stop

    monkeypatch.setattr(loop, "_save", stop)
    with pytest.raises(Stop):
        fit(squares, tmp_path / "again", small_source, seed=3)
    monkeypatch.setattr(loop, "_save", own)
    shown, epoch = [], BoxBatches.epoch
    monkeypatch.setattr(BoxBatches, "epoch", lambda self, number: (shown.append(number), epoch(self, number))[1])
    again = fit(squares, tmp_path / "again", small_source, seed=3)
    assert shown == [1, 2]  # the first epoch, before the stop, is not repeated
    assert not (tmp_path / "again" / ".work").exists()
    assert (whole.folder / "model.safetensors").read_bytes() == (again.folder / "model.safetensors").read_bytes()
    one, other = whole.info, again.info
    assert {**one, "times": 0} == {**other, "times": 0}


def test_where_transfer_hurts_the_detector_from_scratch_is_handed_back(squares, small_source, tmp_path, monkeypatch):
    from headstart.evaluation import transfer_verdict
    from headstart.pipeline import detecting

    taken = {}

    def hurts(found, detector, other, device):
        taken["scratch"] = other
        return transfer_verdict(np.zeros(40), np.ones(40))

    monkeypatch.setattr(detecting, "compare", hurts)
    run = fit(squares, tmp_path / "run", small_source, strategy="auto")
    stored, expected = run.detector.state_dict(), taken["scratch"].state_dict()
    assert all((stored[name] == expected[name]).all() for name in expected)
    assert "from scratch" in run.info["model"]["parts"][0]["source"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"strategy": "all"}, "strategy='all': choose linear, frozen, auto"),
        ({"loss": "ldam-drw"}, "a detector has no loss 'ldam-drw': choose focal"),
        ({"source": "auto"}, "name one, such as --source lite0"),
        ({"budget": -1}, "budget=-1 minutes leave no time"),
        ({"source": "vit"}, "has no activations at stride 8"),
        ({"nothing": True}, "no training picture has a box"),
        ({"unsplit": True, "strategy": "auto"}, "no validation part"),
    ],
)
def test_what_a_detector_cannot_do_is_said_in_one_line_before_anything_is_written(
    squares, small_source, tmp_path, more, message
):
    from headstart.sources import get

    given = {"source": small_source, **more}
    if given["source"] == "vit":
        given["source"] = get("timm:vit_tiny_patch16_224", pretrained=False)
    data = squares
    if given.pop("nothing", False):
        data = dataclasses.replace(squares, boxes=(Boxes(np.empty((0, 4)), np.empty(0, np.int64)),) * len(squares))
    if given.pop("unsplit", False):
        data = dataclasses.replace(squares, split=np.where(squares.split == "val", "train", squares.split))
    with pytest.raises(HeadstartError, match=message):
        fit_detector(data, out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_other_settings_in_the_same_folder_are_refused(run, squares, small_source):
    with pytest.raises(RunError, match="holds a run with seed=0, not 5"):
        fit(squares, run.folder, small_source, strategy="auto", seed=5)


def test_ways_are_told_apart_on_the_validation_part(squares, small_source, tmp_path, monkeypatch):
    from headstart.detection.contest import DetectorContest
    from headstart.detection.inputs import choose_input

    rows = squares.rows("train")
    size = choose_input([squares.boxes[row] for row in rows], squares.sizes[rows], squares.classes)
    small = dataclasses.replace(size, shorter=64, longer=128)
    scores = iter([0.1, 0.3, 0.2, 0.4])
    monkeypatch.setattr("headstart.detection.contest.mean_precision", lambda *args, **more: next(scores))
    monkeypatch.setattr("headstart.detection.contest.train_detector", _untrained)
    contest = DetectorContest(small_source, squares, small, tmp_path, budget=600, weights="auto")
    assert contest.schedule.short
    _, course = contest.transferred()
    assert [one.score for one in contest.rounds] == [0.1, 0.3, 0.2, 0.4]
    assert course.name == "timm:resnet10t, all of it trained, rare classes weighted (sqrt)"
    again = DetectorContest(small_source, squares, small, tmp_path, budget=1, weights="auto")
    assert again.schedule == contest.schedule
    assert again.transferred()[1] == course  # nothing is trained or scored again


def _untrained(detector, *args, judged, **more):
    from headstart.training.loop import Trained

    return Trained((1.0,), (0.5,) if len(judged) else (), 0)


def test_the_command_fits_annotated_pictures_and_refuses_options_of_other_tasks(
    squares, small_source, tmp_path, monkeypatch, capsys
):
    import torch

    from headstart.cli import main

    entries, images = [], []
    for row in range(len(squares)):
        width, height = squares.sizes[row].tolist()
        images.append({"id": row, "file_name": f"{row}.png", "width": width, "height": height})
        Image.fromarray(squares.pictures.raw(row)).save(tmp_path / f"{row}.png")
        for (left, top, right, bottom), label in zip(squares.boxes[row].xyxy, squares.boxes[row].labels, strict=True):
            entries.append({
                "id": len(entries), "image_id": row, "category_id": int(label),
                "bbox": [left, top, right - left, bottom - top],
            })  # fmt: skip
    categories = [{"id": code, "name": name} for code, name in enumerate(squares.classes)]
    content = {"images": images, "annotations": entries, "categories": categories}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    torch.save(small_source.network().state_dict(), tmp_path / "weights.pth")

    def command(*words):
        source = f"resnet10t@{tmp_path / 'weights.pth'}"
        with pytest.raises(SystemExit) as ended:
            main(["fit", str(tmp_path / "boxes.json"), "--task", "detect", "--source", source, "--out",
                  str(tmp_path / "run"), "--device", "cpu", "--budget", "0.25", *words])  # fmt: skip
        return ended.value.code

    assert command("--norm", "batch") == 2
    assert "--norm says nothing where the task is detect: leave it out" in capsys.readouterr().err
    assert command() == 0
    said = capsys.readouterr().out
    assert "What learns, and how long?" in said
    assert "mAP@0.5" in said
    info = headstart.load(tmp_path / "run").info
    assert info["settings"]["batch_size"] == 4  # the detector's own default, not that of classification
    assert sum(info["data"]["parts"].values()) == len(squares)


def test_few_pictures_without_validation_or_test_part_still_give_a_detector(squares, small_source, tmp_path):
    few = dataclasses.replace(squares, split=np.array(["train"] * 4 + [""] * 8), fingerprint="few")
    run = fit(few, tmp_path / "run", small_source, strategy="frozen")
    assert run.info["model"]["thresholds"] == [0.5, 0.5]
    assert run.metrics == {}
    assert "trunk frozen" in run.headline()
    assert run.headline().endswith("There was no test part.")
    trunk, source = run.detector.trunk.state_dict(), small_source.network().state_dict()
    assert all((trunk[name] == source[name]).all() for name in source)
    assert len(run.predict([squares.pictures.raw(0)])) == 1

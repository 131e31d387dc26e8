"""The bake-off: the rule on made predictions, and a whole run on drawn pictures, stopped and gone on with."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

import headstart
from headstart.data.splits import stratified_group_folds
from headstart.pipeline.bakeoff import correct, decide
from headstart.pipeline.candidates import Bench, Candidate
from headstart.results import HeadstartError

N, K = 200, 4
Y = np.arange(N) % K
BENCH = Bench(Y, np.arange(N), stratified_group_folds(Y, np.arange(N), n_folds=5, random_state=0), K, 0)


def predictions(accuracy, confidence=0.9, seed=0, rows=None):
    """Probabilities that are right for a share of the rows."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(N) < accuracy, Y, (Y + rng.integers(1, K, N)) % K)
    table = np.full((N, K), (1 - confidence) / (K - 1))
    table[np.arange(N), said] = confidence
    if rows is not None:
        table[np.setdiff1d(np.arange(N), rows)] = np.nan
    return table


def candidate(name, kind, table):
    return Candidate(name, kind, table, make=lambda: pytest.fail("nothing is made before it is taken"))


def test_the_better_candidate_is_taken_and_its_lead_is_paired():
    plain, better = predictions(0.7, seed=1), predictions(0.95, seed=2)
    found = decide([candidate("plain", "frozen", plain), candidate("better", "fine-tuned", better)], BENCH)
    assert (found.winner, found.runner_up, found.n) == ("better", "plain", N)
    assert found.entry("better").macro_f1 == pytest.approx(f1_score(Y, better.argmax(1), average="macro"))
    gain = f1_score(Y, better.argmax(1), average="macro") - f1_score(Y, plain.argmax(1), average="macro")
    assert found.lead.value == pytest.approx(gain) and found.lead.low > 0.1
    assert found.entry("plain").gain.value == 0
    assert found.estimate.low < found.entry("better").macro_f1 < found.estimate.high + 0.02


def test_candidates_are_compared_on_the_rows_that_all_of_them_predicted():
    rows = np.concatenate([BENCH.folds[1][1], BENCH.folds[2][1]])
    plain, tuned = predictions(0.8, seed=1), predictions(0.9, seed=2, rows=rows)
    found = decide([candidate("plain", "frozen", plain), candidate("tuned", "fine-tuned", tuned)], BENCH)
    assert found.n == len(rows) == found.entry("tuned").n and found.entry("plain").n == N
    expected = f1_score(Y[rows], plain[rows].argmax(1), average="macro")
    assert found.entry("plain").macro_f1 == pytest.approx(expected)


def test_of_equals_the_better_calibrated_is_taken():
    sure, honest = predictions(0.8, 0.999), predictions(0.8, 0.8)
    found = decide([candidate("sure", "frozen", sure), candidate("honest", "frozen", honest)], BENCH)
    assert found.winner == "honest" and found.lead.value == 0
    assert "cannot be told from it (0.0 to 0.0 points)" in found.headline()


def test_what_carries_nothing_over_is_left_to_the_verdict():
    scratch = candidate("scratch", "target-only", predictions(0.95, seed=3))
    found = decide([candidate("plain", "frozen", predictions(0.7, seed=1)), scratch], BENCH)
    assert (found.winner, found.runner_up) == ("plain", "scratch") and found.lead.high < 0
    assert "points better: see the verdict" in found.headline()
    assert set(found.to_frame()["kind"]) == {"frozen", "target-only"}


def test_correct():
    table = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert correct(table, np.array([0, 0, 0]), np.array([0, 1, 2])).tolist() == [[1.0, 0.0, 1.0]]


def outcome(folder):
    run = json.loads((folder / "run.json").read_text())
    run.pop("times")
    return run, *((folder / name).read_bytes() for name in ("model.safetensors", "model.onnx", "predictions.csv"))


@pytest.fixture(scope="module")
def source():
    """A small network: what is tested is the composition, not the figure."""
    from headstart.sources import Preprocessing, Source
    from headstart.sources.card import Card

    return Source("small", Card("mobilenetv3_small_050", "nothing", n_classes=10), Preprocessing((64, 64)), seed=1)


@pytest.fixture
def steady(monkeypatch):
    """A pace that no clock has measured: 4 epochs and all cuts fit a budget of 16 seconds."""
    from headstart.finetuning.pace import Pace
    from headstart.pipeline.arms import Arms, cuts_of

    def pace(arms):
        cuts = cuts_of(arms.source)
        return Pace(dict.fromkeys(cuts, 0.01), dict.fromkeys(cuts, 0.001), dict.fromkeys(cuts, 1))

    monkeypatch.setattr(Arms, "_pace", pace)
    return {"strategy": "auto", "budget": 16 / 60, "input_fit": "crop"}


def test_a_whole_bake_off_stopped_and_gone_on_with(photos, source, tmp_path, monkeypatch, steady):
    from headstart.pipeline import dear

    keep = {**steady, "source": source}
    whole = headstart.fit(photos, out=tmp_path / "whole", **keep)
    found = whole.info["decisions"]["Freeze, fine-tune, or start over?"]
    kinds = {entry["kind"] for entry in found["entries"]}
    assert kinds == {"frozen", "fine-tuned", "target-only"} and found["rounds"]
    assert whole.info["decisions"]["Did transfer help?"]["answer"] in {"helps", "no evidence", "hurts"}
    assert not (whole.folder / ".work").exists()
    page = whole.report.read_text()
    assert (
        "What would the rule of thumb say?" in page
        and "Freeze, fine-tune, or start over?" in page
        and "Did transfer help?" in page
    )

    trained = iter(range(100))
    train = dear.fine_tune

    def interrupted(*arguments, **options):
        if next(trained) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(dear, "fine_tune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        headstart.fit(photos, out=tmp_path / "stopped", **keep)
    assert len(list((tmp_path / "stopped" / ".work").rglob("*.npy"))) == 3
    monkeypatch.setattr(dear, "fine_tune", train)
    again = headstart.fit(photos, out=tmp_path / "stopped", **keep)
    assert outcome(again.folder) == outcome(whole.folder)


def test_a_fine_tuned_model_predicts_from_its_folder(photos, source, tmp_path, monkeypatch, steady):
    """The fine-tuned candidate is taken by force; what the folder predicts is what the run said of the test part."""
    import pandas as pd

    from headstart.pipeline import contest

    def forced(candidates, bench, **more):
        found = decide(candidates, bench, **more)
        name = next(one.name for one in candidates if one.kind == "fine-tuned")
        return type(found)(**{**vars(found), "winner": name})

    monkeypatch.setattr(contest, "decide", forced)
    monkeypatch.setattr(contest, "_baseline", lambda *arguments: None)
    run = headstart.fit(photos, out=tmp_path / "run", source=source, **steady)
    frame = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    probabilities = run.predict_proba([str(photos / name) for name in frame["id"]])
    columns = [f"p({name})" for name in run.classes]
    assert np.abs(probabilities - frame[columns].to_numpy()).max() < 1e-4
    again = headstart.sources.get(run.folder)
    assert again.card.n_classes == len(run.classes)


def test_bad_input(photos, tmp_path):
    with pytest.raises(HeadstartError, match="no strategy 'all': choose linear, frozen, auto"):
        headstart.fit(photos, out=tmp_path / "a", strategy="all")
    with pytest.raises(HeadstartError, match="goes with strategy='linear' only"):
        headstart.fit(photos, out=tmp_path / "b", strategy="auto", final=True)


def test_where_transfer_hurts_the_baseline_is_handed_back(photos, source, tmp_path, monkeypatch):
    """A network of random weights against descriptors that know discs from bars: the verdict is left to itself."""
    import pandas as pd

    run = headstart.fit(photos, out=tmp_path / "run", strategy="frozen", source=source, input_fit="crop")
    verdict = run.info["decisions"]["Did transfer help?"]
    model = run.info["model"]
    assert (verdict["answer"] == "hurts") == model["handmade"]
    assert verdict["answer"] != "helps", "random weights are never said to help"
    frame = pd.read_csv(run.folder / "predictions.csv").query("split == 'test'")
    columns = [f"p({name})" for name in run.classes]
    found = run.predict_proba([str(photos / name) for name in frame["id"]])
    assert np.abs(found - frame[columns].to_numpy()).max() < 1e-4


def test_the_pace_is_measured_once_and_keeps_the_order_of_the_cuts(photos, source, tmp_path, monkeypatch):
    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.pipeline import arms

    pictures = PictureSet(sorted(str(path) for path in photos.rglob("*.png"))[:6])
    found = arms.Arms(pictures, source, {}, {}, BENCH, Choice("torch", "cpu", ""), tmp_path, 2**30)
    pace = found._pace()
    assert tuple(pace.step) == tuple(pace.view) == arms.cuts_of(source) and min(pace.step.values()) > 0
    monkeypatch.setattr(arms, "measure_pace", lambda *arguments, **more: pytest.fail("measured again"))
    again = found._pace()
    assert again == pace and tuple(again.step) == tuple(pace.step)


def test_what_a_source_that_knows_nothing_gains_is_not_put_down_to_it(photos, source, tmp_path, monkeypatch):
    """The baseline is made to lose; the source has random weights, and the same in random order stand beside it."""
    from headstart.evaluation import transfer_verdict
    from headstart.pipeline import contest

    right = np.ones((2, 60))
    monkeypatch.setattr(contest, "_verdict", lambda *sides: transfer_verdict(right, right * (np.arange(60) % 3 > 0)))
    run = headstart.fit(photos, out=tmp_path / "run", strategy="frozen", source=source, input_fit="crop")
    verdict = run.info["decisions"]["Did transfer help?"]
    assert verdict["answer"] == "no evidence" and verdict["gain"]["low"] > 0 >= verdict["knowledge"]["low"]
    assert "its weights in random order" in run.report.read_text() and not run.info["model"]["handmade"]

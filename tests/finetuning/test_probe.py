"""The layer probe against scikit-learn, on taps whose order is known, on pictures, and as a command."""

import dataclasses
import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from typer.testing import CliRunner

from headstart.cli.app import app
from headstart.data import PictureSet, load_target
from headstart.data.splits import stratified_group_folds
from headstart.finetuning.compare import Tap, best_tap, probe_taps, resampled_scores, simultaneous
from headstart.finetuning.probe import LayerProbe, probe
from headstart.finetuning.similarity import Similarity
from headstart.metrics import Interval
from headstart.metrics.intervals import resamples
from headstart.results import DataError
from headstart.sources import Preprocessing, from_module

CLASSES = ("a", "b", "c")


def known_taps(n=450, seed=0):
    """Noise, weak, strong, as strong with other noise, weak again."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    signal = np.eye(3)[y]
    taps = {
        "noise": rng.normal(size=(n, 6)),
        "weak": rng.normal(size=(n, 6)) + np.hstack([signal, signal]) * 0.7,
        "strong": rng.normal(size=(n, 6)) + np.hstack([signal, signal]) * 3,
        "equal": np.hstack([rng.normal(size=(n, 3)) + signal * 4.2, rng.normal(size=(n, 3))]),
        "last": rng.normal(size=(n, 6)) + np.hstack([signal, signal]) * 1.2,
    }
    return taps, y, rng.permutation(n) // 2


def test_the_score_of_a_tap_is_that_of_a_standardized_logistic_regression():
    taps, y, groups = known_taps()
    folds = stratified_group_folds(y, groups, n_folds=5, random_state=3)
    found, _, _ = probe_taps(taps, y, groups, classes=CLASSES, folds=folds, Cs=(0.1,))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-6))
    for tap in found:
        predicted = cross_val_predict(model, taps[tap.name], y, cv=folds)
        assert tap.score.value == pytest.approx(f1_score(y, predicted, average="macro"), abs=0.006)
        assert tap.score.low < tap.score.value <= tap.score.high and tap.n_features == 6 and tap.C == 0.1


def test_taps_whose_order_is_known():
    taps, y, groups = known_taps()
    found, rivals, _ = probe_taps(taps, y, groups, classes=CLASSES, random_state=1)
    by_name = {tap.name: tap for tap in found}
    assert best_tap(found) in {"strong", "equal"}
    assert set(rivals["strong"]) == {"equal"}
    assert by_name["noise"].gain.high < 0 < by_name["strong"].gain.low
    assert by_name["weak"].later.low > 0 and by_name["strong"].later.low <= 0
    assert by_name["last"].later is None and by_name["last"].gain.width == 0
    assert by_name["noise"].knn < by_name["weak"].knn < by_name["strong"].knn


def test_the_last_tap_stays_unless_another_is_measurably_better():
    taps, y, groups = known_taps()
    rng = np.random.default_rng(5)
    even = {name: taps["weak"] + rng.normal(scale=0.1, size=taps["weak"].shape) for name in ("x", "y", "last")}
    found, rivals, _ = probe_taps(even, y, groups, classes=CLASSES)
    assert best_tap(found) == "last" and set(rivals["last"]) == {"x", "y"}
    same, _, _ = probe_taps({"x": taps["weak"], "last": taps["weak"].copy()}, y, groups, classes=CLASSES)
    assert best_tap(same) == "last" and (same[0].gain.low, same[0].gain.high) == (0, 0)


def test_resampled_scores_equal_scikit_learn_with_weights():
    _, y, groups = known_taps(n=120)
    rng = np.random.default_rng(0)
    tables = [rng.dirichlet(np.ones(3), 120) for _ in range(2)]
    figures, drawn = resampled_scores(y, tables, groups, random_state=4, n_boot=5)
    weights = np.concatenate(list(resamples(np.unique(groups, return_inverse=True)[1], 5, 4)))
    for j, table in enumerate(tables):
        predicted = table.argmax(axis=1)
        assert figures[j] == pytest.approx(f1_score(y, predicted, average="macro"))
        for b in range(5):
            expected = f1_score(y, predicted, average="macro", sample_weight=weights[b])
            assert drawn[b, j] == pytest.approx(expected)


def test_simultaneous_intervals_reach_as_far_as_the_maximum_of_independent_normals():
    widths = np.arange(1, 9)
    drawn = np.random.default_rng(0).normal(size=(40_000, 8)) * widths
    found = np.array([interval.high for interval in simultaneous(np.zeros(8), drawn)])
    assert found / widths == pytest.approx(norm.ppf((1 + 0.95 ** (1 / 8)) / 2), rel=0.02)
    # Taps that agree in everything are one comparison.
    one = simultaneous(np.zeros(8), np.repeat(drawn[:, :1], 8, axis=1))
    assert one[0].high == pytest.approx(norm.ppf(0.975), rel=0.02)
    assert simultaneous(np.array([0.5]), np.full((10, 1), 0.5))[0].width == 0


def network(norm_layer):
    """Return a source of four small stages with random filters; its normalizations have seen noise."""
    torch.manual_seed(0)
    widths = (3, 8, 12, 16, 24)
    stages = [
        nn.Sequential(nn.Conv2d(before, after, 3, stride=2), norm_layer(after), nn.ReLU())
        for before, after in pairwise(widths)
    ]
    built = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2))
    built.train()(torch.randn(64, 3, 48, 48))
    half = (0.5, 0.5, 0.5)
    return from_module(built, Preprocessing((48, 48), half, half), name="small")


@pytest.fixture(scope="module")
def found(photos, tmp_path_factory):
    """Probes of drawn pictures, and the digests of those that were opened for them."""
    opened = set()
    opener = PictureSet.open

    def spy(self, i, at_least=None):
        opened.add(self.digests[i].tobytes())
        return opener(self, i, at_least)

    target, source = load_target(photos), network(nn.BatchNorm2d)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("probed")))
        patch.setattr(PictureSet, "open", spy)
        answer, again = (probe(target, source, backend="torch") for _ in range(2))
        sample = probe(target, source, backend="torch", most=30, seed=1)
    return target, answer, again, sample, opened


def test_no_test_picture_is_looked_at(found):
    target, answer, *_, opened = found
    test = {target.pictures.digests[row].tobytes() for row in target.rows("test")}
    development = {target.pictures.digests[row].tobytes() for row in target.rows("train", "val")}
    assert test and not opened & test and opened == development
    assert (answer.n, answer.n_left_out) == (len(target.rows("train", "val")), 0)


def test_the_same_seed_gives_the_same_answer(found):
    _, answer, again, *_ = found
    assert answer.to_dict() == again.to_dict()


def test_the_answer_names_a_tap_and_a_cut_and_shows_the_evidence(found):
    _, answer, *_ = found
    names = [tap.name for tap in answer.taps]
    assert names == ["1", "2", "3", "last"]
    assert answer.best in names and answer.turn in names
    assert answer.cut == (None if answer.turn == "last" else answer.turn)
    assert answer[answer.best].score.value > 0.5 and repr(answer.best) in answer.headline()
    frame = answer.to_frame()
    assert list(frame.index) == names and frame["features"].tolist() == [8, 12, 16, 24]
    assert frame[""].str.contains("best").sum() == frame[""].str.contains("turn").sum() == 1
    assert frame["similarity"].between(0, 1).all() and frame["dimension"].gt(0).all()
    assert json.loads(json.dumps(answer.to_dict()))["similarity"]["n"] == answer.n
    with pytest.raises(KeyError, match="1, 2, 3, last"):
        answer["nowhere"]


def test_of_many_pictures_a_stratified_sample_is_probed_and_said(found):
    target, _, _, sample, _ = found
    assert sample.n <= 32 and sample.n + sample.n_left_out == len(target.rows("train", "val"))
    assert any("stratified sample" in note for note in sample.warnings)
    assert sample.similarity.n == sample.n


def test_the_plot_shows_every_tap_and_marks_the_best(found):
    _, answer, *_ = found
    traces = {trace.name: trace for trace in answer.plot().data}
    assert list(traces["linear probe"].x) == [tap.name for tap in answer.taps]
    assert list(traces["linear probe"].y) == [tap.score.value for tap in answer.taps]
    assert list(traces[f"{answer.k}-NN"].y) == [tap.knn for tap in answer.taps]
    assert list(traces["similarity to the source"].y) == [tap.similarity for tap in answer.taps]
    assert list(traces["best tap"].x) == [answer.best]


def by_hand(scores, gains, later):
    """Return three taps with these figures."""
    return tuple(
        Tap(
            name, 4, Interval(score, score - 0.02, score + 0.02), 1.0,
            Interval(gain, gain - 0.01, gain + 0.01), Interval(more, more - 0.01, more + 0.01), 0.5, 3.0,
        )
        for name, score, gain, more in zip(("one", "two", "last"), scores, gains, later, strict=True)
    )  # fmt: skip


def test_where_to_cut_and_what_is_said(found):
    taps = by_hand([0.5, 0.8, 0.7], [-0.2, 0.1, 0], [0.3, -0.1, 0])
    unknown = Similarity(reason="no statistics")
    answer = dataclasses.replace(found[1], taps=taps, best="two", turn="two", similarity=unknown)
    assert answer.cut == "two" and "9.0 to 11.0 points more than on 'last'" in answer.headline()
    assert all(trace.yaxis != "y2" for trace in answer.plot().data)
    rising = dataclasses.replace(answer, best="last", turn="last")
    assert rising.cut is None and "up to the end" in rising.headline()
    assert isinstance(rising, LayerProbe) and rising.plot().layout.shapes


def test_a_table_has_no_layers():
    with pytest.raises(DataError, match="no pictures to pass"):
        probe((np.random.default_rng(0).normal(size=(40, 3)), ["a", "b"] * 20))


def test_a_network_without_batch_normalization_is_probed_without_similarity(photos):
    answer = probe(photos, network(lambda width: nn.GroupNorm(2, width)), backend="torch", most=40)
    assert all(tap.similarity is None for tap in answer.taps) and "no batch normalization" in " ".join(answer.warnings)
    assert answer.to_frame()["similarity"].isna().all()


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "headstart", "probe", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )


def test_the_command_prints_the_answer_and_the_rule(found, photos, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(sys.modules["headstart.finetuning.probe"], "probe", lambda *arguments, **options: found[1])
    shown = CliRunner().invoke(app, ["probe", str(photos)]).stdout
    assert found[1].headline() in " ".join(shown.split())
    assert all(text in shown for text in ("What does each layer know?", "similarity", "rule of thumb", "→"))
    assert CliRunner().invoke(app, ["probe", str(photos), "--quiet"]).stdout == ""


def test_the_command_as_a_process_writes_json_and_the_plot(photos, tmp_path):
    result = command(photos, "--json", "--most", 24, "--backend", "torch", "--plot", tmp_path / "depth.html")
    assert result.returncode == 0, result.stderr
    machine = json.loads(result.stdout)
    assert [tap["name"] for tap in machine["taps"]] == [*(f"blocks.{k}" for k in range(7)), "conv_head", "last"]
    assert machine["headline"] and machine["rule"]["ways"] and machine["source"] == "lite0"
    page = (tmp_path / "depth.html").read_text()
    assert "linear probe" in page and "<script src" not in page


def test_the_command_says_in_one_line_what_cannot_be_probed(tmp_path):
    (tmp_path / "t.csv").write_text("x,label\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40)))
    result = command(tmp_path / "t.csv")
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "no pictures to pass" in result.stderr

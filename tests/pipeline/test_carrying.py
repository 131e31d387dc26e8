"""``fit(source_data=...)``: what other data is worth, found out and carried over, or not."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.decomposition import PCA

import headstart
from headstart.data.copies import also_in
from headstart.results import HeadstartError
from headstart.training import LogisticHead
from headstart.transfer.carry import TARGET, Axes, Both, Way, as_head, out_of_fold, settled, ways

D = 6


def world(n, seed, *, shift=0.0, wrong=False, classes=("a", "b", "c")):
    """Rows around three centres; ``shift`` moves all of them, ``wrong`` deals the labels anew."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, D)) + 1.5 * np.eye(3, D)[y] + shift
    return X, np.array(classes)[rng.permutation(y) if wrong else y]


@pytest.fixture(scope="module")
def target():
    X, y = world(330, 0)
    split = np.where(np.arange(330) < 30, "train", "test")
    return pd.DataFrame(X, columns=[f"f{k}" for k in range(D)]).assign(label=y, split=split)


def frame(X, y):
    return pd.DataFrame(X, columns=[f"f{k}" for k in range(D)]).assign(label=y)


def fitted(target, other, out, **more):
    return headstart.fit(target, label="label", split="split", source_data=other, out=out, **more)


@pytest.fixture(scope="module")
def alone(target, tmp_path_factory):
    return headstart.fit(target, label="label", split="split", out=tmp_path_factory.mktemp("alone") / "run")


@pytest.fixture(scope="module")
def helped(target, tmp_path_factory):
    return fitted(target, frame(*world(600, 1, shift=0.3)), tmp_path_factory.mktemp("helped") / "run")


def test_good_data_is_taken_and_the_test_part_gains(alone, helped):
    carried = helped.info["decisions"]["What is carried over from the other data?"]
    assert carried["taken"] != TARGET and carried["n_source"] == 600
    verdict = helped.info["decisions"]["Did transfer help?"]
    assert verdict["gain"]["value"] > 0
    assert helped.metrics["accuracy"]["value"] > alone.metrics["accuracy"]["value"]
    assert "How do source and target differ?" in helped.info["decisions"]


def test_what_was_taken_is_what_is_exported(helped, target):
    X = target.loc[target["split"] == "test", [f"f{k}" for k in range(D)]].to_numpy(np.float32)
    session = onnxruntime.InferenceSession(helped.folder / "model.onnx")
    said = session.run(None, {session.get_inputs()[0].name: X})[0]
    written = pd.read_csv(helped.folder / "predictions.csv")
    expected = written.loc[written["split"] == "test", ["p(a)", "p(b)", "p(c)"]].to_numpy()
    np.testing.assert_allclose(said, expected, atol=1e-5)


def test_the_page_shows_every_way(helped):
    page = (helped.folder / "report.html").read_text()
    for text in ("What is carried over from the other data?", "source only", "pooled", "--source-data"):
        assert text in page


def test_misleading_data_changes_nothing(alone, target, tmp_path):
    run = fitted(target, frame(*world(600, 2, wrong=True)), tmp_path / "run")
    carried = run.info["decisions"]["What is carried over from the other data?"]
    assert carried["taken"] == TARGET
    assert (run.folder / "model.safetensors").read_bytes() == (alone.folder / "model.safetensors").read_bytes()


def test_copies_of_the_target_are_left_out(target, tmp_path):
    X, y = world(300, 3)
    copies = target.drop(columns="split").iloc[[0, 40, 50]]
    run = fitted(target, pd.concat([frame(X, y), copies], ignore_index=True), tmp_path / "run")
    carried = run.info["decisions"]["What is carried over from the other data?"]
    assert carried["n_source"] == 300 and any("3 examples" in note for note in carried["warnings"])
    everything = headstart.load_target(target, label="label", split="split")
    assert also_in(everything, everything).all()
    with pytest.raises(HeadstartError, match="there is nothing to carry over"):
        fitted(target, target.drop(columns="split"), tmp_path / "again")


def test_bad_input(target, photos, tmp_path):
    X, y = world(60, 4)
    with pytest.raises(HeadstartError, match="share fewer than two classes"):
        fitted(target, frame(*world(60, 4, classes=("x", "y", "z"))), tmp_path / "1")
    with pytest.raises(HeadstartError, match=r"holds features, .* pictures"):
        headstart.fit((X, y), source_data=photos, out=tmp_path / "2")
    with pytest.raises(HeadstartError, match="source_data goes with strategy='linear'"):
        fitted(target, frame(X, y), tmp_path / "3", strategy="auto")
    with pytest.raises(HeadstartError, match="give the same columns"):
        fitted(target, frame(X, y).drop(columns="f0"), tmp_path / "4")


def test_a_run_is_not_gone_on_with_other_data(helped, target):
    with pytest.raises(HeadstartError, match="source_data"):
        fitted(target, frame(*world(600, 9)), helped.folder)
    assert json.loads((helped.folder / "plan.json").read_text())["settings"]["source_data"]


@pytest.fixture(scope="module")
def both():
    X, y = world(45, 5)
    Xs, ys = world(90, 6, shift=0.4)
    codes = {"a": 0, "b": 1, "c": 2}
    return Both(Xs, np.array([codes[one] for one in ys]), X, np.array([codes[one] for one in y]), 3, 0.1, 0.1)


def test_adapters_with_an_affine_map_become_one_layer(both):
    for way in ways(both, ["CORAL", "SubspaceAlignment", "KLIEP", "CentredPrior"]):
        model = way.learn(both.X, both.y)
        head = as_head(model, both)
        assert head is not None
        np.testing.assert_allclose(head.predict_proba(both.X), model.predict_proba(both.X), atol=1e-9)
    assert as_head(ways(both, ["TCA"])[-1].learn(both.X, both.y), both) is None
    lacking = LogisticHead().fit(both.X[both.y < 2], both.y[both.y < 2])
    assert as_head(lacking, both) is None


def test_out_of_fold_no_row_is_predicted_by_a_model_that_saw_it(both):
    class Memory:
        """Knows by heart what it learned from, and says the first class of all else."""

        classes_ = np.arange(3)

        def __init__(self, X):
            self.known = {row.tobytes() for row in X}

        def predict_proba(self, X):
            return np.array([[0.0, 0.0, 1.0] if row.tobytes() in self.known else [1.0, 0.0, 0.0] for row in X])

    folds = [(np.arange(20, 45), np.arange(20)), (np.arange(20), np.arange(20, 45))]
    table = out_of_fold(Way("memory", "", lambda X, y: Memory(X)), both, folds)
    assert (table[:, 0] == 1).all()


def test_what_was_chosen_on_all_rows_holds_in_the_folds(both):
    for way in ways(both, ["CentredPrior", "CORAL"]):
        held, model = settled(way, both)
        np.testing.assert_allclose(
            held.learn(both.X, both.y).predict_proba(both.X), model.predict_proba(both.X), atol=1e-6
        )
        some = held.learn(both.X[:30], both.y[:30])
        if way.name == "CentredPrior":
            assert some.strength == model.estimator_.alpha_ and some.trust_ == model.trust_


def test_wide_features_are_carried_along_their_axes():
    rng = np.random.default_rng(0)
    y, ys = np.arange(60) % 3, np.arange(90) % 3
    X, Xs = (rng.normal(size=(len(one), 300)) + 3 * np.eye(3, 300)[one] + 5 for one in (y, ys))
    wide = Both(Xs, ys, X, y, 3, 0.1, 0.1)
    axes = Axes.of(wide)
    narrow = axes.narrow(wide)
    assert Axes.of(narrow) is None and narrow.X.shape == (60, 128)
    expected = PCA(128, random_state=0).fit(np.vstack([Xs, X])).transform(X)
    np.testing.assert_allclose(np.abs(narrow.X), np.abs(expected), atol=1e-8)
    head = LogisticHead(C=0.1).fit(narrow.X, y)
    np.testing.assert_allclose(axes.widen(head).predict_proba(X), head.predict_proba(narrow.X), atol=1e-9)

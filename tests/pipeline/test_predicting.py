"""``fit`` of ranks, numbers, labels and heads from end to end: the folder, its files, and what a run says again."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import cohen_kappa_score, f1_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

import headstart
from headstart.features.preprocess import prepare
from headstart.pipeline.tasks import fit_task
from headstart.results import DataError, HeadstartError, RunError
from headstart.training import ALPHAS

N = 150


def table():
    """Plain features of which a number, ranks, labels and heads are made."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    place = 2 * X[:, 0] + X[:, 1]
    rank = np.digitize(place + rng.normal(0, 0.5, N), [-1, 1.5, 3])
    Y = (np.column_stack([place, X[:, 2], -place - 2]) + rng.normal(0, 0.5, (N, 3)) > 0).astype(int)
    frame = pd.DataFrame(X, columns=[f"x{number}" for number in range(6)])
    return frame.assign(
        size=np.exp(place / 2 + rng.normal(0, 0.3, N)), grade=np.array(["none", "low", "mid", "high"])[rank],
        red=Y[:, 0], green=Y[:, 1], blue=Y[:, 2], shape=np.array(["disc", "bar", "ring"])[rank % 3], style=Y[:, 1],
        split=np.where(np.arange(N) % 4, "train", "test"),
    )  # fmt: skip


TARGETS = {
    "regress": {"label": "size"},
    "ordinal": {"label": "grade", "order": "none<low<mid<high"},
    "multilabel": {"label": ["red", "green", "blue"]},
    "heads": {"label": "shape,style"},
}
FEATURES = [f"x{number}" for number in range(6)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root, found = tmp_path_factory.mktemp("runs"), {}
    for name, options in TARGETS.items():
        wanted = options["label"] if isinstance(options["label"], list) else options["label"].split(",")
        frame = table()[[*FEATURES, *wanted, "split"]]
        task = "multilabel" if name == "heads" else name
        found[name] = headstart.fit(frame, task=task, out=root / name, **options), frame
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_the_run_predicts_what_it_predicted_and_so_does_its_graph(runs, name):
    run, frame = runs[name]
    written = pd.read_csv(run.folder / "predictions.csv", dtype={"id": str}, keep_default_na=False)
    test = written[written["split"] == "test"]
    X = frame.loc[test["id"].astype(int), FEATURES]
    said = run.predict(X)
    session = onnxruntime.InferenceSession(run.folder / "model.onnx", providers=["CPUExecutionProvider"])
    graph = session.run(None, {"features": X.to_numpy(np.float32)})[0]
    if name == "regress":
        assert test["predicted"].astype(float).to_numpy() == pytest.approx(said, rel=1e-4)
        assert graph[:, 0] == pytest.approx(said, rel=1e-4)
        with pytest.raises(DataError, match="a number, which has no probability: use predict"):
            run.predict_proba(X)
    else:
        columns = [f"p({column})" for column in run.classes]
        assert np.abs(test[columns].to_numpy(float) - run.predict_proba(X)).max() < 1e-4
        assert np.abs(graph - run.predict_proba(X)).max() < 1e-5
        shown = ["; ".join(one) for one in said] if name == "multilabel" else said
        shown = [" | ".join(one) for one in said] if name == "heads" else shown
        assert list(test["predicted"]) == list(shown)
    made = run.table([str(row) for row in range(len(X))], run.model.predict_proba(X.to_numpy()))
    assert list(made["predicted"].astype(str)) == list(map(str, said)) if name == "ordinal" else len(made) == len(X)
    assert set(written.loc[written["split"] == "train", "how"]) == {"out of fold"}


def test_the_figures_are_those_of_the_predictions_and_no_worse_than_plain_estimators(runs):
    """The peers see the same features; ridge regression has the same grid of penalties."""
    frame, test = table(), np.arange(N) % 4 == 0
    X = frame[FEATURES].to_numpy()

    def read(name):
        return pd.read_csv(runs[name][0].folder / "predictions.csv", keep_default_na=False)[test]

    size = frame["size"].to_numpy()
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS)).fit(X[~test], size[~test])
    metrics = {name: run.metrics for name, (run, _) in runs.items()}
    ours = r2_score(size[test], read("regress")["predicted"].astype(float))
    assert metrics["regress"]["r2"]["value"] == pytest.approx(ours, abs=1e-4)
    assert ours > r2_score(size[test], ridge.predict(X[test])), "the logarithm is what is linear here"
    assert "logarithm" in runs["regress"][0].info["decisions"]["Which head reads the features?"]["chosen"]

    rank = frame["grade"].map({"none": 0, "low": 1, "mid": 2, "high": 3}).to_numpy()
    said = read("ordinal")["predicted"].map({"none": 0, "low": 1, "mid": 2, "high": 3})
    ours = cohen_kappa_score(rank[test], said, weights="quadratic")
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[~test], rank[~test])
    assert metrics["ordinal"]["qwk"]["value"] == pytest.approx(ours)
    assert ours >= cohen_kappa_score(rank[test], plain.predict(X[test]), weights="quadratic") - 0.02

    Y = frame[["red", "green", "blue"]].to_numpy()
    said = np.array(
        [[name in row.split("; ") for name in ("red", "green", "blue")] for row in read("multilabel")["predicted"]]
    )
    assert metrics["multilabel"]["macro_f1"]["value"] == pytest.approx(f1_score(Y[test], said, average="macro"))
    heads = read("heads")
    each = [
        f1_score(frame[name][test].astype(str), heads[f"predicted({name})"].astype(str), average="macro")
        for name in ("shape", "style")
    ]
    assert metrics["heads"]["macro_f1"]["value"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", TARGETS)
def test_the_page_and_the_folder_are_whole(runs, name):
    run, _ = runs[name]
    names = {entry.name for entry in run.folder.iterdir()}
    assert names == {"plan.json", "run.json", "model.safetensors", "model.onnx", "predictions.csv", "report.html"}
    page = run.report.read_text(encoding="utf-8")
    for question in ("What do I have?", "Does the source know what is asked?", "Which head reads the features?",
                     "How good is it?", "Which examples should I look at?"):  # fmt: skip
        assert question in page
    assert ("Where does one class end" in page) == (name == "ordinal")
    assert ("From which probability on is a label said?" in page) == (name == "multilabel")
    assert ("in its tails" in page or "skewed" in page) == (name == "regress")
    assert run.info["data"]["task"] == {"regress": "regression"}.get(name, name)
    assert "nan" not in json.dumps(run.info).lower().replace("dominant", "")


def test_a_run_is_never_mixed_up_and_goes_on(runs):
    run, frame = runs["ordinal"]
    again = headstart.fit(frame, task="ordinal", out=run.folder, **TARGETS["ordinal"])
    assert again.info == run.info
    with pytest.raises(RunError, match="with task='ordinal', not 'classify'"):
        headstart.fit(frame, label="grade", out=run.folder)


def test_final_refits_on_everything_but_measures_first(runs, tmp_path):
    run, frame = runs["regress"]
    final = headstart.fit(frame, task="regress", label="size", out=tmp_path / "final", final=True)
    assert final.metrics == run.metrics
    assert not np.array_equal(final.model.head.coef_, run.model.head.coef_)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"task": "regress", "label": "size", "order": "a<b"}, "means nothing where the task is regression"),
        ({"task": "regress", "label": "grade"}, "holds no number in 150 of 150 rows"),
        ({"task": "ordinal", "label": "grade", "strategy": "auto"}, "--strategy says nothing"),
        ({"task": "multilabel", "label": "red,green", "balance": "auto"}, "--balance says nothing"),
        ({"task": "rank", "label": "size"}, "no task is called 'rank'"),
        ({"label": "grade", "order": "a<b"}, "add --task ordinal"),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options, told, tmp_path):
    with pytest.raises(HeadstartError, match=told):
        headstart.fit(table()[[*FEATURES, "size", "grade", "red", "green"]], out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def drawn(photos, tmp_path_factory):
    """Two runs on drawn pictures made darker: how light they are, and what they show, as if it had an order."""
    root = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(0)
    rows = []
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        light = rng.uniform(0.3, 1.0)
        Image.open(path).point(lambda value, light=light: int(value * light)).save(root / f"{number}.png")
        rows.append((f"{number}.png", light, path.parent.name))
    (root / "0.png").write_bytes(b"no picture")
    pd.DataFrame(rows, columns=["path", "light", "kind"]).to_csv(root / "photos.csv", index=False)
    asked = {"input_fit": "squash", "image": "path", "backend": "openvino"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        light = headstart.fit(root / "photos.csv", task="regress", label="light", out=root / "light", **asked)
        kind = headstart.fit(
            root / "photos.csv", task="ordinal", label="kind", order="disc<環<quer balken", out=root / "kind", **asked
        )
    return light, kind, root


def test_pictures_are_predicted_alike_by_python_the_graph_and_the_command(drawn, tmp_path):
    from headstart.cli.app import app

    _, run, root = drawn
    frame = pd.read_csv(run.folder / "predictions.csv")
    test = frame[frame["split"] == "test"]
    files = [root / name for name in test["id"]]
    columns = [f"p({name})" for name in run.classes]
    assert run.classes == ("disc", "環", "quer balken")
    assert run.predict_proba(files) == pytest.approx(test[columns].to_numpy(), abs=1e-4)
    assert list(run.predict(files)) == list(test["predicted"])
    batch = np.stack([prepare(Image.open(file).convert("RGB"), run.preprocessing) for file in files])
    last = run._torch_engine("cpu")(batch)[-1].astype(float)
    assert run.predict_proba(files) == pytest.approx(run.model.predict_proba(last), abs=1e-4)
    result = CliRunner().invoke(
        app, ["predict", str(run.folder), *map(str, files), str(root / "0.png"), "--out", str(tmp_path / "p.csv"), "-q"]
    )
    assert result.exit_code == 0, result.output
    said = pd.read_csv(tmp_path / "p.csv")
    assert list(said["predicted"][:-1]) == list(test["predicted"])
    assert said.iloc[-1].isna()["predicted"] and isinstance(said["unreadable"].iloc[-1], str)
    assert frame.set_index("id").loc["0.png", "how"] == "left out"


def test_where_transfer_hurts_the_baseline_is_handed_back(drawn):
    """How light a picture is stands in its pixels; the network was trained not to mind."""
    run, kind, root = drawn
    verdict = run.info["decisions"]["Did transfer help?"]
    frame = pd.read_csv(run.folder / "predictions.csv")
    assert verdict["answer"] == "hurts" and run.info["model"]["handmade"] and not run.info["model"]["parts"]
    assert verdict["n"] == (frame["how"] == "out of fold").sum()
    test = frame[frame["split"] == "test"]
    assert run.predict([root / name for name in test["id"]]) == pytest.approx(test["predicted"].to_numpy(), abs=1e-4)
    error = np.abs(frame["predicted"] - frame["label"])[frame["how"] == "out of fold"]
    assert verdict["transfer"][0] < -error.mean() == pytest.approx(verdict["baseline"][0], abs=1e-5)
    assert not kind.info["model"]["handmade"]


def test_a_finished_run_is_a_source(drawn):
    source = headstart.sources.get(drawn[1].folder)
    assert "photos" in source.card.trained_on and source.card.n_classes == 1000, "the head stands beside the network"


def test_a_command_line_mistake_is_one_line(tmp_path):
    from headstart.cli.app import app

    table().to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "t.csv"), "--task", "ordinal", "--label", "grade"])
    assert isinstance(result.exception, HeadstartError) or result.exit_code == 2
    with pytest.raises(HeadstartError, match="no task is called"):
        fit_task("other", None, {}, {})

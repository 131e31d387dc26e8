"""Numbers, ordered classes, labels and heads: read, spread over parts, and refused with a reason."""

import numpy as np
import pandas as pd
import pytest

from headstart.data import load_target
from headstart.data.strata import folds
from headstart.data.values_profile import values_profile
from headstart.results import DataError

N = 60


def frame(**columns):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N), **columns})


def test_a_number_is_read_from_a_file_and_spread_over_the_parts(tmp_path):
    table = frame(age=np.arange(N) ** 2 / 7)
    table.to_csv(tmp_path / "people.csv", index=False)
    target = load_target(tmp_path / "people.csv", label="age", task="regression")
    assert target.task == "regression" and target.outputs == {"age": ()} and "number 'age'" in repr(target)
    assert target.values[:, 0] == pytest.approx(np.arange(N) ** 2 / 7)
    assert len(target.classes) == 5 and np.bincount(target.y).tolist() == [12] * 5  # fifths
    in_test = np.bincount(target.y[target.rows("test")], minlength=5)
    assert in_test.min() >= 2 and in_test.max() <= 3, "each fifth of the numbers is in the test part alike"
    found = values_profile(target)
    dev = target.values[target.rows("train", "val"), 0]
    assert found.spread["age"]["skewness"] == pytest.approx(((dev - dev.mean()) ** 3).mean() / dev.std() ** 3)
    assert found.spread["age"]["median"] == np.median(dev)


def test_a_skewed_number_is_warned_of_and_many_equal_ones_are_no_trouble():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(N) < 0.6, 0.0, np.exp(rng.normal(0, 1, N)))
    target = load_target(frame(y=y), label="y", task="regression")
    assert "the number is skewed" in values_profile(target).warnings[0]
    assert 2 <= len(target.classes) <= 5 and (target.y >= 0).all()


def test_ordered_classes_have_the_order_of_numbers_or_of_the_person():
    grades = np.array(["10", "9", "11", "9"] * 15)
    target = load_target(frame(grade=grades), label="grade", task="ordinal")
    assert target.classes == ("9", "10", "11") and target.y[:4].tolist() == [1, 0, 2, 0]
    fractions = np.array([1, 0, 1 / 3, 2 / 3] * 15)
    assert load_target(frame(p=fractions), label="p", task="ordinal").classes == ("0", "0.333333", "0.666667", "1")
    words = np.array(["severe", "none", "slight"] * 20)
    target = load_target(frame(damage=words), label="damage", task="ordinal", order="none < slight<severe<total")
    assert target.classes == ("none", "slight", "severe")
    assert np.array_equal(target.values[:, 0], target.y) and target.outputs["damage"] == target.classes
    again = load_target(frame(damage=words), label="damage", task="ordinal", order=["severe", "slight", "none"])
    assert again.classes == ("severe", "slight", "none") and again.fingerprint != target.fingerprint


def test_class_folders_may_have_an_order(photos):
    target = load_target(photos, task="ordinal", order="環<disc<quer balken")
    assert target.classes == ("環", "disc", "quer balken") and target.modality == "pictures"
    with pytest.raises(DataError, match="say their order, lowest first, with --order 'disc<quer balken<環'"):
        load_target(photos, task="ordinal")
    with pytest.raises(DataError, match="holds no number in 70 of 70 rows"):
        load_target(photos, task="regression")


@pytest.mark.parametrize("form", ["columns", "text", "lists", "pair"])
def test_labels_come_in_columns_texts_or_lists(form, tmp_path):
    rng = np.random.default_rng(0)
    Y = (rng.random((N, 3)) < [0.5, 0.3, 0.2]).astype(int)
    names = ["blue", "red", "round"]
    if form == "columns":
        table = frame(**dict(zip(names, Y.T, strict=True)))
        table["red"] = np.where(table["red"], "True", "false")
        table.to_csv(tmp_path / "t.csv", index=False)
        target = load_target(tmp_path / "t.csv", label="blue, red,round", task="multilabel")
    elif form == "pair":
        X = frame()[["a", "b"]]
        target = load_target((X, pd.DataFrame(Y, columns=names)), task="multilabel")
    else:
        rows = [[name for name, there in zip(names, row, strict=True) if there] for row in Y]
        given = [" | ".join(row) if number % 2 else ";".join(row) for number, row in enumerate(rows)]
        target = load_target(frame(tags=given if form == "text" else rows), label="tags", task="multilabel")
    assert list(target.outputs) == names and np.array_equal(target.values, Y)
    assert target.feature_names == ("a", "b")
    for part in ("train", "test"):
        assert target.values[target.rows(part)].any(axis=0).all()


def test_several_columns_of_classes_are_heads():
    rng = np.random.default_rng(0)
    table = frame(kind=np.array(["cat", "dog", "bird"])[rng.integers(0, 3, N)], style=np.arange(N) % 2)
    target = load_target(table, label=["kind", "style"], task="multilabel")
    assert target.task == "heads" and target.outputs == {"kind": ("bird", "cat", "dog"), "style": ("0", "1")}
    assert target.labels[0] == f"{table['kind'][0]} | 0" and target.values[1, 1] == 1


def test_rare_labels_stand_on_both_sides_of_the_split_and_folds_keep_groups():
    rng = np.random.default_rng(1)
    Y = np.zeros((N, 3))
    Y[:, 0] = rng.random(N) < 0.6
    Y[[3, 40], 1] = 1  # two examples
    Y[[5, 6, 50], 2] = 1
    table = frame(x=Y[:, 0], y=Y[:, 1], z=Y[:, 2], patient=np.arange(N) // 2)
    for seed in range(5):
        target = load_target(table, label="x,y,z", task="multilabel", group="patient", random_state=seed)
        assert target.values[target.rows("train")].any(axis=0).all()
        assert target.values[target.rows("test")].any(axis=0).all()
        rows = target.rows("train")
        for train, test in folds(target, rows, n_folds=5, random_state=0):
            assert not set(target.groups[rows[train]]) & set(target.groups[rows[test]])


def test_copies_of_a_picture_with_other_labels_are_left_out_and_near_equal_numbers_are_not(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    paths = []
    for number in range(20):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        paths.append(f"{number}.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    y = [*np.linspace(1, 20, 20), 1.01]
    table = pd.DataFrame({"path": [*paths, "copy.png"], "y": y, "split": [*["train"] * 16, *["test"] * 4, "train"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    target = load_target(tmp_path / "t.csv", label="y", task="regression")
    assert target.left_out == {} and target.groups[0] == target.groups[20]
    table["y"] = ["a;b"] * 8 + ["a"] * 4 + ["b"] * 4 + ["a", "b", "a;b", "a"] + ["b"]
    table.to_csv(tmp_path / "t.csv", index=False)
    target = load_target(tmp_path / "t.csv", label="y", task="multilabel")
    assert set(target.left_out) == {"0.png", "copy.png"}


def given(y, **more):
    return lambda: load_target(frame(y=y), label="y", **more)


HALF = ["0", "1"] * 30


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (given([1.0] * 59 + [np.nan], task="regression"), "'y' has no value in 1 of 60 rows, the first '59'"),
        (given([1.0] * 58 + [np.inf, 2], task="regression"), "is infinite in 1 of 60 rows"),
        (given(["1"] * 59 + ["many"], task="regression"), "holds no number in 1 of 60 rows, the first '59'"),
        (given([3.0] * 60, task="regression"), "'y' is 3 in every row: there is nothing to predict"),
        (given(np.arange(60) / 7, task="ordinal"), "predict the number itself with --task regress"),
        (given(["a", "b"] * 30, task="ordinal", order="a<c"), "says nothing of 'b'"),
        (given(["a", "b"] * 30, task="ordinal", order="a<b<a"), "names a class twice"),
        (given(["a"] * 59 + ["b"], task="ordinal", order="a<b"), "fewer than two usable, different examples"),
        (given(["a"] * 60, task="ordinal", order="a<b"), "all rows are of one class"),
        (given(HALF, order="0<1"), "an order of classes means nothing where the task is classification"),
        (given(["a", "b"] * 30, task="multilabel"), "holds one value in each row, such as 'a'"),
        (given(["a;b"] * 60, task="multilabel"), "'a', 'b': fewer than two different examples with it, or without it"),
        (given(HALF, task="guess"), "no task 'guess': choose classification, ordinal"),
        (lambda: load_target(frame(y=HALF), label="y,z", task="multilabel"), "no column 'z' for label"),
        (lambda: load_target(frame(y=HALF, z=HALF), label="y,z", task="ordinal"), "ordinal knows one column"),
        (lambda: load_target(frame(y=HALF, z=HALF), label="y,z"), "give one column, or --task multilabel"),
        (
            lambda: load_target((np.eye(60), np.zeros((59, 2))), task="multilabel"),
            "y has 59 rows for 60 rows of X",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_named(call, told):
    with pytest.raises(DataError, match=told):
        call()


def test_a_label_that_only_the_test_part_has_is_refused():
    table = frame(x=np.arange(N) % 2, y=(np.arange(N) >= 50).astype(int), split=["train"] * 50 + ["test"] * 10)
    with pytest.raises(DataError, match="outside the test part no example tells 'y'"):
        load_target(table, label="x,y", task="multilabel")

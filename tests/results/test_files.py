import errno
import json
import os

import pytest

from headstart.results import StorageError
from headstart.results.files import clear_storage_errors, is_intact, write_bytes, write_checked, write_json


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"b": 1, "a": "ß"})
    assert path.read_text() == '{\n  "a": "ß",\n  "b": 1\n}\n'

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="no space left") as caught:
        write_bytes(path, b"new")
    assert str(path) in str(caught.value) and isinstance(caught.value, OSError)
    assert json.loads(path.read_text()) == {"a": "ß", "b": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"], "nothing half-written stays"


def test_a_full_device_for_real(tmp_path):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(StorageError, match="no space left"),
        clear_storage_errors(tmp_path),
        open("/dev/full", "wb", buffering=0) as stream,  # noqa: PTH123
    ):
        stream.write(b"x")


def test_other_system_errors_are_not_renamed(tmp_path):
    with pytest.raises(FileNotFoundError), clear_storage_errors(tmp_path):
        (tmp_path / "nowhere").read_bytes()


def test_nan_never_reaches_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"y" + b[1:]])
def test_damage_is_seen(tmp_path, damage):
    path = write_checked(tmp_path, "thing", ".bin", b"content")
    assert is_intact(path) and path.name.startswith("thing-") and path.suffix == ".bin"
    path.write_bytes(damage(path.read_bytes()))
    assert not is_intact(path)
    assert not is_intact(tmp_path / "absent-0.bin")

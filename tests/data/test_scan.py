from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from headstart.data import scan as scan_module
from headstart.data.duplicates import same_picture
from headstart.data.pictures import PictureSet
from headstart.data.scan import Scan, scan
from headstart.results import HeadstartWarning


def _noise(seed, side=64):
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((side, side), Image.Resampling.BICUBIC)


def _encode(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _same(one: Scan, other: Scan):
    for name in Scan.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.fixture
def decoded(monkeypatch):
    """Rows that were decoded, in no order."""
    rows = []
    look = scan_module._look
    monkeypatch.setattr(scan_module, "_look", lambda pictures, row: (rows.append(row), look(pictures, row))[1])
    return rows


def test_header_and_thumbnail_of_each_kind():
    image = _noise(0, 128)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees
    wide = image.resize((200, 100))
    found = scan(
        PictureSet(
            [
                _encode(wide, "JPEG", exif=turned.tobytes()),
                _encode(image.convert("L"), "PNG"),
                _encode(image.convert("CMYK"), "TIFF"),
                _encode(image, "GIF"),
                np.asarray(image),
                np.asarray(image.convert("L")),
            ]
        )
    )
    assert found.sizes.tolist() == [[100, 200]] + [[128, 128]] * 5
    assert found.formats.tolist() == ["JPEG", "PNG", "TIFF", "GIF", "array", "array"]
    assert found.modes.tolist() == ["RGB", "L", "CMYK", "P", "RGB", "L"]
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BICUBIC), int)
    for row in (1, 2, 4, 5):
        assert np.abs(found.thumbs[row] - grey).mean() < 1.5
    assert (found.tints[[1, 5]] == 128).all()
    assert (found.tints[4] != 128).any()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("side", [257, 515, 1033])
def test_a_jpeg_at_reduced_scale_looks_like_the_whole_picture(turn, side):
    """Sizes that 2, 4 and 8 do not divide, upright and turned."""
    colours = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(colours).resize((side + 90, side), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = turn
    encoded = _encode(image, "JPEG", quality=95, exif=exif.tobytes())
    whole = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    found = scan(PictureSet([encoded, _encode(whole.convert("RGB"))]))
    assert found.sizes.tolist() == [list(whole.size)] * 2
    assert same_picture(found.thumbs[:1], found.thumbs[1:]).all()
    assert np.abs(found.thumbs[0].astype(int) - found.thumbs[1]).max() <= 6


def test_broken_pictures_keep_their_row_and_say_why():
    whole = _encode(_noise(0, 256), "JPEG")
    pictures = [
        whole,
        whole[: len(whole) * 3 // 4],
        b"",
        b"no picture at all",
        "not/there.jpg",
        _encode(_noise(1))[:-400],
    ]
    for _ in range(2):  # the second time from the cache
        found = scan(PictureSet(pictures))
        assert [bool(reason) for reason in found.reasons] == [False, True, True, True, True, True]
        assert found.reasons[1] == "truncated file"
        assert not found.thumbs[1:].any()
        assert not found.sizes[1:].any()
        assert not found.digests[4].any()


def test_the_same_bytes_are_decoded_once_wherever_they_lie(tmp_path, decoded):
    encoded = [_encode(_noise(seed)) for seed in range(6)]
    first = scan(PictureSet(encoded))
    assert sorted(decoded) == list(range(6))
    decoded.clear()
    _same(scan(PictureSet(encoded)), first)
    for seed, content in enumerate(encoded):
        (tmp_path / f"{seed}.png").write_bytes(content)
    again = scan(PictureSet([tmp_path / f"{seed}.png" for seed in (5, 3, 3, 0)]))
    np.testing.assert_array_equal(again.thumbs, first.thumbs[[5, 3, 3, 0]])
    assert decoded == []
    scan(PictureSet([*encoded, _encode(_noise(9))]))
    assert decoded == [6]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_shard_is_seen_and_computed_again(cache_dir, decoded, damage):
    pictures = PictureSet([_encode(_noise(seed)) for seed in range(4)])
    first = scan(pictures)
    (shard,) = cache_dir.rglob("*.npz")
    content = bytearray(shard.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) * 2 // 3] ^= 1
    else:
        content = bytearray()
    shard.write_bytes(content)
    decoded.clear()
    with pytest.warns(HeadstartWarning, match="damaged"):
        _same(scan(pictures), first)
    assert len(decoded) == 4
    decoded.clear()
    _same(scan(pictures), first)
    assert decoded == []


def test_a_shard_never_runs_code(cache_dir, tmp_path):
    """An array of objects is a pickle; it is refused and the pictures are decoded."""

    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    pictures = PictureSet([_encode(_noise(0))])
    scan(pictures)
    (shard,) = cache_dir.rglob("*.npz")
    np.savez(shard, digests=np.array([Bomb()], dtype=object))
    with pytest.warns(HeadstartWarning, match="damaged"):
        assert scan(pictures).reasons.tolist() == [""]
    assert not (tmp_path / "ran").exists()


def test_a_cache_that_cannot_be_written_is_only_a_warning(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    with pytest.warns(HeadstartWarning, match="looked at again"):
        assert scan(PictureSet([_encode(_noise(0))])).reasons.tolist() == [""]


def test_several_processes_at_once(cache_dir, tmp_path, decoded):
    for seed in range(30):
        (tmp_path / f"{seed}.png").write_bytes(_encode(_noise(seed)))
    program = (
        "import sys; from pathlib import Path; from headstart.data.pictures import PictureSet; "
        "from headstart.data.scan import scan; "
        "print(scan(PictureSet(sorted(Path(sys.argv[1]).glob('*.png')))).hashes.sum())"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate()[0] for process in running}) == 1
    assert [process.returncode for process in running] == [0, 0, 0]
    scan(PictureSet(sorted(tmp_path.glob("*.png"))))
    assert decoded == []
    assert not list(cache_dir.rglob("*.part"))


def test_shards_are_written_while_the_scan_goes_on(monkeypatch, decoded):
    """What was looked at before an interruption is not looked at again."""
    monkeypatch.setattr(scan_module, "_SHARD", 4)
    pictures = PictureSet([_encode(_noise(seed)) for seed in range(10)])
    keep, calls = scan_module._keep, []

    def keep_then_stop(*args):
        keep(*args)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(scan_module, "_keep", keep_then_stop)
    with pytest.raises(KeyboardInterrupt):
        scan(pictures)
    monkeypatch.setattr(scan_module, "_keep", keep)
    decoded.clear()
    scan(pictures)
    assert sorted(decoded) == [8, 9]


def test_no_pictures_at_all():
    found = scan(PictureSet([]))
    assert len(found.digests) == len(found.hashes) == len(found.reasons) == 0


def test_all_real_photographs_are_seen_whole(shared):
    files = sorted((shared / "data/clothing/test").rglob("*.jpg"))
    found = scan(PictureSet(files))
    assert not any(found.reasons)
    assert (found.sizes.min(axis=1) == 240).all()
    assert found.sizes[0].tolist() == list(Image.open(files[0]).size)

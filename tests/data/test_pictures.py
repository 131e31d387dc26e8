from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageOps

from headstart.data import PictureSet, open_picture
from headstart.results import DataError, PictureError


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def smooth(width: int = 64, height: int = 48) -> np.ndarray:
    """A picture that lossy formats keep to a few grey levels."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def decoded(raw: Any, at_least: int | None = None) -> np.ndarray:
    picture = open_picture(raw, at_least)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return rgb * share + 255 * (1 - share)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_keep_every_pixel(colours: np.ndarray, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert_array_equal(decoded(encode(Image.fromarray(colours), format, **options)), colours)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats(format: str) -> None:
    raw = encode(Image.fromarray(smooth()), format, quality=95)
    assert np.abs(decoded(raw) - smooth()).mean() < 3


def test_path_and_bytes_agree(tmp_path: Path, colours: np.ndarray) -> None:
    path = tmp_path / "ein Bild – 写真.png"
    path.write_bytes(encode(Image.fromarray(colours), "PNG"))
    assert_array_equal(decoded(path), colours)
    assert_array_equal(decoded(str(path)), colours)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    raw = encode(
        frames[0], format, save_all=True, append_images=frames[1:], **({"lossless": True} if format == "WEBP" else {})
    )
    assert_array_equal(decoded(raw)[3, 3], [255, 0, 0])


def test_grey_and_one_bit(colours: np.ndarray) -> None:
    grey = colours[:, :, 0]
    assert_array_equal(decoded(encode(Image.fromarray(grey), "PNG")), np.repeat(grey[..., None], 3, axis=2))
    bits = grey > 128
    for format in ("PNG", "TIFF", "BMP"):
        raw = encode(Image.fromarray(bits), format)
        assert Image.open(io.BytesIO(raw)).mode == "1"
        assert_array_equal(decoded(raw), np.repeat(bits[..., None] * 255, 3, axis=2))


def test_palette(colours: np.ndarray) -> None:
    palette = Image.fromarray(colours).quantize(256)
    expected = np.array(palette.getpalette()).reshape(-1, 3)[np.asarray(palette)]
    assert_array_equal(decoded(encode(palette, "PNG")), expected)


def test_palette_with_transparency_as_one_index_and_as_a_table(colours: np.ndarray) -> None:
    palette = Image.fromarray(colours).quantize(16)
    table = np.array(palette.getpalette()).reshape(-1, 3)
    index = np.asarray(palette)
    expected = table[index]
    expected[index == 3] = 255
    for format in ("PNG", "GIF"):
        assert_array_equal(decoded(encode(palette, format, transparency=3)), expected)
    alpha = np.arange(0, 256, 16, dtype=np.uint8)
    raw = encode(palette, "PNG", transparency=alpha.tobytes())
    assert np.abs(decoded(raw) - on_white(table[index], alpha[index])).max() <= 1


def test_transparency_is_laid_on_white(colours: np.ndarray) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, colours.shape[:2], dtype=np.uint8)
    rgba = np.dstack([colours, alpha])
    assert np.abs(decoded(encode(Image.fromarray(rgba), "PNG")) - on_white(colours, alpha)).max() <= 1
    grey = np.ascontiguousarray(rgba[:, :, [0, 3]])
    raw = encode(Image.fromarray(grey, "LA"), "PNG")
    assert Image.open(io.BytesIO(raw)).mode == "LA"
    assert np.abs(decoded(raw) - on_white(np.repeat(grey[..., :1], 3, axis=2), alpha)).max() <= 1


def test_one_colour_that_stands_for_transparent() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.putpixel((0, 0), (1, 2, 3))
    pixels = decoded(encode(image, "PNG", transparency=(1, 2, 3)))
    assert_array_equal(pixels[0, 0], [255, 255, 255])
    assert_array_equal(pixels[1, 1], [10, 20, 30])


def test_cmyk_and_adobe_inverted_cmyk() -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:] = [255, 64, 0, 32]  # much cyan, a little magenta and black
    image = Image.fromarray(ink, "CMYK")
    naive = (255 - ink[0, 0, :3].astype(int)) * (255 - int(ink[0, 0, 3])) / 255
    assert np.abs(decoded(encode(image, "TIFF"))[8, 8] - naive).max() <= 1
    adobe = encode(image, "JPEG", quality=100)  # Pillow writes the inverted values and Adobe's marker
    assert b"Adobe" in adobe
    assert np.abs(decoded(adobe)[8, 8] - naive).max() <= 3


@pytest.mark.parametrize("values", [[[0, 255], [256, 65535]], [[1, 2], [3, 4000]]])
def test_sixteen_bits_are_scaled_not_clipped(values: list[list[int]]) -> None:
    deep = np.array(values, dtype=np.uint16)
    expected = np.repeat(np.round(deep / 65535 * 255)[..., None], 3, axis=2)
    for raw in (encode(Image.fromarray(deep), "PNG"), encode(Image.fromarray(deep), "TIFF")):
        assert Image.open(io.BytesIO(raw)).mode.startswith("I;16")
        assert_array_equal(decoded(raw), expected)
    # Pillow does not write big-endian TIFFs: a header, the strip, and the directory (TIFF 6.0, section 2).
    tags = [
        (256, 3, 2),
        (257, 3, 2),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 2),
        (279, 4, 8),
    ]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    raw = (
        struct.pack(">2sHI", b"MM", 42, 16)
        + deep.astype(">u2").tobytes()
        + struct.pack(">H", len(tags))
        + entries
        + bytes(4)
    )
    assert Image.open(io.BytesIO(raw)).mode == "I;16B"
    assert_array_equal(decoded(raw), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
        (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
        (np.array([[0.0, 0.2, 1.0]], np.float32), [0, 51, 255]),
        (np.array([[0.0, 99.6, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[0.0, 2570.0, 65535.0]], np.float32), [0, 10, 255]),
        (np.array([[-1.0, 0.0, 3.0]], np.float32), [0, 64, 255]),
        (np.zeros((1, 3), np.float32), [0, 0, 0]),
    ],
)
def test_32_bit_tiffs(values: np.ndarray, expected: list[int]) -> None:
    raw = encode(Image.fromarray(values), "TIFF")
    assert Image.open(io.BytesIO(raw)).mode in ("I", "F")
    assert_array_equal(decoded(raw)[0, :, 1], expected)


def test_float_tiff_with_nan() -> None:
    with pytest.raises(PictureError, match="NaN"):
        open_picture(encode(Image.fromarray(np.array([[np.nan, 1]], np.float32)), "TIFF"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encode(Image.fromarray(smooth()), format, exif=exif, **({} if format == "PNG" else {"quality": 95}))
    picture = open_picture(raw)
    assert_array_equal(np.asarray(picture), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(raw)))))
    assert picture.size == ((48, 64) if orientation > 4 else (64, 48))
    assert_array_equal(np.asarray(ImageOps.exif_transpose(picture)), np.asarray(picture), "turned twice")


def test_orientation_with_draft_and_transparency() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = encode(Image.fromarray(smooth(640, 480)), "JPEG", exif=exif)
    assert open_picture(raw, at_least=60).size == (120, 160)
    rgba = Image.fromarray(np.dstack([smooth(), np.full((48, 64), 255, np.uint8)]))
    assert_array_equal(decoded(encode(rgba, "PNG", exif=exif)), np.rot90(smooth(), 3))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_the_pixels() -> None:
    raw = encode(Image.fromarray(smooth()), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff rubbish")
    assert decoded(raw).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((800, 600), 37, (100, 75)),
        ((800, 600), 38, (200, 150)),
        ((800, 600), 224, (800, 600)),
        ((300, 301), 70, (150, 151)),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(
    size: tuple[int, int], at_least: int, expected: tuple[int, int]
) -> None:
    full = Image.fromarray(smooth(*size))
    reduced = open_picture(encode(full, "JPEG", quality=95), at_least)
    assert reduced.size == expected
    assert np.abs(np.asarray(reduced).astype(int) - np.asarray(full.resize(expected, Image.Resampling.BOX))).mean() < 3


def test_at_least_changes_nothing_in_other_formats(colours: np.ndarray) -> None:
    assert_array_equal(decoded(encode(Image.fromarray(colours), "PNG"), at_least=2), colours)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 50_000])  # Pillow warns of the first and refuses the second
def test_decompression_bombs(side: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PictureError, match="more than 89,478,485 pixels"):
            open_picture(png_header(side, side))


def test_an_array_is_no_bomb_below_the_limit_and_the_limit_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = encode(Image.fromarray(smooth()), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48)
    assert decoded(raw).shape == (48, 64, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PictureError, match="more than 3,071 pixels"):
            open_picture(raw)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decoded(raw).shape == (48, 64, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    raw = encode(Image.fromarray(noise), format)
    with pytest.raises(PictureError) as error:
        open_picture(raw[: int(len(raw) * share)])
    assert "\n" not in str(error.value)
    if format == "JPEG" and share > 0.1:
        assert str(error.value) == "truncated file"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"hello", "no picture of a known format"),
        (png_header(0, 0), "no picture of a known format"),
        (png_header(4, 4), "truncated file"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(50), "HEIC is not supported, convert it to JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture of a known format"),
        (Path("/nowhere/at/all.jpg"), "file not found"),
        (np.zeros((0, 0), np.uint8), "0x0 pixels"),
        (np.zeros((0, 5, 3), np.uint8), "5x0 pixels"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((5, 5, 2), np.uint8), r"shape \(5, 5, 2\)"),
        (np.array([[np.inf, 1.0]]), "NaN or infinite"),
    ],
)
def test_reasons(raw: Any, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        open_picture(raw)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be opened"):
        open_picture(tmp_path)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[7, 200]], np.uint8), [7, 200]),
        (np.array([[[7], [200]]], np.uint8), [7, 200]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 65535]], np.uint16), [0, 255]),
        (np.array([[0, 2570]], ">u2"), [0, 10]),
        (np.array([[0, 200]], np.int64), [0, 200]),
        (np.array([[0.0, 0.4]]), [0, 102]),
        (np.array([[0.0, 1.0]], np.float16), [0, 255]),
        (np.array([[0.0, 254.6]], np.float32), [0, 255]),
    ],
)
def test_arrays(array: np.ndarray, expected: list[int]) -> None:
    assert_array_equal(decoded(array)[0], np.repeat(np.array(expected)[:, None], 3, axis=1))


def test_colour_arrays(colours: np.ndarray) -> None:
    assert_array_equal(decoded(colours), colours)
    assert_array_equal(decoded(colours[::-1, ::2]), colours[::-1, ::2])
    alpha = np.full((*colours.shape[:2], 1), 128, np.uint8)
    assert np.abs(decoded(np.dstack([colours, alpha])) - on_white(colours, alpha[..., 0])).max() <= 1


def test_the_range_of_floats_is_decided_over_the_whole_set() -> None:
    dark, light = np.full((2, 2), 1.0), np.full((2, 2), 200.0)
    assert PictureSet([dark, light]).open(0).getpixel((0, 0)) == (1, 1, 1)
    assert PictureSet([dark]).open(0).getpixel((0, 0)) == (255, 255, 255)
    both = PictureSet([dark, light])
    assert both.subset([0]).open(0).getpixel((0, 0)) == (1, 1, 1)
    assert_array_equal(both.subset([0]).digests, both.digests[:1])


def test_equal_arrays_that_mean_different_pictures_have_different_digests() -> None:
    dark = np.full((2, 2), 1.0)
    assert (PictureSet([dark]).digests[0] != PictureSet([dark, dark * 200]).digests[0]).any()


def test_channels_first_is_seen_where_it_is_the_whole_set(colours: np.ndarray) -> None:
    turned = np.moveaxis(colours, 2, 0)
    pictures = PictureSet([turned, turned[:, ::-1]])
    assert_array_equal(np.asarray(pictures.open(0)), colours)
    assert_array_equal(np.asarray(pictures.open(1)), colours[::-1])
    with pytest.raises(DataError, match=r"channels first \(3, 12, 20\) and some last \(12, 20, 3\)"):
        PictureSet([colours, turned])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[-1.5, 2.0]]), r"from -1\.5 to 2: give floats of 0–1 or 0–255 \(before any normalization\)"),
        (np.array([[0.0, 300.0]]), "from 0 to 300"),
        (np.array([[0, 70_000]]), "from 0 to 70000: give integers"),
        (np.array([["a"]]), "not of <U1"),
        (np.array([[1j]]), "not of complex128"),
    ],
)
def test_arrays_that_are_no_pictures_of_any_convention(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        PictureSet([array])


def test_picture_set(tmp_path: Path, colours: np.ndarray) -> None:
    raw = encode(Image.fromarray(colours), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(raw)
    pictures = PictureSet([str(path), raw, colours, tmp_path / "missing.png", PictureError("no picture in this row")])
    assert len(pictures) == 5
    assert pictures.raw(0) == pictures.raw(1) == raw
    for i in range(3):
        assert_array_equal(np.asarray(pictures.open(i)), colours)
    expected = hashlib.sha256(raw).digest()
    assert [bytes(row) for row in pictures.digests[:2]] == [expected, expected]
    assert pictures.digests.dtype == np.uint8
    assert pictures.digests[2].any()
    assert not pictures.digests[3:].any()
    for i, reason in ((3, "file not found"), (4, "no picture in this row")):
        with pytest.raises(PictureError, match=reason):
            pictures.open(i)
    backwards = pictures.subset(np.array([3, 2, 0]))
    assert_array_equal(backwards.digests, pictures.digests[[3, 2, 0]])
    assert backwards.raw(2) == raw
    assert pictures.subset([True, False, False, False, False]).raw(0) == raw
    assert len(pictures.subset([])) == 0
    assert PictureSet([]).digests.shape == (0, 32)


def test_array_digests_tell_shape_and_type_apart() -> None:
    flat = np.arange(12, dtype=np.uint8)
    variants = [flat.reshape(3, 4), flat.reshape(4, 3), flat.reshape(4, 3, 1)]
    assert len({bytes(row) for row in PictureSet(variants).digests}) == 3
    assert_array_equal(*PictureSet([variants[0], np.asfortranarray(variants[0])]).digests)


def test_many_threads_read_one_set(colours: np.ndarray) -> None:
    items = [np.roll(colours, i, axis=0) for i in range(50)]
    pictures = PictureSet([encode(Image.fromarray(item), "PNG") for item in items])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: np.asarray(pictures.open(i)), range(50)))
    assert_array_equal(found, items)

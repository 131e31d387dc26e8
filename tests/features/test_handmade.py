import math

import numpy as np
import pytest
from PIL import Image
from scipy.stats import skew
from sklearn.metrics import f1_score

from headstart.data import PictureSet
from headstart.features.handmade import (
    binary_patterns,
    blocks,
    colour_histogram,
    colour_moments,
    describe,
    handmade_features,
    oriented_gradients,
)
from headstart.results import PictureError
from headstart.training import out_of_fold


def noise(n, channels=None, seed=0):
    """A smooth picture with some noise, so that all directions and patterns occur."""
    shape = (n, n) if channels is None else (n, n, channels)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n] / n
    wave = 90 * np.sin(7 * x + 5 * y * y) + 60 * np.cos(9 * x * y)
    wave = wave if channels is None else wave[:, :, None] * np.linspace(-1, 1, channels)
    return np.clip(120 + wave + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)


def slow_gradients(grey, cells, stride):
    """Dalal and Triggs, vote by vote."""
    n = len(grey)
    light = np.sqrt(grey / 255)
    histogram = np.zeros((cells, cells, 9))
    for y in range(n):
        for x in range(n):
            across = light[y, x + 1] - light[y, x - 1] if 0 < x < n - 1 else 0
            down = light[y + 1, x] - light[y - 1, x] if 0 < y < n - 1 else 0
            degrees = math.degrees(math.atan2(down, across)) % 180
            for direction in range(9):
                apart = abs(degrees - (10 + 20 * direction))
                apart = min(apart, 180 - apart)
                for row in range(cells):
                    for column in range(cells):
                        centre = n / cells
                        away = (
                            abs(y + 0.5 - (row + 0.5) * centre) / centre,
                            abs(x + 0.5 - (column + 0.5) * centre) / centre,
                        )
                        if apart < 20 and max(away) < 1:
                            vote = (1 - apart / 20) * (1 - away[0]) * (1 - away[1])
                            histogram[row, column, direction] += vote * math.hypot(across, down)
    parts = []
    for row in range(0, cells - 1, stride):
        for column in range(0, cells - 1, stride):
            block = histogram[row : row + 2, column : column + 2].ravel()
            block = np.minimum(block / math.sqrt((block**2).sum() + 1e-10), 0.2)
            parts.append(block / math.sqrt((block**2).sum() + 1e-10))
    return np.concatenate(parts)


@pytest.mark.parametrize(("cells", "stride"), [(4, 1), (4, 2), (2, 1)])
def test_oriented_gradients_vote_by_vote(cells, stride):
    grey = noise(32)
    found = oriented_gradients(grey, cells, stride=stride)
    assert found.dtype == np.float32
    assert found == pytest.approx(slow_gradients(grey, cells, stride), abs=1e-5)


def test_a_ramp_votes_for_its_direction():
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    across, down = (oriented_gradients(one, 2).reshape(4, 9)[0] for one in (ramp, ramp.T))
    assert set(np.flatnonzero(across)) == {0, 8}  # 0 degrees, between the centres at 170 and 10
    assert set(np.flatnonzero(down)) == {4}  # 90 degrees, a centre
    assert not oriented_gradients(np.full((32, 32), 77, np.uint8), 4).any()


def test_gradients_do_not_see_contrast():
    grey = np.tile((np.arange(32) % 8 * 9).astype(np.uint8), (32, 1))
    assert oriented_gradients(grey * 3, 4) == pytest.approx(oriented_gradients(grey, 4), abs=1e-4)


@pytest.mark.parametrize("distance", [1, 2])
def test_binary_patterns_pixel_by_pixel(distance):
    n, d = 20, distance
    grey = (noise(n) // 16).astype(np.uint8)  # coarse, so that neighbours are often equal
    ring = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    words = [f"{code:08b}"[::-1] for code in range(256)]
    even = [word for word in words if sum(a != b for a, b in zip(word, word[1:] + word[0], strict=True)) <= 2]
    assert len(even) == 58
    counts = np.zeros((2, 2, 59))
    inner = n - 2 * d
    for y in range(inner):
        for x in range(inner):
            word = "".join(str(int(grey[y + d + a * d, x + d + b * d] >= grey[y + d, x + d])) for a, b in ring)
            place = even.index(word) if word in even else 58
            counts[int(y >= inner / 2), int(x >= inner / 2), place] += 1
    expected = np.sqrt(counts / (inner / 2) ** 2)
    assert binary_patterns(grey, distance).reshape(2, 2, 59) == pytest.approx(expected, abs=1e-6)


def test_colour_moments_cell_by_cell():
    rgb = noise(32, 3).astype(np.float32) / 255
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    found = colour_moments(rgb).reshape(3, 3, 4, 4)
    for channel, values in enumerate([rgb.mean(axis=2), red - green, (red + green) / 2 - blue]):
        for row in range(4):
            for column in range(4):
                cell = values[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].astype(np.float64).ravel()
                third = np.cbrt(skew(cell)) * cell.std()
                assert found[:, channel, row, column] == pytest.approx([cell.mean(), cell.std(), third], abs=1e-4)


def test_colour_histogram():
    hsv = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    edges = [np.arange(0, 257, 256 // bins) for bins in (16, 4, 4)]
    expected, _ = np.histogramdd(hsv.reshape(-1, 3), edges)
    assert colour_histogram(hsv) ** 2 == pytest.approx(expected.ravel() / 256, abs=1e-6)


def test_columns_are_what_they_are_called():
    picture = Image.fromarray(noise(128, 3))
    found = describe(picture)
    where = blocks()
    assert list(where) == ["shape", "texture", "colour", "tiny"]
    assert [where[name].start for name in where] + [len(found)] == [0] + [where[name].stop for name in where]
    grey = np.asarray(picture.convert("L"))
    assert found[where["shape"]][:576] == pytest.approx(oriented_gradients(grey, 8, stride=2))
    assert found[where["texture"]][:236] == pytest.approx(binary_patterns(grey, 1))
    tiny = np.asarray(picture, dtype=np.float64).reshape(8, 16, 8, 16, 3).mean(axis=(1, 3)) / 255
    assert found[where["tiny"]] == pytest.approx(tiny.ravel(), abs=1.01 / 255)  # rounded twice
    other = describe(Image.fromarray(np.roll(np.asarray(picture), 1, axis=2)))  # another colour, much the same shape
    assert np.abs(other - found)[where["colour"]].max() > 0.3


def test_rows_come_in_their_order_whatever_the_threads(photos):
    pictures = PictureSet(sorted(photos.rglob("*.*")))
    counted = []
    found = handmade_features(pictures, advance=counted.append)
    assert found.shape == (70, 1964) and found.dtype == np.float32 and np.isfinite(found).all()
    assert sum(counted) == 70
    rows = [41, 3, 3, 69]
    assert np.array_equal(handmade_features(pictures, rows), found[rows])
    for row in (0, 35):
        assert np.array_equal(describe(pictures.open(row, at_least=128)), found[row])
    assert handmade_features(pictures, []).shape == (0, 1964)


def test_pictures_of_any_form():
    odd = [np.zeros((3, 400), np.uint8), np.full((1, 1), 200, np.uint8), noise(90, 3)]
    assert np.isfinite(handmade_features(PictureSet(odd), size=64)).all()
    with pytest.raises(ValueError, match="size=100: give a multiple of 16"):
        handmade_features(PictureSet(odd), size=100)
    with pytest.raises(PictureError, match="file not found"):
        handmade_features(PictureSet([*odd, "gone.png"]))


def test_it_is_no_straw_man(photos):
    files = sorted(photos.rglob("*.*"))
    y = np.unique([path.parent.name for path in files], return_inverse=True)[1]
    table = out_of_fold(handmade_features(PictureSet(files)), y, np.arange(len(y)), random_state=0)
    assert f1_score(y, table.argmax(axis=1), average="macro") > 0.9

import numpy as np
import pytest
from PIL import Image

from headstart.features import views
from headstart.features.preprocess import prepare
from headstart.features.views import View, augment
from headstart.sources import Preprocessing

P = Preprocessing((32, 48))
DIGEST = np.arange(32, dtype=np.uint8)


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8))


def test_the_plain_view_is_what_a_finished_model_sees(picture):
    assert np.array_equal(View().draw(picture, P, DIGEST), prepare(picture, P))


def test_a_view_depends_on_number_seed_and_picture_and_on_nothing_else(picture):
    view = View(3, seed=1)
    first = view.draw(picture, P, DIGEST)
    np.random.default_rng().random(100)
    assert first.shape == (32, 48, 3) and np.array_equal(view.draw(picture, P, DIGEST), first)
    others = [View(4, seed=1), View(3, seed=2), View(3, seed=1, crops=False)]
    assert all(not np.array_equal(other.draw(picture, P, DIGEST), first) for other in others)
    assert not np.array_equal(view.draw(picture, P, DIGEST[::-1].copy()), first)
    keys = {view.key(digest).tobytes() for view in (View(), view, *others) for digest in (DIGEST, DIGEST[::-1])}
    assert len(keys) == 10


def test_crops_show_half_to_all_of_the_picture_and_half_are_mirrored(monkeypatch):
    """A picture whose red is its column and whose green its row tells where a crop was taken from."""
    monkeypatch.setattr(views, "_JITTER", 0.0)  # the colours are to tell the place
    side = 240
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    picture = Image.fromarray(np.stack([columns, rows, np.full_like(rows, 128)], axis=2).astype(np.uint8))
    p = Preprocessing((64, 64), interpolation="bilinear")
    areas, mirrored = [], 0
    for seed in range(200):
        shown = augment(picture, p, np.random.default_rng(seed)).astype(float)
        across = np.polyfit(np.arange(64), shown[:, :, 0].mean(axis=0), 1)[0] * 64
        down = np.polyfit(np.arange(64), shown[:, :, 1].mean(axis=1), 1)[0] * 64
        mirrored += across < 0
        areas.append(abs(across) * down / side**2)
    assert 0.48 < np.min(areas) < 0.53 and 0.95 < np.max(areas) < 1.02 and 0.65 < np.mean(areas) < 0.8
    assert 70 < mirrored < 130


def test_a_view_without_crops_shows_what_the_plain_view_shows_or_its_mirror_image(picture, monkeypatch):
    monkeypatch.setattr(views, "_JITTER", 0.0)
    plain = prepare(picture, P)
    shown = [View(number, crops=False).draw(picture, P, DIGEST) for number in range(1, 21)]
    same = [np.array_equal(view, plain) for view in shown]
    assert all(np.array_equal(view, plain if kept else plain[:, ::-1]) for view, kept in zip(shown, same, strict=True))
    assert 4 < sum(same) < 16
    monkeypatch.undo()
    changed = View(1, crops=False).draw(picture, P, DIGEST).astype(float)
    assert 0 < min(np.abs(changed - plain).mean(), np.abs(changed - plain[:, ::-1]).mean()) < 40


def test_decoded_sharp_enough_for_the_smallest_crop():
    assert View().at_least(P) == View(1, crops=False).at_least(P) == 54 and View(1).at_least(P) == 77

"""Boxes follow their pictures."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.detection.batches import SCALES, BoxBatches, mirrored, varied
from headstart.detection.inputs import choose_input, moved, resized

MEAN = (0.5, 0.5, 0.5)


def bounds(picture) -> np.ndarray:
    """Edges of what is bright in a mask picture, in fractions of a pixel by its brightness at the rims."""
    grey = np.asarray(picture, dtype=np.float64)[:, :, 1] / 255
    across, down = grey.max(axis=0), grey.max(axis=1)
    found = []
    for line in (across, down):
        lit = np.flatnonzero(line > 0.02)
        found.append((lit[0] + 1 - line[lit[0]], lit[-1] + line[lit[-1]]))
    (left, right), (top, bottom) = found
    return np.array([left, top, right, bottom])


@pytest.mark.parametrize("seed", range(8))
def test_a_box_lies_where_a_mask_of_it_lies_after_the_same_changes(seed, mask_of):
    rng = np.random.default_rng(seed)
    whole = (160, 120)
    box = np.array([[20.0, 30.0, 90.0, 74.0]])
    size = tuple(round(side * float(rng.choice(SCALES))) for side in whole)
    picture, xyxy = varied(resized(mask_of(whole, box[0]), size), moved(box, whole, size), np.random.default_rng(seed))
    lit = np.asarray(picture, dtype=float)
    lit = (lit - lit.min()) / (lit.max() - lit.min()) * 255
    # Colours are shifted and the rims are blurred by the resizing; a pixel is what remains.
    np.testing.assert_allclose(bounds(lit), xyxy[0], atol=1.0)


def test_both_ways_of_mirroring_occur_and_twice_is_once():
    box = np.array([[1.0, 2.0, 5.0, 9.0], [0.0, 0.0, 10.0, 10.0]])
    np.testing.assert_array_equal(mirrored(mirrored(box, 10), 10), box)
    from PIL import Image

    lefts = {varied(Image.new("RGB", (10, 10)), box, np.random.default_rng(seed))[1][0, 0] for seed in range(12)}
    assert lefts == {1.0, 5.0}


def batches(target, **more):
    rows = target.rows("train")
    size = choose_input([target.boxes[row] for row in rows], target.sizes[rows], target.classes)
    return BoxBatches(target, rows, size, MEAN, batch_size=4, **more)


def test_an_epoch_shows_each_picture_once_in_an_order_of_its_own(squares):
    made = batches(squares)
    assert sorted(made.order(0)) == sorted(made.order(1)) == list(squares.rows("train"))
    assert any(list(made.order(k)) != list(made.order(0)) for k in range(1, 4))
    shapes = [(len(pictures), pictures.shape[1] % 32, boxes.shape[2]) for pictures, boxes in made.epoch(0)]
    assert shapes == [(3, 0, 6), (3, 0, 6)]
    assert len(made) == 2


def test_epochs_that_are_parts_show_all_before_any_again(squares):
    made = batches(squares, n_pictures=4)
    shown = np.concatenate([made.order(k) for k in range(3)])
    assert len(shown) == 12
    assert sorted(shown[:6]) == sorted(shown[6:]) == list(squares.rows("train"))
    assert len(made) == 1


def test_the_same_seed_and_epoch_give_the_same_bytes_whatever_came_before(squares):
    one, other = batches(squares, seed=3), batches(squares, seed=3)
    list(other.epoch(0))
    for (a, s), (b, t) in zip(one.epoch(1), other.epoch(1), strict=True):
        assert a.equal(b)
        assert s.equal(t)
    assert not all(
        a.shape == b.shape and a.equal(b)
        for (a, _), (b, _) in zip(one.epoch(1), batches(squares, seed=4).epoch(1), strict=True)
    )


def test_plain_batches_hold_the_pictures_as_they_are_found_in(squares):
    made = batches(squares, augment=False)
    row = int(squares.rows("train")[0])
    picture, xyxy, labels, ignored = made.view(row, 0, 1.0)
    whole = tuple(squares.sizes[row])
    size = made.size.fitted(*map(int, whole))
    np.testing.assert_array_equal(picture, np.asarray(resized(squares.pictures.open(row), size)))
    np.testing.assert_allclose(moved(xyxy, size, whole), squares.boxes[row].xyxy)
    assert labels.tolist() == squares.boxes[row].labels.tolist()
    assert not ignored.any()

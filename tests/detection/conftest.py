"""A small detection target of drawn pictures, and a small source."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headstart.data.pictures import PictureSet
from headstart.detection.boxes import Boxes, DetectionTarget


def drawn(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, Boxes]:
    """Draw one to three bright squares (0) or dark ones (1), apart from each other, on grey noise."""
    width, height = size
    picture = rng.normal(120, 8, (height, width, 3))
    edges, labels = [], []
    for column in range(rng.integers(1, 4)):
        side = int(rng.integers(20, 29))
        left = column * (width // 3) + int(rng.integers(0, width // 3 - side + 1))
        top = int(rng.integers(0, height - side + 1))
        label = int(rng.random() < 0.3)
        picture[top : top + side, left : left + side] = 20 if label else 230
        edges.append([left, top, left + side, top + side])
        labels.append(label)
    boxes = Boxes(np.array(edges, dtype=np.float64), np.array(labels, dtype=np.int64))
    return picture.clip(0, 255).astype(np.uint8), boxes


def make_target(n: int = 12, *, seed: int = 0, split: tuple[int, int] = (6, 3)) -> DetectionTarget:
    """Return ``n`` drawn pictures of two sizes; ``split`` counts those of train and val, the rest are test."""
    rng = np.random.default_rng(seed)
    sizes = [(96, 72) if k % 3 else (120, 96) for k in range(n)]
    pairs = [drawn(rng, size) for size in sizes]
    parts = np.array(["train"] * split[0] + ["val"] * split[1] + ["test"] * (n - sum(split)))
    return DetectionTarget(
        ids=np.array([f"{k}.png" for k in range(n)]),
        pictures=PictureSet([picture for picture, _ in pairs]),
        sizes=np.array(sizes, dtype=np.int64),
        boxes=tuple(boxes for _, boxes in pairs),
        classes=("bright", "dark"),
        split=parts,
        left_out={},
        notes=(),
        own_split=True,
        name="squares",
        fingerprint=f"squares-{n}-{seed}-{split}",
    )


@pytest.fixture(scope="session")
def squares() -> DetectionTarget:
    return make_target()


@pytest.fixture(scope="session")
def mask_of():
    """Return a function that draws one box as a mask picture."""

    def draw(size: tuple[int, int], xyxy: np.ndarray) -> Image.Image:
        mask = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        left, top, right, bottom = xyxy.astype(int)
        mask[top:bottom, left:right] = 255
        return Image.fromarray(mask)

    return draw

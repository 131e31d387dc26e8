"""What all tests share: the real data where it is at hand, and a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real data sets and weights (``$HEADSTART_SHARED``, else ``shared`` beside the checkout)."""
    folder = Path(os.environ.get("HEADSTART_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}; set HEADSTART_SHARED")
    return folder


@pytest.fixture(scope="session")
def _networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory, _networks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty cache, but for exported networks and trials, which the session shares."""
    folder = tmp_path_factory.mktemp("cache")
    for name in ("networks", "trials"):
        (_networks / name).mkdir(exist_ok=True)
        (folder / name).symlink_to(_networks / name)
    monkeypatch.setenv("HEADSTART_CACHE", str(folder))
    return folder


def shape_picture(kind: int, rng: np.random.Generator, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Draw a bright disc (0), bar (1) or ring (2), somewhere, on a dark noisy ground."""
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    centre = rng.uniform(0.35, 0.65, 2) * size
    radius = rng.uniform(0.2, 0.3) * min(size)
    distance = np.hypot(x - centre[0], y - centre[1])
    mask = [distance < radius, np.abs(y - centre[1]) < radius / 3, np.abs(distance - radius) < radius / 4][kind]
    noise: NDArray[np.float64] = rng.normal(40, 12, (height, width, 3))
    noise[mask] += np.array([150.0, 120.0, 60.0])
    return Image.fromarray(noise.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders with three kinds of drawn pictures, 30, 24 and 16 of them."""
    root = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for kind, (name, count) in enumerate([("disc", 30), ("quer balken", 24), ("環", 16)]):
        (root / name).mkdir(parents=True)
        for number in range(count):
            shape_picture(kind, rng).save(root / name / f"{number}.{'png' if number % 2 else 'jpg'}")
    return root

"""What all tests share: the real data where it is at hand, and a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real data sets and weights (``$HEADSTART_SHARED``, else ``shared`` beside the checkout)."""
    folder = Path(os.environ.get("HEADSTART_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}; set HEADSTART_SHARED")
    return folder


@pytest.fixture(autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HEADSTART_CACHE", str(folder))
    return folder

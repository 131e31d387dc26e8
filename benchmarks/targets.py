"""The targets of the studies, as ``headstart.load_target`` gives them."""

from __future__ import annotations

import gzip
import importlib.util
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import grocery, solar_cells
from PIL import Image

from headstart.data import Target, load_target

FASHION = Path("/usr/share/datasets/fashion-mnist")


def targets(shared: Path) -> dict[str, Callable[[], Target]]:
    """Return how to load each target at hand."""
    path, *options = grocery()
    columns = dict(zip((name.removeprefix("--") for name in options[::2]), options[1::2], strict=True))
    data = shared / "data"
    found: dict[str, Callable[[], Target]] = {
        "Grocery-14": lambda: load_target(path, **columns),
        "Grocery-5": lambda: load_target(path, **{**columns, "label": "coarse_cat"}),
        "Clothing-10": lambda: load_target(data / "clothing"),
        "Emoji google": lambda: load_target(data / "emoji" / "google"),
        "Emoji twitter": lambda: load_target(data / "emoji" / "twitter"),
        "Emoji fluent": lambda: load_target(data / "emoji" / "fluent"),
        "BCCD cells": lambda: blood_cells(data / "bccd"),
    }
    if FASHION.is_dir():
        found["Fashion-MNIST"] = fashion
    if importlib.util.find_spec("elpv_dataset"):
        found["ELPV"] = lambda: load_target(solar_cells(0)[["image", "label", "split"]])
    return found


def fashion(n: int = 10_000, part: str = "train") -> Target:
    """Return the first ``n`` pictures of Fashion-MNIST's training part, or of the other one, ``"t10k"``."""
    arrays = []
    for name in (f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"):
        raw = gzip.decompress((FASHION / name).read_bytes())
        shape = [int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(raw[3])]
        arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)[:n])
    return load_target((list(arrays[0]), arrays[1].astype(str)))


def blood_cells(folder: Path, most: int = 400) -> Target:
    """Return at most ``most`` cells a kind, cut out of BCCD's training and validation photos; a photo is a group."""
    cells: dict[str, list[tuple[str, list[int]]]] = {}
    for part in ("train", "val"):
        for stem in (folder / "ImageSets" / "Main" / f"{part}.txt").read_text().split():
            for thing in ElementTree.parse(folder / "Annotations" / f"{stem}.xml").iter("object"):
                box = [int(thing.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")]
                if min(box[2] - box[0], box[3] - box[1]) > 10:
                    cells.setdefault(thing.findtext("name") or "", []).append((stem, box))
    rng = np.random.default_rng(0)
    pictures, labels, groups = [], [], []
    for name, found in sorted(cells.items()):
        for row in np.sort(rng.permutation(len(found))[:most]):
            stem, box = found[row]
            photo = Image.open(folder / "JPEGImages" / f"{stem}.jpg").convert("RGB")
            pictures.append(np.asarray(photo.crop(tuple(box))))
            labels.append(name)
            groups.append(stem)
    return load_target((pictures, labels), group=np.array(groups))

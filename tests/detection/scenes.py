"""The same annotated pictures, written as COCO, Pascal VOC and YOLO."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog")
SIZE = (48, 36)
# Left, top, right, bottom in pixels from edge to edge; class.
SCENES = {
    f"p{number}.png": [((2 + number, 3, 20 + number, 30), 0)] + ([((25, 5, 45, 25.0), 1)] if number % 3 == 0 else [])
    for number in range(9)
} | {"empty.png": []}
PARTS = {name: "test" if i >= 8 else "val" if i >= 6 else "train" for i, name in enumerate(SCENES)}


def photo(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture that resembles no other: coarse coloured noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def save_all(folder: Path, names=SCENES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(SCENES):
        if name in names:
            photo(seed).save(folder / name)


def coco(names=SCENES, **changes) -> dict:
    """COCO's lists; category ids have gaps."""
    ids = {name: 100 + i for i, name in enumerate(SCENES)}
    annotations = [
        {"id": 0, "image_id": ids[name], "category_id": (7, 90)[code], "bbox": [a, b, c - a, d - b], "iscrowd": 0}
        for name in names for (a, b, c, d), code in SCENES[name]
    ]  # fmt: skip
    for number, one in enumerate(annotations, 1):
        one["id"] = number
    return {
        "images": [{"id": ids[name], "file_name": name, "width": SIZE[0], "height": SIZE[1]} for name in names],
        "annotations": annotations,
        "categories": [{"id": 90, "name": "dog"}, {"id": 7, "name": "cat"}, {"id": 8, "name": "unused"}],
        **changes,
    }


def write_coco(root: Path) -> Path:
    """One file a part, pictures in a folder a part, as COCO itself has them."""
    for part in ("train", "val", "test"):
        names = [name for name in SCENES if PARTS[name] == part]
        save_all(root / f"{part}2017", names)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(coco(names)))
    return root


def voc_xml(name: str, objects: list, size: tuple[int, int] = SIZE) -> str:
    inside = "".join(
        f"<object><name>{label if isinstance(label, str) else CLASSES[label]}</name><difficult>{difficult}</difficult>"
        f"<bndbox><xmin>{a + 1:g}</xmin><ymin>{b + 1:g}</ymin><xmax>{c:g}</xmax><ymax>{d:g}</ymax></bndbox></object>"
        for (a, b, c, d), label, difficult in objects
    )
    return (
        f"<annotation><filename>{name}</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{inside}</annotation>"
    )


def write_voc(root: Path) -> Path:
    save_all(root / "JPEGImages")
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, boxes in SCENES.items():
        text = voc_xml(name, [(edges, code, 0) for edges, code in boxes])
        (root / "Annotations" / f"{Path(name).stem}.xml").write_text(text)
    for part in ("train", "val", "test"):
        stems = [Path(name).stem for name in SCENES if PARTS[name] == part]
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(stems) + "\n")
    return root


def write_yolo(root: Path) -> Path:
    for name, boxes in SCENES.items():
        part = PARTS[name]
        save_all(root / "images" / part, [name])
        (root / "labels" / part).mkdir(parents=True, exist_ok=True)
        lines = [
            f"{code} {(a + c) / 2 / SIZE[0]:.8f} {(b + d) / 2 / SIZE[1]:.8f} {(c - a) / SIZE[0]:.8f} "
            f"{(d - b) / SIZE[1]:.8f}"
            for (a, b, c, d), code in boxes
        ]
        if boxes:
            (root / "labels" / part / f"{Path(name).stem}.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n  0: cat\n  1: dog\n"
    )
    return root

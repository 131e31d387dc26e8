from __future__ import annotations

import collections
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from headstart.detection import Boxes, DetectionTarget, load_detection_target
from headstart.detection.cleaning import clean_boxes
from headstart.detection.readers import Mark, Remarks
from headstart.detection.splitting import set_apart
from headstart.results import DataError

from . import scenes
from .scenes import PARTS, SCENES, coco, photo, save_all, voc_xml, write_coco, write_voc, write_yolo

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write(tmp_path_factory.mktemp("scenes") / kind) for kind, write in WRITERS.items()}


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Any:
    return lambda kind: Path(shutil.copytree(folders[kind], tmp_path / kind))


def message(data: Any, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        load_detection_target(data, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def by_stem(target: DetectionTarget) -> dict[str, int]:
    return {Path(name).stem: row for row, name in enumerate(target.ids.tolist())}


@pytest.mark.parametrize("kind", WRITERS)
def test_each_format_gives_the_boxes_that_were_drawn(kind: str, folders: dict[str, Path]) -> None:
    target = load_detection_target(folders[kind])
    assert target.classes == ("cat", "dog")
    assert (len(target), target.own_split, target.task) == (len(SCENES), True, "detection")
    assert not target.left_out
    for name, row in by_stem(target).items():
        scene = SCENES[f"{name}.png"]
        assert target.split[row] == PARTS[f"{name}.png"]
        assert target.sizes[row].tolist() == list(scenes.SIZE)
        assert_allclose(target.boxes[row].xyxy, np.reshape([edges for edges, _ in scene], (-1, 4)), atol=1e-5)
        assert target.boxes[row].labels.tolist() == [code for _, code in scene]
        assert not target.boxes[row].ignore.any()
        assert target.pictures.open(row).size == scenes.SIZE


def test_a_file_of_its_own_is_enough(folders: dict[str, Path], tmp_path: Path) -> None:
    save_all(tmp_path / "pictures")
    (tmp_path / "boxes.json").write_text(json.dumps(coco()))
    one = load_detection_target(tmp_path / "boxes.json")
    assert len(one) == len(SCENES) and not one.own_split and not one.left_out
    assert len(load_detection_target(tmp_path)) == len(SCENES)  # a folder with one JSON file in it
    assert load_detection_target(folders["yolo"] / "data.yaml").split.tolist().count("test") == 2
    assert load_detection_target(one) is one


def test_what_is_to_be_ignored_is_marked(tmp_path: Path) -> None:
    content = coco()
    content["annotations"][1]["iscrowd"] = 1
    save_all(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert load_detection_target(tmp_path / "a.json").boxes[0].ignore.tolist() == [False, True]
    root = write_voc(tmp_path / "voc")
    (root / "Annotations" / "p0.xml").write_text(voc_xml("p0.png", [((1, 1, 9, 9), 0, 1), ((2, 2, 9, 9), 0, 0)]))
    target = load_detection_target(root)
    # Those that count come first.
    assert target.boxes[by_stem(target)["p0"]].ignore.tolist() == [False, True]
    assert target.boxes[by_stem(target)["p0"]].xyxy[1].tolist() == [1, 1, 9, 9]


@pytest.mark.parametrize("kind", WRITERS)
def test_boxes_are_those_of_the_upright_picture(kind: str, copied: Any) -> None:
    root = copied(kind)
    file = next(root.rglob("p0.png"))
    upright = photo(77, scenes.SIZE)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise, so the file holds it turned the other way
    upright.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
    target = load_detection_target(root)
    row = by_stem(target)["p0"]
    assert target.sizes[row].tolist() == list(scenes.SIZE)
    assert target.pictures.open(row).size == scenes.SIZE
    assert_allclose(target.boxes[row].xyxy[0], SCENES["p0.png"][0][0], atol=1e-5)
    if kind == "voc":  # the annotation of a picture as it lies in the file
        (root / "Annotations" / "p0.xml").write_text(voc_xml("p0.png", [((1, 1, 9, 9), 0, 0)], scenes.SIZE[::-1]))
        again = load_detection_target(root)
        reason = again.left_out["JPEGImages/p0.png"]
        assert "about 36 x 48 pixels, the upright picture has 48 x 36: annotate it upright" in reason


def test_bad_boxes_are_named_one_by_one() -> None:
    remarks = Remarks()
    edges = [
        (-9, 4, 12, 20), (40, 5, 60, 25), (-9, 4, -1, 20), (5, 5, 5, 9), (9, 9, 5, 12), (float("nan"), 0, 5, 5),
        (0, 0, float("inf"), 5), (1, 1, 8, 8), (1, 1, 8, 8), (-0.5, 0, 48.5, 36),
    ]  # fmt: skip
    marks = [Mark(number, "cat", one) for number, one in enumerate(edges, 1)]
    marks += [Mark(11, "dog", (1, 1, 8, 8)), Mark(12, "cat", (2, 2, 8, 8), True)]
    boxes = clean_boxes("a", marks, (48, 36), {"cat": 0, "dog": 1}, remarks)
    assert boxes.xyxy.tolist() == [
        [0, 4, 12, 20], [40, 5, 48, 25], [1, 1, 8, 8], [0, 0, 48, 36], [1, 1, 8, 8], [2, 2, 8, 8]
    ]  # fmt: skip
    assert boxes.labels.tolist() == [0, 0, 0, 0, 1, 0] and boxes.ignore.tolist() == [False] * 5 + [True]
    assert remarks.left_out == {
        "a, box 3": "outside its picture of 48 x 36 pixels: -9, 4, -1, 20",
        "a, box 4": "no area: 0 x 4 pixels",
        "a, box 5": "no area: -4 x 3 pixels",
        "a, box 6": "an edge is no finite number",
        "a, box 7": "an edge is no finite number",
        "a, box 9": "the same box of 'cat' again",
    }
    assert remarks.notes() == [
        "2 boxes partly outside its picture cut at the edge (for example 'a, box 1')",
        "1 box outside its picture left out (for example 'a, box 3')",
        "2 boxes without area left out (for example 'a, box 4')",
        "2 boxes with an edge that is no finite number left out (for example 'a, box 6')",
        "1 box given again left out (for example 'a, box 9')",
    ]


def test_bad_entries_of_coco_are_named(tmp_path: Path) -> None:
    content = coco()
    name = content["images"][2]["file_name"]
    image = content["images"][2]["id"]
    content["annotations"] += [
        {"image_id": image, "category_id": 55, "bbox": [1, 1, 4, 4]},
        {"image_id": image, "category_id": 7, "bbox": [1, 1, 4]},
        {"image_id": image, "category_id": 7, "bbox": [1, 1, 10**400, 4]},
        {"image_id": image, "category_id": 7},
        {"image_id": 12345, "category_id": 7, "bbox": [1, 1, 4, 4]},
        "nothing",
    ]
    content["images"] += [{"id": 999, "file_name": "gone.png"}, {"file_name": "x.png"}, {"id": 100, "file_name": "y"}]
    save_all(tmp_path)
    photo(50).save(tmp_path / "unlisted.png")
    (tmp_path / "a.json").write_text(json.dumps(content))
    target = load_detection_target(tmp_path / "a.json")
    n = len(coco()["annotations"])
    assert target.left_out == {
        f"{name}, box 2": "no category has the id 55",
        f"{name}, box 3": "an edge is no finite number",
        f"{name}, box 4": "an edge is no finite number",
        f"{name}, box 5": "an edge is no finite number",
        f"a.json, annotation {n + 5}": "no picture has the id 12345",
        f"a.json, annotation {n + 6}": "no picture has the id None",
        f"a.json, picture {len(SCENES) + 2}": "no id or no file_name",
        f"a.json, picture {len(SCENES) + 3}": "its id 100 is that of another",
        "gone.png": "file not found",
        "unlisted.png": "no annotation lists it",
    }
    assert "empty.png" in target.ids and target.split[target.ids == "empty.png"] != ""
    assert any("1 class without any usable box left out: 'unused'" in note for note in target.notes)
    assert len(target.notes) < 12


def test_bad_entries_of_voc_are_named(copied: Any) -> None:
    root = copied("voc")
    (root / "Annotations" / "p1.xml").write_text("<annotation>\n  <object></objet>")
    (root / "Annotations" / "gone.xml").write_text(voc_xml("gone.png", [((1, 1, 9, 9), 0, 0)]))
    (root / "Annotations" / "p2.xml").write_text(
        voc_xml(
            "p2.png", [((1, 1, 9, 9), "", 0), ((5, 5, 7, 7), 0, 0), ((5, 5, 6, 6), 0, 0), ((1, 1, 9, 9), 0, 0)]
        ).replace("<xmax>9<", "<xmax>nine<")
    )
    photo(50).save(root / "JPEGImages" / "unlisted.png")
    with (root / "ImageSets" / "Main" / "train.txt").open("a") as file:
        file.write("nowhere\n")
    target = load_detection_target(root, max_unreadable=0.3)
    assert target.left_out == {
        "JPEGImages/p1.png": "its annotation 'Annotations/p1.xml' is damaged at line 2, column 13 (mismatched tag)",
        "gone.png": "file not found",
        "JPEGImages/p2.png, box 1": "no class name",
        "JPEGImages/p2.png, box 3": "no area: 0 x 0 pixels",  # 6 to 6, as it is written
        "JPEGImages/p2.png, box 4": "an edge is no finite number",
        "JPEGImages/unlisted.png": "no annotation lists it",
    }
    assert target.boxes[by_stem(target)["p2"]].xyxy.tolist() == [[5, 5, 7, 7]]
    assert any("without an annotation passed over: 'nowhere'" in note for note in target.notes)
    line = message(root)
    assert line.startswith("2 of 11 pictures cannot be used, more than max_unreadable=0.1") and "p1.png" in line


def test_bad_entries_of_yolo_are_named(copied: Any) -> None:
    root = copied("yolo")
    (root / "labels" / "train" / "p1.txt").write_text(
        "0 .5 .5 .2 .2\n7 .5 .5 .2 .2\n0 .5 .5 .2\ncat .5 .5 .2 .2\n0 .5 .5 nan .2\n\n1 .1 .1 .3 .1 .3 .5 .2 .6\n"
    )
    (root / "labels" / "train" / "gone.txt").write_text("0 .5 .5 .2 .2\n")
    photo(50).save(root / "images" / "train" / "plain.png")
    target = load_detection_target(root)
    name = "images/train/p1.png"
    assert target.left_out == {
        f"{name}, box 2": "no class has the number 7",
        f"{name}, box 3": "4 numbers in its line, not 5",
        f"{name}, box 4": "cannot be read: 'cat .5 .5 .2 .2'",
        f"{name}, box 5": "an edge is no finite number",
        "labels/train/gone.txt": "there is no such picture",
    }
    row = by_stem(target)["p1"]
    assert_allclose(target.boxes[row].xyxy, [[19.2, 14.4, 28.8, 21.6], [4.8, 3.6, 14.4, 21.6]])
    assert target.split[by_stem(target)["plain"]] == "train"  # no text file: nothing is in it
    assert any(note.startswith("2 pictures without a text file of boxes") for note in target.notes)


def test_yolo_without_its_yaml_file_and_with_lists(copied: Any) -> None:
    root = copied("yolo")
    (root / "data.yaml").unlink()
    target = load_detection_target(root)
    assert target.classes == ("0", "1") and target.own_split
    (root / "classes.txt").write_text("cat\ndog\n")
    assert load_detection_target(root).classes == ("cat", "dog")
    for part in ("train", "val", "test"):
        names = [f"./images/{part}/{name}" for name in SCENES if PARTS[name] == part]
        (root / f"{part}.txt").write_text("\n".join(names))
    (root / "data.yaml").write_text("train: ../train.txt\nval: [val.txt]\ntest: test.txt\nnames: [cat, dog]\n")
    listed = load_detection_target(root)
    assert {Path(name).name: part for name, part in zip(listed.ids, listed.split, strict=True)} == PARTS


@pytest.mark.parametrize("kind", WRITERS)
def test_whatever_stands_in_an_annotation_a_target_or_one_line_comes_out(kind: str, copied: Any) -> None:
    root, rng = copied(kind), np.random.default_rng(0)
    files = [path for path in sorted(root.rglob("*")) if path.suffix in (".json", ".xml", ".txt", ".yaml")]
    outcomes = set()
    for _ in range(25):
        file = files[rng.integers(len(files))]
        text = file.read_text()
        letters = list(text)
        for place in rng.integers(len(letters), size=3):
            letters[place] = rng.choice(list('-0123456789.e{}[]<>/":, \n\0é'))
        file.write_text("".join(letters))
        try:
            outcomes.add(type(load_detection_target(root, max_unreadable=0.5)))
        except DataError as error:
            assert "\n" not in str(error)
            outcomes.add(DataError)
        file.write_text(text)
    assert outcomes == {DetectionTarget, DataError} if kind == "coco" else DetectionTarget in outcomes


def test_one_line_says_what_cannot_be_read(tmp_path: Path, copied: Any) -> None:
    photo(0).save(tmp_path / "a.png")
    line = message(tmp_path)
    assert all(word in line for word in ("holds no boxes", "COCO", "Pascal VOC", "YOLO"))
    assert message(tmp_path / "none").startswith("there is no file")
    assert "not from 'list'" in message([1])
    file = tmp_path / "a.json"
    file.write_text('{"images": [\n  {"id": 1,, }]}')
    assert "damaged at line 2, column 12" in message(file)
    file.write_text('{"images": [], "annotations": []}')
    assert "has no list 'categories'" in message(file)
    file.write_text(json.dumps(coco([])))
    assert "lists no picture" in message(file)
    root = copied("yolo")
    (root / "data.yaml").write_text("train: images/train\nnames: [cat, dog\n")
    assert "damaged at line 3, column 1" in message(root)
    (root / "data.yaml").write_text("train: pictures\nval: images/val\nnames: [cat, dog]\n")
    assert "'pictures', which the YAML file gives for train, is not there" in message(root)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\ntest: none\nnames: [cat, dog]\n")
    assert any("'none', which the YAML file gives for test" in note for note in load_detection_target(root).notes)
    shutil.rmtree(root / "labels")
    (root / "data.yaml").unlink()
    assert "holds no boxes" in message(root)
    assert "no share" in message(root, test_size=1.0) and "no share" in message(root, max_unreadable=2)


def test_pictures_that_may_be_meant_twice(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        save_all(tmp_path / folder)
    (tmp_path / "x.json").write_text(json.dumps(coco()))
    assert "'x.json'" not in message(tmp_path / "x.json")  # none lies where the file says: not found
    content = coco()
    for entry in content["images"]:
        entry["file_name"] = "c/" + entry["file_name"]
    (tmp_path / "x.json").write_text(json.dumps(content))
    assert "may be" in message(tmp_path / "x.json")


def test_splits(folders: dict[str, Path], copied: Any) -> None:
    new = load_detection_target(folders["voc"], split="new", random_state=1)
    assert not new.own_split and collections.Counter(new.split.tolist()) == {"train": 6, "val": 2, "test": 2}
    held = {
        part: {code for row in new.rows(part) for code in new.boxes[row].labels.tolist()} for part in PARTS.values()
    }
    assert held["train"] == held["test"] == {0, 1}
    again = load_detection_target(folders["voc"], split="new", random_state=1)
    assert again.fingerprint == new.fingerprint != load_detection_target(folders["voc"]).fingerprint

    own = {name: "Validation" if i > 7 else "train" for i, name in enumerate(new.ids.tolist()) if i}
    given = load_detection_target(folders["voc"], split=own)
    assert given.split.tolist()[8:] == ["test", "test"] and given.left_out[str(new.ids[0])] == "in no part of the split"
    assert any("val part (2 pictures) is the test part" in note for note in given.notes)
    assert any("are set apart for it" in note for note in given.notes)
    assert (given.split == "val").sum() == 2
    assert "give 'new'" in message(folders["voc"], split="old") and "give 'new'" in message(folders["voc"], split=["a"])
    assert "not there: 'x'" in message(folders["voc"], split={"x": "train"})
    assert "give 'train'" in message(folders["voc"], split={new.ids[0]: "cats"})

    root = copied("voc")
    (root / "ImageSets" / "Main" / "train.txt").write_text("")
    assert "no train part" in message(root)
    shutil.rmtree(root / "ImageSets")
    assert not load_detection_target(root).own_split


def test_copies_stay_together_and_count_once_in_the_test_part(copied: Any) -> None:
    root = copied("voc")
    test = next(name for name in SCENES if PARTS[name] == "test")
    train = [name for name in SCENES if PARTS[name] == "train"]
    shutil.copy(root / "JPEGImages" / test, root / "JPEGImages" / train[0])
    target = load_detection_target(root)
    assert "of the test part" in target.left_out[f"JPEGImages/{train[0]}"]
    for name in train[1:4]:
        shutil.copy(root / "JPEGImages" / test, root / "JPEGImages" / name)
    for seed in range(5):
        new = load_detection_target(root, split="new", random_state=seed)
        same = {str(new.split[row]) for row in range(len(new)) if Path(new.ids[row]).name in [test, *train[:4]]}
        assert len(same - {""}) == 1


def test_a_class_that_a_part_lacks_is_named(copied: Any) -> None:
    root = copied("voc")
    (root / "Annotations" / "p8.xml").write_text(voc_xml("p8.png", [((1, 1, 9, 9), "owl", 0)]))
    target = load_detection_target(root)
    assert target.classes == ("cat", "dog", "owl")
    assert any(note.startswith("the train part has no object of 1 class ('owl')") for note in target.notes)
    assert any("the test part has no object of 2 classes ('cat', 'dog')" in note for note in target.notes)
    # A new split leaves the only picture of a class where the detector learns.
    for seed in range(6):
        new = load_detection_target(root, split="new", random_state=seed)
        assert new.split[by_stem(new)["p8"]] == "train"
    for path in (root / "Annotations").glob("*.xml"):
        path.write_text(voc_xml(path.stem, []))
    assert "no box of the train part" in message(root)


def test_rare_classes_stand_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    boxes = []
    for row in range(200):
        labels = np.array([0] * 9 + ([1] if row % 20 == 0 else []) + ([2] if row in (3, 77) else []))
        boxes.append(Boxes(rng.uniform(size=(len(labels), 4)), labels))
    for seed in range(5):
        apart = set_apart(boxes, np.arange(200), 3, 0.2, seed)
        assert abs(int(apart.sum()) - 40) <= 2
        for code, n in ((1, 2), (2, 1)):
            assert sum(code in boxes[row].labels for row in np.flatnonzero(apart)) == n
    groups = np.arange(200) // 2
    apart = set_apart(boxes, groups, 3, 0.2, 0)
    assert (apart[::2] == apart[1::2]).all()


def test_bccd_has_the_boxes_that_its_description_counts(shared: Path) -> None:
    target = load_detection_target(shared / "data" / "bccd")
    assert collections.Counter(target.split.tolist()) == {"train": 205, "val": 87, "test": 72}
    assert target.classes == ("Platelets", "RBC", "WBC")
    counts = np.bincount(np.concatenate([one.labels for one in target.boxes]))
    # Two red cells are clicks: their edges are equal.
    assert counts.tolist() == [361, 4155 - 2, 372]
    assert sorted(target.left_out.values()) == ["no area: 0 x 0 pixels"] * 2
    assert (target.sizes == [640, 480]).all()
    assert min(one.xyxy.min() for one in target.boxes) == 0


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_a_folder_a_part_with_annotations_beside_the_pictures(kind: str, tmp_path: Path) -> None:
    for part, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        names = [name for name in SCENES if PARTS[name] == part]
        save_all(tmp_path / folder, names)
        if kind == "coco":
            (tmp_path / folder / "_annotations.coco.json").write_text(json.dumps(coco(names)))
        else:
            for name in names:
                text = voc_xml(name, [(edges, code, 0) for edges, code in SCENES[name]])
                (tmp_path / folder / f"{Path(name).stem}.xml").write_text(text)
    target = load_detection_target(tmp_path)
    assert {Path(name).name: part for name, part in zip(target.ids, target.split, strict=True)} == PARTS
    assert target.own_split and not target.left_out
    assert sum(map(len, target.boxes)) == sum(map(len, SCENES.values()))
    if kind == "coco":  # one part alone is split anew
        alone = load_detection_target(tmp_path / "train" / "_annotations.coco.json")
        assert not alone.own_split and set(alone.split.tolist()) == {"train", "test"}


def test_other_xml_files_are_not_taken_for_annotations(copied: Any) -> None:
    root = copied("voc")
    (root / "Annotations" / "project.xml").write_text("<project/>")
    target = load_detection_target(root)
    assert "is about <project>" in target.left_out["Annotations/project.xml"]
    assert "Annotations/project.xml" in target.ids and target.split[target.ids == "Annotations/project.xml"] == ""

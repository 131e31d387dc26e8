from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart.data import load_target
from headstart.data.profile import Profile, effective_number, profile


def _picture(seed, side=48):
    colours = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((side, side), Image.Resampling.BICUBIC)


def _png(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def table():
    """20 cats, 8 dogs, 3 owls; one leak, one contradiction, one copy in the test part, one broken file."""
    rows = [(_png(_picture(seed)), "cat", "train" if seed < 14 else "test") for seed in range(20)]
    rows += [(_png(_picture(100 + seed, 64)), "dog", "train" if seed < 5 else "test") for seed in range(8)]
    rows += [(_png(_picture(200 + seed)), "owl", "train" if seed < 2 else "test") for seed in range(3)]
    rows += [
        (_png(_picture(19)), "cat", "train"),
        (_png(_picture(3)), "dog", "train"),
        (_png(_picture(105, 64)), "dog", "test"),
        (b"broken", "dog", "train"),
    ]
    return pd.DataFrame(rows, columns=["image", "label", "split"])


def test_everything_that_is_wrong_is_found(table):
    answer = profile(table)
    assert answer.counts == {"train": (13, 5, 2), "val": (0, 0, 0), "test": (6, 3, 1)}
    assert (answer.n_rows, answer.n_left_out) == (35, 5)
    assert answer.leakage == (("31", "19", "test"),)
    assert answer.contradictions == ((("3", "cat"), ("32", "dog")),)
    assert answer.twins == (("3", "32"), ("19", "31"), ("25", "33"))
    assert answer.copies == 3
    assert list(answer.unreadable) == ["34"]
    assert answer.too_small == ("owl",)
    assert answer.imbalance_ratio == 13 / 2
    share = np.array([13, 5, 2]) / 20
    assert answer.effective_classes == pytest.approx(math.exp(-sum(p * math.log(p) for p in share)))
    assert (answer.scale, answer.median_class) == ("small", 5)
    assert answer.sizes["width"] == (48, 48, 48, 60, 64)  # 25 of 48 and 9 of 64 pixels
    assert answer.modes == {"RGB": 34}
    assert answer.formats == {"PNG": 34}
    assert len(answer.warnings) == 4
    for text in (
        "1 picture under more than one label",
        "1 picture in more than one part",
        "1 unreadable file",
        "1 class with",
    ):
        assert text in answer.headline()


def test_frame_and_plot(table):
    answer = profile(table)
    frame = answer.to_frame()
    assert frame.columns.tolist() == ["train", "val", "test", "share"]
    assert frame.index.tolist() == ["cat", "dog", "owl"]
    assert frame["share"].tolist() == pytest.approx([19 / 30, 8 / 30, 3 / 30])
    figure = answer.plot()
    assert [(bar.name, list(bar.x)) for bar in figure.data] == [("train", [13, 5, 2]), ("test", [6, 3, 1])]


def test_nothing_to_mend_in_a_table_of_features():
    X = np.random.default_rng(0).normal(size=(3000, 4))
    answer = profile((X, np.repeat(["a", "b"], 1500)), random_state=3)
    assert (answer.modality, answer.n_features, answer.sizes, answer.modes) == ("features", 4, {}, {})
    assert (answer.scale, answer.imbalance_ratio, answer.effective_classes) == ("large", 1.0, 2.0)
    assert answer.warnings == ()
    assert answer.headline().startswith("3,000 rows of 2 classes (2,400 train + 600 test), a large target")
    assert answer.headline().endswith("nothing to mend")


def test_a_target_is_taken_as_it_is(table):
    target = load_target(table)
    assert profile(target).to_dict() == profile(table).to_dict() | {"name": target.name}


def test_the_dictionary_is_json_and_stays_small():
    many = tuple((f"a{i}", f"b{i}", "test") for i in range(100_000))
    answer = Profile(
        name="", modality="features", classes=("a", "b"), counts={"train": (9, 9), "val": (0, 0), "test": (9, 9)},
        n_rows=36, n_left_out=0, imbalance_ratio=1.0, effective_classes=2.0, scale="small", median_class=9.0,
        too_small=(), copies=0, twins=many, leakage=many, contradictions=(), unreadable={a: b for a, b, _ in many},
        sizes={}, modes={}, formats={}, n_features=1, notes=(),
    )  # fmt: skip
    result = answer.to_dict()
    assert len(json.dumps(result, allow_nan=False)) < 20_000
    assert result["cut"] == dict.fromkeys(("twins", "leakage", "unreadable"), 99_900)
    assert result["leakage"][0] == ["a0", "b0", "test"]
    assert json.loads(json.dumps(answer.to_dict())) == result


def test_effective_number_of_classes():
    from scipy.stats import entropy

    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = rng.integers(0, 50, rng.integers(1, 12))
        counts[0] += 1
        assert effective_number(counts) == pytest.approx(np.exp(entropy(counts)))
    assert effective_number(np.zeros(3, int)) == 0


def test_real_photographs(shared):
    answer = profile(shared / "data/clothing")
    assert sum(sum(counts) for counts in answer.counts.values()) == 3779
    assert answer.n_left_out == 2
    ((one, two),) = answer.contradictions
    assert {one[1], two[1]} == {"shorts", "skirt"}
    assert answer.n_rows == 3781
    assert len(answer.twins) == 1
    assert answer.sizes["width"][0] >= 240
    assert answer.formats == {"JPEG": 3781}
    assert answer.scale == "medium"

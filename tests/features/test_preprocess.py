import dataclasses

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform
from torchvision.transforms import Compose

from headstart.features.preprocess import prepare, shorter_side
from headstart.sources import Preprocessing, get


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2", "timm:resnet18", "timm:vit_small_patch16_224"])
@pytest.mark.parametrize("size", [(240, 320), (427, 240), (333, 333), (100, 90), (1000, 37)])
def test_crop_is_timms_evaluation_transform_to_the_byte(name, size):
    p = get(name, pretrained=False).preprocessing
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    transform = create_transform((3, *p.size), interpolation=p.interpolation, crop_pct=p.crop_pct, crop_mode="center")
    reference = np.asarray(Compose(transform.transforms[:2])(picture))
    assert np.array_equal(prepare(picture, p), reference)


def test_squash_and_pad():
    p = Preprocessing((8, 8), mean=(1.0, 0.0, 0.0), fit="squash")
    picture = Image.new("RGB", (16, 4), (0, 0, 255))
    assert (prepare(picture, p) == (0, 0, 255)).all()
    padded = prepare(picture, dataclasses.replace(p, fit="pad"))
    assert (padded[3:5] == (0, 0, 255)).all()
    assert (padded[:3] == (255, 0, 0)).all() and (padded[5:] == (255, 0, 0)).all()
    assert prepare(Image.new("RGB", (500, 1)), dataclasses.replace(p, fit="pad")).shape == (8, 8, 3)


def test_shorter_side():
    p = Preprocessing((224, 224), crop_pct=0.875)
    assert shorter_side(p) == 256
    assert shorter_side(dataclasses.replace(p, fit="squash")) == 224

"""Features against a plain PyTorch forward of the same preprocessed picture, on both backends."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

import headstart
from headstart.features.activations import compute, pass_key
from headstart.features.backends import Choice
from headstart.results import DataError, HeadstartError
from headstart.sources import Preprocessing, from_module, get


def plain_forward(source, pictures):
    """Forward hooks on the network itself, one picture at a time, with timm's own transform."""
    p = source.preprocessing
    transform = create_transform(
        (3, *p.size), interpolation=p.interpolation, mean=p.mean, std=p.std, crop_pct=p.crop_pct, crop_mode="center"
    )
    network = source.network()
    found = []
    for picture in pictures:
        inputs = {}
        modules = dict(network.named_modules())
        hooks = [
            modules[name].register_forward_pre_hook(lambda m, a, name=name, to=inputs: to.setdefault(name, a[0]))
            for name in modules
            if name
        ]
        with torch.inference_mode():
            x = transform(picture)[None]
            inputs["last"] = network.forward_head(network.forward_features(x), pre_logits=True)
        for hook in hooks:
            hook.remove()
        found.append(inputs)
    return found


@pytest.mark.parametrize("backend", ["openvino", "torch"])
@pytest.mark.parametrize(
    ("name", "pretrained", "n_taps"),
    [("lite0", True, 9), ("timm:resnet18", False, 5), ("timm:vit_small_patch16_224", False, 14)],
)
def test_every_tap_equals_a_plain_forward(shared, name, pretrained, n_taps, backend):
    files = sorted((shared / "data/clothing/train/hat").glob("*.jpg"))[:5]
    source = get(name, pretrained=pretrained)
    target_pictures = headstart.data.PictureSet([str(file) for file in files])
    found = compute(target_pictures, source, backend=backend)
    assert len(found) == n_taps and list(found)[-1] == "last"
    for row, inputs in enumerate(plain_forward(source, [Image.open(file) for file in files])):
        for tap, vectors in found.items():
            expected = inputs[tap]
            if expected.ndim == 4:
                expected = expected.mean((2, 3))
            elif expected.ndim == 3:
                expected = expected[:, 1:].mean(1)  # without the class token
            expected = expected[0].numpy()
            assert vectors.dtype == np.float32
            assert np.abs(vectors[row] - expected).max() <= 1e-4 * np.abs(expected).max(), (tap, row)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_rows_do_not_depend_on_their_batch(photos, backend, cache_dir, monkeypatch):
    files = sorted(str(file) for file in photos.rglob("*.png"))[:19]
    pictures, source = headstart.data.PictureSet(files), get("lite0")
    together = compute(pictures, source, backend=backend)["last"]
    monkeypatch.setenv("HEADSTART_CACHE", str(cache_dir / "other"))
    backwards = compute(pictures.subset(range(len(files))[::-1]), source, backend=backend)["last"][::-1]
    if backend == "openvino":
        assert np.array_equal(together, backwards)
    assert np.allclose(together, backwards, atol=1e-5)


def test_extract_in_the_order_of_ids_and_only_once(photos, tmp_path):
    import shutil

    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "disc" / "broken.jpg").write_bytes(b"no picture")
    target = headstart.load_target(folder)
    found = headstart.extract(target, "lite0", taps=["blocks.3", "last"])
    assert list(found) == ["blocks.3", "last"]
    assert list(found.ids) == list(target.ids) and found["last"].shape == (len(target.ids), 1280)
    assert np.isnan(found["last"][list(target.ids).index("disc/broken.jpg")]).all()
    assert np.isfinite(found["last"]).all(axis=1).sum() == len(target.ids) - 1
    alone = compute(headstart.data.PictureSet([str(folder / target.ids[7])]), get("lite0"))
    assert alone.n_passed == 0 and np.array_equal(alone["last"][0], found["last"][7])
    again = headstart.extract(target, "lite0")
    assert again.n_passed == 0 and len(again) == 9


def test_a_changed_preprocessing_or_engine_is_another_pass():
    source, choice = get("lite0"), Choice("openvino", "cpu", "")
    squashed = dataclasses.replace(source, preprocessing=dataclasses.replace(source.preprocessing, fit="squash"))
    keys = [pass_key(source, choice), pass_key(squashed, choice), pass_key(source, Choice("torch", "cpu", ""))]
    keys += [pass_key(get("lite1"), choice)]
    assert all(a != b for k, a in enumerate(keys) for b in keys[:k])
    assert keys[0] == pass_key(get("lite0"), Choice("openvino", "cpu", "another reason", {"openvino": 3.0}))


def test_any_module_with_named_children(photos):
    torch.manual_seed(0)
    module = torch.nn.Sequential()
    module.add_module("part0", torch.nn.Conv2d(3, 4, 3, stride=2))
    module.add_module("part1", torch.nn.Conv2d(4, 8, 3, stride=2))
    module.add_module("pool", torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    module.add_module("out", torch.nn.Linear(8, 2))
    source = from_module(module, Preprocessing((32, 32)), name="mine")
    pictures = headstart.data.PictureSet([str(file) for file in sorted(photos.rglob("*.png"))[:3]])
    for backend in ("openvino", "torch"):
        found = compute(pictures, source, backend=backend)
        assert {tap: vectors.shape for tap, vectors in found.items()} == {"part1": (3, 4), "last": (3, 8)}


def test_clear_errors(photos):
    with pytest.raises(HeadstartError, match=r"no tap 'blocks\.99'"):
        headstart.extract(photos, "lite0", taps=["blocks.99"])
    with pytest.raises(HeadstartError, match="backend 'tpu'"):
        headstart.extract(photos, "lite0", backend="tpu")
    with pytest.raises(HeadstartError, match="device 'cuda:77'"):
        headstart.extract(photos, "lite0", device="cuda:77")
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no pictures"):
        headstart.extract((rng.normal(size=(20, 3)), [0, 1] * 10), "lite0")

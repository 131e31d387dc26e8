import numpy as np
import pytest
import torch
from PIL import Image

from headstart.data.pictures import PictureSet
from headstart.features.backends import Choice
from headstart.features.cut import CutActivations
from headstart.features.mapped import mapped
from headstart.features.views import View
from headstart.results import SourceError
from headstart.sources import get


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return PictureSet([rng.integers(0, 256, (70 + 9 * k, 90, 3), dtype=np.uint8) for k in range(7)])


@pytest.fixture(scope="module")
def source():
    return get("timm:resnet18", pretrained=False)


def entering(source, stage, batch):
    """What enters a stage, by a plain forward of normalized pictures and a hook."""
    network, p = source.network(), source.preprocessing
    x = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(p.mean).view(1, 3, 1, 1)) / torch.tensor(p.std).view(1, 3, 1, 1)
    kept = []
    network.get_submodule(stage).register_forward_pre_hook(lambda module, arguments: kept.append(arguments[0]))
    with torch.no_grad():
        network(x)
    return kept[0].numpy()


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-5), (True, 1e-3)])
def test_activations_are_those_of_a_plain_forward(pictures, source, backend, half, tolerance):
    store = CutActivations(pictures, source, "layer3", Choice(backend, "cpu", ""), half=half, seed=5)
    rows = np.array([6, 1, 3])
    for number in (0, 2):
        store.ensure(number, rows)
    found = store.gather(np.array([1, 6, 3]), np.array([2, 0, 2]))
    view = View(2, seed=5)
    drawn = [
        v.draw(Image.fromarray(pictures.raw(row)), source.preprocessing, pictures.digests[row])
        for v, row in ((view, 1), (View(), 6), (view, 3))
    ]
    expected = entering(source, "layer3", drawn)
    assert found.dtype == (np.float16 if half else np.float32) and found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_what_is_there_is_not_computed_again_whatever_its_order(pictures, source):
    choice = Choice("torch", "cpu", "")
    first = CutActivations(pictures, source, "layer4", choice)
    first.ensure(1, np.arange(5))
    assert first.n_passed == 5
    again = CutActivations(pictures.subset([4, 0, 6]), source, "layer4", choice)
    again.ensure(1, np.arange(3))
    assert again.n_passed == 1
    assert np.array_equal(again.gather(np.array([0]), np.array([1])), first.gather(np.array([4]), np.array([1])))
    again.ensure(0, np.arange(3))
    assert again.n_passed == 4, "another view is another pass"


def test_a_cut_at_the_input_keeps_the_prepared_pictures(pictures, source):
    store = CutActivations(pictures, source, None, Choice("torch", "cpu", ""))
    store.ensure(3, np.arange(2))
    drawn = View(3).draw(Image.fromarray(pictures.raw(1)), source.preprocessing, pictures.digests[1])
    assert np.array_equal(store.gather(np.array([1]), np.array([3]))[0], drawn)


def test_a_stage_that_is_not_there_is_refused(pictures, source):
    store = CutActivations(pictures, source, "layer9", Choice("torch", "cpu", ""))
    with pytest.raises(SourceError, match=r"'layer9': layer1, layer2, layer3, layer4"):
        store.ensure(0, np.arange(2))


def test_mapped_reads_what_safetensors_wrote(tmp_path):
    from safetensors.numpy import save_file

    arrays = {"a": np.arange(12, dtype=np.float16).reshape(3, 2, 2), "b": np.arange(5, dtype=np.uint8)}
    save_file(arrays, tmp_path / "x.safetensors")
    for name, array in arrays.items():
        assert np.array_equal(mapped(tmp_path / "x.safetensors", name), array)
    with pytest.raises(KeyError):
        mapped(tmp_path / "x.safetensors", "c")

import pytest
import timm
import torch
from safetensors.torch import save_file

from headstart.results import SourceError
from headstart.sources import Preprocessing, find_stages, from_module, get, shelf
from headstart.sources.hub import CURATED


def test_packaged_sources_are_on_disk_and_are_what_their_cards_say():
    for source in shelf()[:3]:
        network = source.network()
        assert source.on_disk and not network.training
        assert sum(p.numel() for p in network.parameters()) == source.card.n_parameters
        configuration = timm.get_pretrained_cfg(source.card.architecture)
        assert configuration.input_size[1:] == source.preprocessing.size
        assert configuration.crop_pct == source.preprocessing.crop_pct
        assert configuration.mean == source.preprocessing.mean and configuration.std == source.preprocessing.std
        assert configuration.interpolation == source.preprocessing.interpolation


def test_random_weights_follow_the_seed():
    first, again, other = (get("timm:resnet10t", pretrained=False, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.card.trained_on == "nothing"


def test_imagenet_knows_a_real_picture(shared):
    """The weights are in the right places: a network with one tensor misplaced would not know a Gordon setter."""
    from PIL import Image

    from headstart.features.preprocess import prepare

    files = sorted((shared / "data/imagenet_samples").glob("*.JPEG"))
    chosen = files[::100]
    order = sorted(name.stem.partition("_")[0] for name in files)
    for name in ("lite0", f"mobilenetv2_100@{shared / 'sources/mobilenet_v2-b0353104.pth'}"):
        source = get(name)
        network, p = source.network(), source.preprocessing
        right = 0
        for file in chosen:
            x = torch.tensor(prepare(Image.open(file).convert("RGB"), p)).permute(2, 0, 1).float() / 255
            x = (x - torch.tensor(p.mean)[:, None, None]) / torch.tensor(p.std)[:, None, None]
            with torch.inference_mode():
                right += network(x[None]).topk(5).indices[0].tolist().count(order.index(file.stem.partition("_")[0]))
        assert right >= 7, name


def test_a_checkpoint_brings_its_own_number_of_classes(tmp_path):
    network = timm.create_model("resnet10t", num_classes=5)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    source = get(tmp_path / "w.pth", architecture="resnet10t")
    assert source.card.n_classes == 5
    assert torch.equal(source.network().state_dict()["fc.bias"], network.state_dict()["fc.bias"])
    save_file(network.state_dict(), tmp_path / "w.safetensors")  # sorted by name: the last tensor is of another layer
    assert get(f"resnet10t@{tmp_path / 'w.safetensors'}").card.n_classes == 5
    with pytest.raises(SourceError, match=r"does not fit 'resnet18'.*conv1\.weight"):
        get(f"resnet18@{tmp_path / 'w.pth'}")
    with pytest.raises(SourceError, match="architecture="):
        get(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["nope", "timm:resnet18x", "timm:", "resnet18@/nowhere.pth"])
def test_unknown_sources_are_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        get(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", ["conv1", "layer1", "layer2", "layer3", "layer4"]),
        ("convnext_atto", ["stem", *(f"stages.{k}" for k in range(4))]),
        ("vit_tiny_patch16_224", ["patch_embed", *(f"blocks.{k}" for k in range(12)), "norm"]),
        ("tf_efficientnet_lite0", ["conv_stem", *(f"blocks.{k}" for k in range(7)), "conv_head"]),
    ],
)
def test_stages(name, stages):
    assert list(find_stages(timm.create_model(name))) == stages


def test_any_module_with_named_children():
    module = torch.nn.Sequential()
    for k, width in enumerate((4, 8)):
        module.add_module(f"part{k}", torch.nn.Conv2d(3 if k == 0 else 4, width, 3, padding=1))
    module.add_module("pool", torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    module.add_module("out", torch.nn.Linear(8, 2))
    source = from_module(module, Preprocessing((16, 16)), name="mine")
    assert "part1" in find_stages(source.network())
    with torch.no_grad():
        module.out.bias.zero_()
    assert source.network().state_dict().keys() == module.state_dict().keys()


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A cache of the hub, laid out as the hub's client lays it out, with a small network of the list and another."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("resnet10t.c3_in1k", "mobilenetv4_conv_small.e2400_r224_in1k"):
        folder = tmp_path / f"models--timm--{name}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc")
        (folder / "snapshots" / "abc").mkdir(parents=True)
        torch.manual_seed(3)
        save_file(timm.create_model(name).state_dict(), folder / "snapshots" / "abc" / "model.safetensors")
    empty = tmp_path / "models--timm--resnet18.a1_in1k" / "snapshots" / "abc"
    empty.mkdir(parents=True)
    (empty / "config.json").write_text("{}")
    return tmp_path


def test_what_the_hub_has_cached_stands_on_the_shelf_the_list_first(hub_cache):
    listed, other = shelf()[3:]
    assert listed.name == "timm:mobilenetv4_conv_small.e2400_r224_in1k" and other.name == "timm:resnet10t.c3_in1k"
    assert listed.on_disk and listed.card.licence == "apache-2.0" and listed.card.n_parameters == 3_770_000
    torch.manual_seed(3)
    expected = timm.create_model("resnet10t.c3_in1k").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in other.network().state_dict().items())


def test_the_list_names_networks_that_timm_has_weights_of_and_says_their_size_and_licence():
    for name, listed in CURATED.items():
        configuration = timm.get_pretrained_cfg(name)
        assert configuration.license == listed.licence and configuration.hf_hub_id
        with torch.device("meta"):
            network = timm.create_model(name)
        assert sum(p.numel() for p in network.parameters()) == pytest.approx(listed.n_parameters, rel=0.01)
    assert list(CURATED.values()) == sorted(CURATED.values(), key=lambda one: one.gmacs)

"""Similarity to the source against numerical integration, brute force in NumPy, and real photos."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

from headstart.data import PictureSet
from headstart.features.overlap import overlap
from headstart.finetuning.similarity import source_similarity, statistics
from headstart.sources import Preprocessing, from_module, get

SIZE = 16


class Volume(nn.Module):
    """A stage with a 3-d batch normalization."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv3d(4, 4, 1)
        self.norm = nn.BatchNorm3d(4)

    def forward(self, x):
        return torch.relu(self.norm(self.mix(x[:, :, None]))[:, :, 0])


class Small(nn.Module):
    """Two stages with batch normalizations of every dimension, the last of which runs twice."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4))
        self.volume = Volume()
        self.line = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.volume(self.stem(x)).flatten(2)
        return self.head(self.line(self.line(x)).mean(2))


def _source(network):
    half = (0.5, 0.5, 0.5)
    return from_module(network, Preprocessing((SIZE, SIZE), half, half, crop_pct=1.0), name="small")


def _pictures(n=40, seed=0, size=SIZE):
    rng = np.random.default_rng(seed)
    return PictureSet([rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(n)])


def _trained(network, pictures):
    """Give the network the statistics of ``pictures``."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    x = torch.from_numpy(np.stack([np.asarray(pictures.open(k)) for k in range(len(pictures))]))
    network.train()(x.permute(0, 3, 1, 2) / 127.5 - 1)
    return network.eval()


@pytest.mark.parametrize(("m", "s", "n", "t"), [(0, 1, 0, 1), (0, 1, 2, 0.5), (-3, 2, 1, 4), (0, 1, 0, 0.1)])
def test_overlap_is_the_integral_that_it_is_said_to_be(m, s, n, t):
    expected, _ = quad(lambda x: np.sqrt(norm.pdf(x, m, s) * norm.pdf(x, n, t)), -40, 40, points=[m, n], limit=400)
    found = overlap(*np.array([[m], [s**2], [n], [t**2]], dtype=float))[0]
    assert found == pytest.approx(expected, abs=1e-7)
    assert overlap(*np.array([[n], [t**2], [m], [s**2]], dtype=float))[0] == pytest.approx(found)
    scaled = overlap(*np.array([[9 * m], [81 * s**2], [9 * n], [81 * t**2]], dtype=float))[0]
    assert scaled == pytest.approx(found)


def test_statistics_equal_those_of_every_activation_taken_together():
    torch.manual_seed(0)
    network = _trained(Small(), _pictures(seed=1))
    pictures = _pictures(37)  # the last batch is not a whole one
    found, taps = statistics(pictures, _source(network))
    with torch.no_grad():
        x = torch.from_numpy(np.stack([np.asarray(pictures.open(k)) for k in range(37)])).permute(0, 3, 1, 2)
        first = network.stem[0](x / 127.5 - 1)
        second = network.stem[1](first)
        third = network.volume(second).flatten(2)
        inputs = {
            "stem.1": first.flatten(2),
            "volume.norm": network.volume.mix(second[:, :, None]).flatten(2),
            "line": torch.cat([third, network.line(third)]),
        }
    assert [layer.layer for layer in found] == list(inputs) and taps == ("volume", "last")
    assert [layer.tap for layer in found] == ["volume", "last", "last"]
    for layer in found:
        values = inputs[layer.layer].numpy().astype(np.float64).transpose(1, 0, 2).reshape(4, -1)
        assert np.allclose(layer.mean, values.mean(axis=1), atol=1e-6)
        assert np.allclose(layer.variance, values.var(axis=1), atol=1e-6)
        own = dict(network.named_modules())[layer.layer]
        shift = np.abs(values.mean(axis=1) - own.running_mean.numpy()) / np.sqrt(own.running_var.numpy() + own.eps)
        assert np.allclose(layer.shift(), shift, atol=1e-5)
    similarity = source_similarity(pictures, _source(network))
    assert similarity.by_tap["last"] == pytest.approx(np.mean([found[1].overlap(), found[2].overlap()]))
    assert similarity.overall == pytest.approx(np.mean(list(similarity.by_tap.values())))
    assert (similarity.n, similarity.n_layers) == (37, 3)


def test_the_pictures_that_made_the_statistics_are_the_nearest():
    torch.manual_seed(0)
    pictures = _pictures()
    source = _source(_trained(Small(), pictures))
    near = source_similarity(pictures, source)
    dark = PictureSet([np.asarray(pictures.open(k)) // 3 for k in range(40)])
    far = source_similarity(dark, source)
    # The layer that ran twice keeps what it saw in batch mode, so only the stem is the same to the last digit.
    assert near.by_tap["volume"] == pytest.approx(1, abs=1e-3)
    assert all(far.by_tap[tap] < near.by_tap[tap] for tap in near.by_tap)


def test_without_statistics_there_is_no_similarity_but_a_reason():
    grouped = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    found = source_similarity(_pictures(4), _source(grouped))
    assert found.overall is None and not found.by_tap and "no batch normalization" in found.reason
    found = source_similarity(_pictures(4), _source(Small()))
    assert found.overall is None and "never trained" in found.reason
    lost = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(784, 2)
    )
    assert source_similarity(_pictures(4), _source(lost)).overall is None


def test_a_frozen_normalization_tells_too():
    from torchvision.ops import FrozenBatchNorm2d

    torch.manual_seed(0)
    network = _trained(Small(), _pictures(seed=1))
    before = source_similarity(_pictures(8), _source(network))
    frozen = FrozenBatchNorm2d(4)
    frozen.load_state_dict({k: v for k, v in network.stem[1].state_dict().items() if "num" not in k})
    network.stem[1] = frozen
    assert source_similarity(_pictures(8), _source(network)).by_tap == pytest.approx(before.by_tap)


@pytest.fixture(scope="module")
def lite0_near(shared):
    files = sorted((shared / "data" / "imagenet_samples").glob("*.JPEG"))
    return source_similarity(PictureSet(files[::50]), get("lite0"))


def test_the_source_own_photos_are_the_nearest_at_every_depth(shared, lite0_near):
    assert min(lite0_near.by_tap.values()) > 0.97
    emoji = sorted((shared / "data" / "emoji" / "twitter").rglob("*.png"))[::90]
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(16)]
    for other in (emoji, noise):
        far = source_similarity(PictureSet(other), get("lite0"))
        assert all(far.by_tap[tap] < lite0_near.by_tap[tap] - 0.02 for tap in far.by_tap)


def test_a_change_of_colour_is_seen_where_colour_is_looked_at(shared, lite0_near):
    files = sorted((shared / "data" / "imagenet_samples").glob("*.JPEG"))[::50]
    grey = PictureSet([np.asarray(Image.open(file).convert("L").convert("RGB")) for file in files])
    loss = {tap: lite0_near.by_tap[tap] - near for tap, near in source_similarity(grey, get("lite0")).by_tap.items()}
    assert loss["blocks.0"] > 0.05 > 0.02 > loss["last"]

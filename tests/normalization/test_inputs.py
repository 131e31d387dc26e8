"""Whether pictures that come in on another scale than the source's are found, with the right one named."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from headstart.normalization.inputs import examine_preprocessing, scale_overlaps
from headstart.sources import Preprocessing, get

IMAGENET = Preprocessing((24, 24))
HALF = Preprocessing((24, 24), (0.5,) * 3, (0.5,) * 3)
UNIT = Preprocessing((24, 24), (0.0,) * 3, (1.0,) * 3)
BYTES = Preprocessing((24, 24), (0.0,) * 3, (1 / 255,) * 3)


def pictures(seed, grey=False):
    """Coloured blots of several sizes, as bytes."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 1, (40, 4, 4, 1 if grey else 3)).repeat(6, 1).repeat(6, 2)
    values = np.clip(coarse + rng.normal(0, 0.08, (40, 24, 24, 1)), 0, 1)
    return (255 * values).astype(np.uint8).repeat(3 if grey else 1, 3)


def trained(preprocessing, grey=False):
    """A network whose statistics are those of such pictures on that scale."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 24, 3), nn.BatchNorm2d(24, momentum=None), nn.ReLU(), nn.Conv2d(24, 2, 3))
    with torch.no_grad():  # half of the filters look at colour alone, as some do in every network of photos
        network[0].weight[::2] -= network[0].weight[::2].mean(1, keepdim=True)
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (preprocessing.mean, preprocessing.std))
    network.train()((torch.from_numpy(pictures(1, grey)).permute(0, 3, 1, 2) / 255 - mean) / std)
    return network.eval()


@pytest.mark.parametrize("truth", [IMAGENET, HALF, UNIT, BYTES])
def test_the_scale_that_the_statistics_were_learned_on_passes(truth):
    overlaps = scale_overlaps(trained(truth), pictures(2), truth)
    assert overlaps[""] > 0.98 and overlaps[""] == max(overlaps.values())
    assert not list(examine_preprocessing(trained(truth), pictures(2), truth))


@pytest.mark.parametrize(
    ("truth", "stated", "name"),
    [
        (BYTES, IMAGENET, "values 0 to 255"),
        (BYTES, UNIT, "values 0 to 255"),
        (UNIT, BYTES, "values 0 to 1"),
        (UNIT, IMAGENET, "values 0 to 1"),
        (HALF, UNIT, "values -1 to 1"),
        (IMAGENET, BYTES, "ImageNet's mean and standard deviation"),
    ],
)
def test_another_scale_is_found_and_the_right_one_named(truth, stated, name):
    network = trained(truth)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    (found,) = examine_preprocessing(network, pictures(2), stated)
    assert found.layer == "input" and found.severity in ("error", "warning") and f"with {name} " in found.message
    assert name in found.mend and all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network.training


def test_a_source_of_grey_pictures_is_found():
    (found,) = examine_preprocessing(trained(IMAGENET, grey=True), pictures(2), IMAGENET)
    assert "grey pictures" in found.message
    assert not list(examine_preprocessing(trained(IMAGENET, grey=True), pictures(3, grey=True), IMAGENET))


def test_a_network_that_carries_no_statistics_says_nothing():
    fresh = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    bare = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))
    for network in (fresh, bare):
        assert scale_overlaps(network.eval(), pictures(2), UNIT) == {}
        assert not list(examine_preprocessing(network, pictures(2), UNIT))


def test_lite0_on_bytes_is_an_error_and_as_it_is_none():
    source = get("lite0")
    network, small = source.network(), pictures(2)[:8].repeat(2, 1).repeat(2, 2)
    wrong = dataclasses.replace(source.preprocessing, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    (found,) = examine_preprocessing(network, small, wrong)
    assert found.severity == "error" and "values -1 to 1" in found.message
    assert not list(examine_preprocessing(network, small, source.preprocessing))

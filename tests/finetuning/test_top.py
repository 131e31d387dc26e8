import numpy as np
import pytest
import torch
from torch import nn

from headstart.finetuning.top import Top, classifier_of, splits, with_head
from headstart.results import SourceError
from headstart.sources import Preprocessing, from_module, get


@pytest.mark.parametrize(
    "name", ["timm:resnet18", "timm:vit_tiny_patch16_224", "timm:convnext_atto", "timm:mobilenetv3_small_050", "lite0"]
)
def test_every_tap_of_these_networks_is_a_place_to_cut(name):
    from headstart.features.taps import TappedNetwork

    source = get(name, pretrained=False)
    assert splits(source) == TappedNetwork(source).taps[:-1]


class Skips(nn.Module):
    """A network whose third part also sees what entered the second: there is no cutting between them."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, stride=4), nn.Conv2d(4, 4, 3, padding=1)
        self.three, self.pool = nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1)
        self.flat, self.out = nn.Flatten(), nn.Linear(6, 5)

    def forward(self, x):
        x = self.one(x)
        return self.out(self.flat(self.pool(self.three(self.two(x) + x))))


def test_a_cut_that_would_change_the_function_is_not_offered():
    source = from_module(Skips(), Preprocessing((32, 32)), name="skips")
    assert splits(source) == ("three",)


def test_the_new_head_is_the_linear_probe():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(4, 512)), rng.normal(size=4)
    source = get("timm:resnet18", pretrained=False)
    network = with_head(source.network(), weight, bias).eval()
    pictures = torch.from_numpy(rng.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8))
    with torch.no_grad():
        logits = Top(network, None, source.preprocessing)(pictures).numpy()
        x = (pictures.permute(0, 3, 1, 2) / 255 - torch.tensor(source.preprocessing.mean).view(1, 3, 1, 1)) / (
            torch.tensor(source.preprocessing.std).view(1, 3, 1, 1)
        )
        last = network.forward_head(network.forward_features(x), pre_logits=True).numpy()
    assert np.allclose(logits, last @ weight.T + bias, rtol=1e-4, atol=1e-4)
    assert classifier_of(network).out_features == 4
    plain = with_head(Skips(), rng.normal(size=(3, 6)), np.zeros(3))
    assert plain(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_a_head_that_does_not_fit_is_refused():
    with pytest.raises(SourceError, match=r"takes 512 features, not 9: keep it frozen"):
        with_head(get("timm:resnet18", pretrained=False).network(), np.zeros((2, 9)), np.zeros(2))
    with pytest.raises(SourceError, match="is not one linear layer"):
        classifier_of(nn.Sequential(nn.Conv2d(3, 4, 3)))

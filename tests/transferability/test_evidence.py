"""What is said of a source: against the pieces it is made of, on a packaged source with its own head."""

import numpy as np
import pytest

from headstart.data.pictures import PictureSet
from headstart.features.activations import compute
from headstart.features.backends import Choice
from headstart.sources import get
from headstart.sources.sketches import stored_sketches
from headstart.transferability import leep, logme, nce
from headstart.transferability.evidence import OF_FEATURES, classifier_rows, distances, scores


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 60, (18, 60, 60, 3)) + 60 * (np.arange(18) % 3)[:, None, None, None]
    return PictureSet(list(shades.astype(np.uint8)))


Y = np.arange(18) % 3


def test_the_source_says_what_its_own_network_says(pictures):
    import torch

    from headstart.features.preprocess import prepare

    source = get("lite0")
    last = compute(pictures, source, choice=Choice("torch", "cpu", ""))["last"]
    found = scores(last, Y, classifier_rows(source))
    assert set(found) == {*OF_FEATURES, "leep", "nce"} and found["logme"] == logme(last, Y)
    p = source.preprocessing
    x = np.stack([prepare(pictures.open(row), p) for row in range(18)]).astype(np.float32) / 255
    x = (x - np.array(p.mean, np.float32)) / np.array(p.std, np.float32)
    with torch.inference_mode():
        said = source.network()(torch.from_numpy(x.transpose(0, 3, 1, 2))).softmax(1).double().numpy()
    assert found["leep"] == pytest.approx(leep(said / said.sum(axis=1, keepdims=True), Y), abs=1e-4)
    assert found["nce"] == pytest.approx(nce(said.argmax(axis=1), Y))
    far = distances(last, Y, stored_sketches(source)["last"], classifier_rows(source))
    assert set(far) == {"cosine", "euclidean", "relative", "frechet", "mmd", "classes"}
    assert 0 < far["cosine"] < 1 and 0 < far["classes"] < 2 and far["relative"] > 0.5, (
        "flat shades are far from ImageNet"
    )


def test_random_weights_say_nothing_and_have_no_data_of_their_own(pictures):
    source = get("lite0", pretrained=False)
    assert classifier_rows(source) is None
    last = np.random.default_rng(0).normal(size=(18, 1280))
    assert set(scores(last, Y)) == set(OF_FEATURES) and distances(last, Y) == {}

"""Statistics of a source's own data: shipped, found again, and only for the weights that they were made with."""

import dataclasses

import numpy as np
import pytest

from headstart.metrics import sketch
from headstart.sources import get
from headstart.sources.sketches import stored_sketches, write_sketches


def test_what_was_written_is_read_again(tmp_path):
    rng = np.random.default_rng(0)
    source = get("lite0", pretrained=False, seed=3)
    activations = {"early": rng.normal(size=(50, 4)) + 1, "last": rng.normal(size=(50, 9)) * np.arange(1, 10)}
    write_sketches(source, activations, "noise", tmp_path)
    found = stored_sketches(source, tmp_path)
    assert list(found) == ["early", "last"] and found["last"].n == 50
    for tap, X in activations.items():
        expected = sketch(X)
        assert np.allclose(found[tap].mean, expected.mean, atol=1e-6)
        assert found[tap].variance == pytest.approx(expected.variance, rel=1e-6)
    assert np.allclose(found["last"].factor, sketch(activations["last"]).factor, atol=0.01)
    assert np.allclose((found["early"].factor ** 2).sum(axis=0), activations["early"].var(axis=0), rtol=1e-5)
    assert stored_sketches(dataclasses.replace(source, seed=4), tmp_path) == {}, "other weights"


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_packaged_sources_come_with_statistics_of_imagenet(name):
    found = stored_sketches(get(name))
    assert "last" in found and len(found) > 5 and found["last"].n == 1000
    assert found["last"].mean.shape == (1280,) and found["last"].mean.min() >= 0, "after a ReLU6 nothing is negative"
    assert 0.6 < found["last"].kept < 1
    assert stored_sketches(get(name, pretrained=False)) == {}
    smaller = dataclasses.replace(get(name).preprocessing, size=(128, 128))
    assert stored_sketches(dataclasses.replace(get(name), preprocessing=smaller)) == {}

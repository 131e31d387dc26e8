"""Whether a source knows anything, on real photos."""

import numpy as np
import pytest

from headstart.data import load_target
from headstart.data.splits import stratified_group_folds
from headstart.features.activations import choose_engine
from headstart.pipeline.candidates import Bench
from headstart.pipeline.knowledge import knowledge
from headstart.sources import get


@pytest.fixture(scope="module")
def clothes(shared):
    """Two hundred photos of clothes, and the folds they are judged on."""
    target = load_target(shared / "data" / "clothing")
    rows = np.random.default_rng(0).permutation(target.rows("train"))[:200]
    y = target.y[rows]
    folds = stratified_group_folds(y, np.arange(200), n_folds=5, random_state=0)
    return target.pictures.subset(rows), Bench(y, np.arange(200), folds, len(target.classes), 0)


def gain(clothes, *sources):
    choice = choose_engine(clothes[0], sources[0])
    return knowledge(sources, *clothes, choice, cache_size=2**30, quiet=True)


def test_imagenet_knows_of_clothes_and_random_weights_do_not(clothes):
    blank = get("lite0", pretrained=False)
    assert gain(clothes, get("lite0")).low > 0.1
    nothing = gain(clothes, blank)
    assert nothing.low <= 0 and abs(nothing.value) < 0.1
    assert gain(clothes, blank, get("lite0")).low > 0.1, "one source that knows is enough"

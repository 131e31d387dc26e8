"""The control of a source: its weights in random order."""

import torch

from headstart.sources import get
from headstart.sources.shuffled import shuffled


def test_each_weight_tensor_keeps_its_numbers_in_another_order_and_all_else_stays():
    source = get("lite0")
    control = shuffled(source, seed=1)
    before, after = (dict(one.network().state_dict()) for one in (source, control))
    moved = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    assert moved == [name for name, tensor in source.network().named_parameters() if tensor.ndim > 1]
    assert all(torch.equal(before[name].flatten().sort()[0], after[name].flatten().sort()[0]) for name in moved)


def test_it_is_a_source_of_its_own_and_the_same_for_the_same_seed():
    source = get("lite0", pretrained=False, seed=3)
    one, again, other = (shuffled(source, seed=seed).fingerprint for seed in (1, 1, 2))
    assert one == again and len({source.fingerprint, one, other}) == 3
    assert shuffled(source).card.trained_on == "nothing"

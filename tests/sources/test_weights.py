import pickle

import pytest
import torch
from safetensors.torch import save_file

from headstart.results import SourceError
from headstart.sources.source import create
from headstart.sources.weights import load_into, read_state_dict

NET = "resnet10t"


@pytest.fixture(scope="module")
def network():
    return create(NET, n_classes=7, seed=3)


class Evil:
    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('executed').touch()",))


def test_a_pickle_is_refused_and_never_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"weight": Evil()}))
    torch.save({"weight": torch.zeros(2), "extra": Evil()}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(SourceError, match="refused") as caught:
            read_state_dict(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"state_dict": d}, lambda d: {"module." + k: d[k] for k in d}])
def test_reads_what_people_save(tmp_path, network, wrap):
    torch.save(wrap(network.state_dict()), tmp_path / "w.pth")
    other = create(NET, n_classes=7, seed=4)
    assert not torch.equal(other.state_dict()["conv1.0.weight"], network.state_dict()["conv1.0.weight"])
    load_into(other, read_state_dict(tmp_path / "w.pth"), origin="w.pth")
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in other.state_dict().items())


def test_safetensors_and_damage(tmp_path, network):
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    assert read_state_dict(path).keys() == network.state_dict().keys()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match="damaged"):
        read_state_dict(path)
    (tmp_path / "w.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(SourceError):
        read_state_dict(tmp_path / "w.pth")


def test_fits_in_order_but_only_with_the_same_kinds(network):
    renamed = {f"x{k}.{name.rpartition('.')[2]}": t for k, (name, t) in enumerate(network.state_dict().items())}
    other = create(NET, n_classes=7, seed=4)
    load_into(other, renamed, origin="renamed")
    assert torch.equal(other.state_dict()["fc.weight"], network.state_dict()["fc.weight"])
    swapped = {name.replace("running_mean", "odd"): t for name, t in renamed.items()}
    with pytest.raises(SourceError):
        load_into(other, swapped, origin="swapped")


def test_a_misfit_names_three_tensors_and_changes_nothing(network):
    state = dict(network.state_dict())
    state["conv1.0.weight"] = torch.zeros(1, 2, 3, 3)
    del state["fc.bias"]
    state["stray"] = torch.zeros(1)
    other = create(NET, n_classes=7, seed=4)
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(SourceError) as caught:
        load_into(other, state, origin="'w.pth'")
    text = str(caught.value)
    assert "conv1.0.weight is (1, 2, 3, 3), not (24, 3, 3, 3)" in text
    assert "fc.bias (7,) is missing" in text and "stray is unknown" in text and "\n" not in text
    assert all(torch.equal(before[k], v) for k, v in other.state_dict().items())

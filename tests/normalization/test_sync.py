"""Several gloo processes with uneven shares against torch's batch normalization of one process with the whole batch."""

import copy
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from timm.layers import BatchNormAct2d, SplitBatchNorm2d
from torch import nn

from headstart.finetuning import freeze
from headstart.normalization.sync import SyncBatchNorm, SyncBatchNormAct, synchronize
from headstart.results import DataError, HeadstartWarning

WORKER = Path(__file__).with_name("gloo_worker.py")
_spec = importlib.util.spec_from_file_location("gloo_worker", WORKER)
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)

SPLITS = [(7, 9), (16, 0), (0, 16), (5, 4, 7, 0), (1, 1, 13, 1)]
TORCH = {"flat": nn.BatchNorm1d, "1d": nn.BatchNorm1d, "2d": nn.BatchNorm2d, "3d": nn.BatchNorm3d}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each process of 2 and of 4 wrote: one launch each."""
    result = {}
    for processes in (2, 4):
        folder = tmp_path_factory.mktemp(f"gloo{processes}")
        running = [
            subprocess.Popen([sys.executable, str(WORKER), str(rank), str(processes), str(folder)])
            for rank in range(processes)
        ]
        try:
            assert [process.wait(timeout=200) for process in running] == [0] * processes
        finally:
            for process in running:
                process.kill()
        result[processes] = [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(processes)]
    return result


def compare(shares, whole, tolerance=1e-5):
    """Compare what the processes saw with one process that has the whole batch."""
    close = {"rtol": tolerance, "atol": tolerance}
    for step in range(worker.STEPS):
        for key in ("outputs", "inputs"):
            torch.testing.assert_close(torch.cat([share[key][step] for share in shares]), whole[key][step], **close)
        for key in ("weights", "biases"):
            if whole[key]:
                summed = sum(share[key][step] for share in shares)
                torch.testing.assert_close(summed, whole[key][step], rtol=tolerance, atol=10 * tolerance)
    for share in shares:
        assert share["state"].keys() == whole["state"].keys()
        for name, value in whole["state"].items():
            torch.testing.assert_close(share["state"][name], value, **close)
    evaluated = [share["evaluated"] for share in shares if share["evaluated"] is not None]
    if whole["state"].get("running_mean") is not None:
        torch.testing.assert_close(torch.cat(evaluated), whole["evaluated"], **close)


@pytest.mark.parametrize("shape", worker.SHAPES)
@pytest.mark.parametrize("option", worker.OPTIONS)
def test_uneven_shares_equal_the_whole_batch(found, shape, option):
    layer = worker.make_layer(TORCH[shape], worker.OPTIONS[option])
    whole = worker.run_layer(layer, worker.make_data(worker.SHAPES[shape], 1))
    for split in SPLITS:
        shares = [process[split, shape, option] for process in found[len(split)]]
        compare(shares, whole)
        for share in shares:
            # One forward and one backward a step; nothing in evaluation.
            assert share["messages"]["all_gather"] == share["messages"]["all_reduce"] == worker.STEPS
            assert sum(share["messages"].values()) == 2 * worker.STEPS


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_a_small_variance_around_a_large_mean(found, split):
    shares = [process[split, "far"] for process in found[len(split)]]
    data = worker.make_data((4, 3), 2, scale=1e-3, offset=1e4, dtype=torch.float64)
    compare(shares, worker.run_layer(worker.make_layer(nn.BatchNorm2d, {}, torch.float64), data), 1e-8)


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_other_layouts_and_half_precision(found, split):
    shares = [process[split, "channels_last"] for process in found[len(split)]]
    data = worker.make_data((4, 3), 4)
    compare(shares, worker.run_layer(worker.make_layer(nn.BatchNorm2d, {}), data))
    shares = [process[split, "half"] for process in found[len(split)]]
    assert shares[0]["outputs"][0].dtype == shares[0]["inputs"][0].dtype == torch.bfloat16
    half = [(x.bfloat16(), g.bfloat16()) for x, g in worker.make_data((4, 3), 3)]
    whole = worker.run_layer(worker.make_layer(nn.BatchNorm2d, {}), half)
    for step in range(worker.STEPS):
        for key, scale in (("outputs", 1), ("inputs", 0.5)):
            joined = torch.cat([share[key][step] for share in shares])
            assert (joined - whole[key][step]).abs().max() <= 0.02 * scale  # the rounding of bfloat16 at 2 to 4


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_a_network_of_several_layers(found, split):
    """Through three of them, with convolutions between and timm's fused activation."""
    shares = [process[split, "network"] for process in found[len(split)]]
    whole = worker.run_network(worker.make_network(fused=len(split) == 2), *worker.network_data())
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(torch.cat([share["output"] for share in shares]), whole["output"], **close)
    torch.testing.assert_close(torch.cat([share["input"] for share in shares]), whole["input"], **close)
    for name, gradient in whole["weights"].items():
        summed = sum(share["weights"][name] for share in shares)
        torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-4)
    for share in shares:
        assert share["state"].keys() == whole["state"].keys()
        for name, value in whole["state"].items():
            if "running" in name or "tracked" in name:
                torch.testing.assert_close(share["state"][name], value, **close)


def test_messages_that_are_not_needed_are_not_sent(found):
    for process in (*found[2], *found[4]):
        assert process["first layer"] == 1 and process["frozen"] == 0


def test_one_value_in_all_is_an_error_everywhere_and_none_is_nothing(found):
    for process in (*found[2], *found[4]):
        assert "its variance is zero" in process["alone", 1]
        shape, variance = process["alone", 0]
        assert shape == (0, 6) and (variance == 1).all()


def test_groups_of_processes_keep_to_themselves(found):
    means = [process["group"][0].item() for process in found[4]]
    assert means == [0.5, 0.5, 2.5, 2.5]


@pytest.mark.parametrize("shape", worker.SHAPES)
@pytest.mark.parametrize("option", worker.OPTIONS)
def test_alone_it_is_a_plain_batch_normalization(shape, option):
    data = worker.make_data(worker.SHAPES[shape], 1)
    one = worker.run_layer(worker.make_layer(SyncBatchNorm, worker.OPTIONS[option]), data)
    other = worker.run_layer(worker.make_layer(TORCH[shape], worker.OPTIONS[option]), data)
    for key in ("outputs", "inputs", "weights", "biases"):
        assert all(torch.equal(a, b) for a, b in zip(one[key], other[key], strict=True))
    assert one["state"].keys() == other["state"].keys()
    assert all(torch.equal(value, other["state"][name]) for name, value in one["state"].items())
    if option != "untracked":
        assert torch.equal(one["evaluated"], other["evaluated"])


def test_converted_layers_keep_tensors_hooks_and_mode():
    network = worker.make_network(fused=True)
    network[1].eval()
    names, parameters = list(network.state_dict()), list(network.parameters())
    x = torch.randn(4, 3, 6, 6)
    before = copy.deepcopy(network)(x)
    freeze(network, until="6").train()
    assert synchronize(network) is network
    assert [type(network[k]) for k in (1, 4, 7)] == [SyncBatchNorm, SyncBatchNormAct, SyncBatchNorm]
    assert list(network.state_dict()) == names
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    mean = network[1].running_mean.clone()
    network(x)
    assert torch.equal(network[1].running_mean, mean) and network[7].num_batches_tracked == 1
    again = synchronize(copy.deepcopy(network))
    assert isinstance(again[4].act, nn.ReLU)
    torch.testing.assert_close(again.eval()(x), network.eval()(x))
    assert before.shape == (4, 5)


def test_a_layer_that_stands_twice_or_alone_is_converted_once():
    layer = nn.BatchNorm1d(3)
    network = synchronize(nn.Sequential(layer, nn.ReLU(), layer))
    assert network[0] is network[2] and isinstance(network[0], SyncBatchNorm)
    alone = synchronize(nn.SyncBatchNorm(3))
    assert type(alone) is SyncBatchNorm and alone.process_group is None
    fused = BatchNormAct2d(3)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(synchronize(copy.deepcopy(fused))(x), fused(x))


def test_what_is_not_known_is_left_and_said():
    network = nn.Sequential(SplitBatchNorm2d(4), nn.BatchNorm2d(4))
    with pytest.warns(HeadstartWarning, match="'0' is a SplitBatchNorm2d"):
        synchronize(network)
    assert isinstance(network[0], SplitBatchNorm2d) and isinstance(network[1], SyncBatchNorm)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        synchronize(nn.Sequential(nn.InstanceNorm2d(3), nn.LayerNorm(3)))


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 5, 6)])
def test_an_input_of_other_channels_is_named(shape):
    with pytest.raises(DataError, match=r"of 6 channels got an input of shape .*give \(n, 6\)"):
        SyncBatchNorm(6)(torch.zeros(shape))

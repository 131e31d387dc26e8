"""Two processes that torchrun started against one: the same files, the same weights, no picture passed twice."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

import headstart
from headstart.results.team import Team, team

WORKER = Path(__file__).with_name("torchrun_worker.py")
_spec = importlib.util.spec_from_file_location("torchrun_worker", WORKER)
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)


@pytest.fixture(scope="module")
def both(photos, tmp_path_factory, _networks):
    """Run folder of one process and of two, the cache of the two, and what each of the two wrote."""
    root = tmp_path_factory.mktemp("torchrun")
    (root / "other").mkdir()
    (root / "other" / "letter.txt").write_text("no run")
    for cache in ("one", "two"):
        (root / cache).mkdir()
        (root / cache / "networks").symlink_to(_networks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(root / "one"))
        headstart.fit(photos, out=root / "single")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", WORKER]
    environment = {**os.environ, "HEADSTART_CACHE": str(root / "two"), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, photos, root, root / "other"], check=True, env=environment, timeout=280)
    wrote = [torch.load(root / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    return root / "single", root / "run", root / "two", wrote


def test_the_run_is_that_of_one_process(both):
    single, shared, _, _ = both
    first, second = (json.loads((folder / "run.json").read_text()) for folder in (single, shared))
    assert first["times"]["pictures_passed"] == second["times"]["pictures_passed"] > 0
    del first["times"], second["times"]
    assert first == second
    for name in ("model.safetensors", "model.onnx", "predictions.csv"):
        assert (single / name).read_bytes() == (shared / name).read_bytes()


def test_no_picture_is_passed_twice_and_both_processes_pass_some(both):
    _, _, cache, _ = both
    for folder in (cache / "activations").iterdir():
        shards = [load_file(path)["digests"] for path in folder.glob("shard-*.safetensors")]
        digests = [row.tobytes() for shard in shards for row in shard]
        assert len(shards) % 2 == 0 and min(map(len, shards)) > 0 and len(set(digests)) == len(digests)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_shares_of_a_batch_train_as_the_whole_batch_does(both, accumulate):
    expected = worker.trained(accumulate)
    found = [one["training"][accumulate] for one in both[3]]
    for one in found:
        assert one["losses"] == pytest.approx(expected["losses"], abs=1e-6)
        for name, value in expected["weights"].items():
            torch.testing.assert_close(one["weights"][name], value, rtol=1e-5, atol=1e-6)
    for name, value in found[0]["weights"].items():
        assert torch.equal(value, found[1]["weights"][name])


def test_what_the_first_process_meets_all_of_them_meet(both):
    assert all("holds files that are no run" in one["met"] for one in both[3])


def test_without_torchrun_there_is_one_process():
    assert team() == Team(0, 1) and team().leads
    value = torch.ones(3)
    team().add_up(value)
    assert value.tolist() == [1, 1, 1] and team().first(lambda: 5) == 5

"""One process of several: runs every case on its share of the batch and writes what it saw. Started by test_sync."""

import copy
import sys

import torch
from torch import distributed, nn

from headstart.normalization.sync import SyncBatchNorm, synchronize
from headstart.training.frozen import freeze_statistics

CALLS = [
    *("all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single"),
    *("barrier", "broadcast", "gather", "reduce", "reduce_scatter", "reduce_scatter_tensor", "scatter"),
    *("send", "recv", "isend", "irecv", "batch_isend_irecv"),
]
SHAPES = {"flat": (), "1d": (5,), "2d": (4, 3), "3d": (3, 2, 4)}
OPTIONS = {
    "affine": {},
    "plain": {"affine": False},
    "cumulative": {"momentum": None},
    "untracked": {"track_running_stats": False},
}
STEPS = 2


def make_data(shape, seed, n=16, scale=2.0, offset=3.0, dtype=torch.float32):
    """Return a batch for each step whose rows are far from alike, and the gradient of a loss at the output."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn((STEPS, 2, n, 6, *shape), generator=generator, dtype=torch.float64)
    rows = torch.arange(n, dtype=torch.float64).view(-1, *[1] * (1 + len(shape)))
    return [((x * scale + offset + rows).to(dtype), g.to(dtype)) for x, g in draws]


def make_layer(layer, options, dtype=torch.float32):
    layer = layer(6, **options).to(dtype)
    if layer.weight is not None:
        with torch.no_grad():
            layer.weight.copy_(torch.linspace(0.5, 2, 6))
            layer.bias.copy_(torch.linspace(-1, 1, 6))
    return layer


def make_network(fused):
    if fused:
        from timm.layers import BatchNormAct2d as Second  # takes as long to import as all the rest
    else:
        Second = nn.BatchNorm2d
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3),
        Second(8),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 5),
        nn.BatchNorm1d(5),
    )


def run_layer(layer, data, rows=slice(None)):
    """Return outputs, gradients and statistics of some steps on some rows of each batch."""
    result = {"outputs": [], "inputs": [], "weights": [], "biases": []}
    for x, gradient in data:
        share = x[rows].clone().requires_grad_()
        layer.zero_grad()
        output = layer(share)
        (output * gradient[rows]).sum().backward()
        result["outputs"].append(output.detach())
        result["inputs"].append(share.grad)
        if layer.weight is not None:
            result["weights"].append(layer.weight.grad.clone())
            result["biases"].append(layer.bias.grad.clone())
    result["state"] = copy.deepcopy(layer.state_dict())
    own = x[rows]
    result["evaluated"] = layer.eval()(own).detach() if len(own) and layer.track_running_stats else None
    return result


def run_network(network, x, gradient, rows=slice(None)):
    share = x[rows].clone().requires_grad_()
    output = network(share)
    (output * gradient[rows]).sum().backward()
    return {
        "output": output.detach(),
        "input": share.grad,
        "weights": {name: parameter.grad for name, parameter in network.named_parameters()},
        "state": network.state_dict(),
    }


def network_data():
    generator = torch.Generator().manual_seed(9)
    return torch.randn((16, 3, 6, 6), generator=generator), torch.randn((16, 5), generator=generator)


def main(rank, processes, folder):
    counts = dict.fromkeys(CALLS, 0)

    def counted(name):
        call = getattr(distributed, name)

        def wrapper(*arguments, **options):
            counts[name] += 1
            return call(*arguments, **options)

        return wrapper

    for name in CALLS:
        setattr(distributed, name, counted(name))
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=processes)
    splits = {2: [(7, 9), (16, 0), (0, 16)], 4: [(5, 4, 7, 0), (1, 1, 13, 1)]}[processes]
    found = {}
    for split in splits:
        rows = slice(sum(split[:rank]), sum(split[: rank + 1]))
        for shape in SHAPES:
            for option, options in OPTIONS.items():
                layer = make_layer(SyncBatchNorm, options)
                counts.update(dict.fromkeys(CALLS, 0))
                found[split, shape, option] = run_layer(layer, make_data(SHAPES[shape], 1), rows)
                found[split, shape, option]["messages"] = dict(counts)
        found[split, "far"] = run_layer(
            make_layer(SyncBatchNorm, {}, torch.float64),
            make_data((4, 3), 2, scale=1e-3, offset=1e4, dtype=torch.float64),
            rows,
        )
        half = [(x.bfloat16(), g.bfloat16()) for x, g in make_data((4, 3), 3)]
        found[split, "half"] = run_layer(make_layer(SyncBatchNorm, {}), half, rows)
        last = [(x.contiguous(memory_format=torch.channels_last), g) for x, g in make_data((4, 3), 4)]
        found[split, "channels_last"] = run_layer(make_layer(SyncBatchNorm, {}), last, rows)
        x, gradient = network_data()
        found[split, "network"] = run_network(synchronize(make_network(fused=processes == 2)), x, gradient, rows)
    # No gradient of the input is asked for: nothing to be sent backward. Frozen statistics: nothing at all.
    x = torch.randn(3, 6)
    counts.update(dict.fromkeys(CALLS, 0))
    SyncBatchNorm(6)(x).sum().backward()
    found["first layer"] = sum(counts.values())
    freeze_statistics(SyncBatchNorm(6)).train()(x.requires_grad_()).sum().backward()
    found["frozen"] = sum(counts.values()) - found["first layer"]
    # One value a channel over all processes, and none.
    for n in (1, 0):
        layer = SyncBatchNorm(6)
        try:
            found["alone", n] = layer(torch.ones(n if rank == 0 else 0, 6)).shape, layer.running_var
        except ValueError as error:
            found["alone", n] = str(error)
    # Groups of their own.
    if processes == 4:
        groups = [distributed.new_group([0, 1]), distributed.new_group([2, 3])]
        layer = SyncBatchNorm(6, momentum=1.0, process_group=groups[rank // 2])
        layer(torch.full((2, 6), float(rank)))
        found["group"] = layer.running_mean
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

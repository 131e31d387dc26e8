"""One process of several: fits the photos, and trains a small network on its share of uneven batches."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from headstart.results.team import Team, team
from headstart.training.loop import Recipe, train

X = torch.from_numpy(np.random.default_rng(0).normal(size=(13, 6)).astype(np.float32))
Y = (X[:, 0] > 0).long()


class Shared:
    """Batches of 4, 4, 4 and 1, of which each process has its share: of the last one, only the first has any."""

    def __len__(self):
        return 4

    def epoch(self, number):
        order = np.random.default_rng(number).permutation(len(X))
        for start in range(0, len(X), 4):
            rows = team().share(order[start : start + 4])
            yield X[rows], Y[rows]


def trained(accumulate):
    """Return weights and losses after some epochs."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    groups = [{"params": list(network.parameters()), "lr": 1e-2, "weight_decay": 0.05}]
    found = train(network, Shared(), groups, Recipe(epochs=3, accumulate=accumulate, clip=0.1))
    return {"losses": found.losses, "weights": network.state_dict()}


if __name__ == "__main__":
    import headstart
    from headstart.results import HeadstartError

    photos, out, gone = (Path(text) for text in sys.argv[1:])
    ours = team()
    assert isinstance(ours, Team) and ours.size == 2
    run = headstart.fit(photos, out=out / "run")
    try:  # what the first process meets, all of them meet
        headstart.fit(photos, out=gone)
        met = ""
    except HeadstartError as error:
        met = str(error)
    result = {
        "training": {accumulate: trained(accumulate) for accumulate in (1, 3)},
        "met": met,
        "C": run.info["model"]["C"],
    }
    torch.save(result, out / f"{ours.rank}.pt")

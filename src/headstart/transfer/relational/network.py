"""A graph network on pairs of node and class: its weights fit any graph, any features and any number of classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headstart.transfer.relational.drawing import draw
from headstart.transfer.relational.evidence import Ties, centred, evidence
from headstart.transfer.relational.graph import Codes, Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_EPS = 0.02  # what every node has of every class before shares are compared
_UNASKED = -100  # class of the nodes that an episode does not ask for; PyTorch's cross-entropy leaves them out


class PairNetwork(nn.Module):
    """Scores each pair of a node and a class from the evidence for it, and from what its neighbours seem to be.

    A first perceptron, the same for all pairs, gives scores z. Then, ``rounds`` times, p = softmax(z) with the known
    labels put in goes along the relations, and another perceptron reads the evidence together with z, the shares in
    W p, W² p and V p (W and V are the random walks along relations and among like nodes), and the likeness to the means
    of the features that p gives the classes. Nothing in it knows how many classes there are: exchanging two of them
    exchanges their scores.

    Parameters
    ----------
    n_evidence : int
        Numbers m of evidence for a pair.
    hidden : int
        Width of the perceptrons.
    rounds : int
        How often predictions go along the relations; 0 reads the labels' evidence alone.
    features : bool
        Whether likeness of features is used.
    dropout : float

    References
    ----------
    Rossi et al. (2020), SIGN: scalable inception graph neural networks, arXiv:2004.11198 (perceptrons on what was
    spread beforehand). Gasteiger et al. (2019), arXiv:1810.05997 (predict, then propagate). Zaheer et al. (2017), Deep
    sets, arXiv:1703.06114 (the same weights for each class).
    """

    def __init__(
        self, n_evidence: int, hidden: int = 16, rounds: int = 1, *, features: bool = True, dropout: float = 0.2
    ) -> None:
        super().__init__()
        more = 5 if features else 3

        def perceptron(width: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

        self.first = perceptron(n_evidence)
        self.more = nn.ModuleList(perceptron(n_evidence + more) for _ in range(rounds))
        self.features = features
        self.bare()

    def bare(self) -> PairNetwork:
        """Let go of the graph; what is left are the weights."""
        self.walk = self.alike = self.rows = torch.empty(0)
        return self

    def on(self, ties: Ties) -> PairNetwork:
        """Let the network run on another graph."""
        self.walk = as_tensor(ties.walk)
        if self.features:
            assert ties.alike is not None
            self.alike, self.rows = as_tensor(ties.alike), torch.from_numpy(ties.smoothed[2].astype(np.float32))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of every round, (rounds + 1, n, k).

        Parameters
        ----------
        x : Tensor, shape (n, k, m + 1)
            The evidence, and last 1 where the node is known to be of the class.
        """
        given, known = x[..., :-1], x[..., -1]
        seed = known.sum(dim=1, keepdim=True) > 0
        z = self.first(given)[..., 0]
        scores = [z]
        for perceptron in self.more:
            p = torch.where(seed, known, torch.softmax(z, dim=1))
            once = self.walk @ p
            told = [z - z.mean(dim=1, keepdim=True), _compared(once), _compared(self.walk @ once)]
            if self.features:
                means = F.normalize((p**2).T @ self.rows, dim=1)  # who is sure counts more
                told += [_compared(self.alike @ p), centred(self.rows @ means.T)]
            z = perceptron(torch.cat([given, torch.stack(told, dim=2)], dim=2))[..., 0]
            scores.append(z)
        return torch.stack(scores)


def as_tensor(matrix: csr_array) -> Tensor:
    """Return a SciPy sparse matrix as a sparse float32 tensor."""
    table = matrix.tocoo()
    place = torch.from_numpy(np.stack([table.row, table.col]).astype(np.int64))
    values = torch.from_numpy(table.data.astype(np.float32))
    return torch.sparse_coo_tensor(place, values, table.shape, check_invariants=True).coalesce()


@dataclasses.dataclass(frozen=True, eq=False)
class Episodes:
    """Tasks that labels of one graph make: some are shown, the others are asked for.

    Each epoch shows them all once, in an order that depends on its number.
    """

    inputs: tuple[Tensor, ...]
    asked: tuple[Tensor, ...]
    seed: int

    @classmethod
    def of(cls, ties: Ties, y: Codes, counts: Sequence[int], n: int, seed: int) -> Episodes:
        """Draw ``n`` episodes; the one after the other shows as many labels of each class as the next of ``counts``.

        A class with no more labels than that keeps one back to be asked for, and shows it always where it is the only
        one. Where this leaves nothing to ask for, there are no episodes.
        """
        rng = np.random.default_rng(seed)
        known = np.flatnonzero(y >= 0)
        k = int(y.max()) + 1
        if (np.bincount(y[known]) < 2).all():
            return cls((), (), seed)
        inputs, asked = [], []
        for number in range(n):
            shown = draw(y, counts[number % len(counts)], rng, spare=1)
            wanted = np.full(len(y), _UNASKED)
            wanted[known] = y[known]
            wanted[shown] = _UNASKED
            inputs.append(episode_input(ties, shown, y[shown], k))
            asked.append(torch.from_numpy(wanted))
        return cls(tuple(inputs), tuple(asked), seed)

    def __len__(self) -> int:
        return len(self.inputs)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield evidence (n, k, m + 1) and the classes asked for, (n,)."""
        for place in np.random.default_rng([self.seed, number]).permutation(len(self)):
            yield self.inputs[place], self.asked[place]


def episode_input(ties: Ties, shown: Codes, classes: Codes, k: int) -> Tensor:
    """Return what the network reads where the rows ``shown`` are known: evidence and the labels, (n, k, m + 1)."""
    known = np.zeros((ties.walk.shape[0], k, 1), dtype=np.float32)
    known[shown, classes] = 1
    return torch.from_numpy(np.concatenate([evidence(ties, shown, classes, k), known], axis=2))


def learn(
    network: PairNetwork, ties: Ties, episodes: Episodes, *, epochs: int, rate: float, weight_decay: float, seed: int
) -> tuple[float, ...]:
    """Train ``network`` in place on the episodes of one graph and return the mean loss of each epoch."""
    from headstart.training.loop import Recipe, train

    recipe = Recipe(epochs=epochs, rate=rate, weight_decay=weight_decay, label_smoothing=0.0)
    group: dict[str, Any] = {"params": list(network.parameters()), "lr": rate, "weight_decay": weight_decay}
    return train(network.on(ties), episodes, [group], recipe, loss=every_round, seed=seed).losses


def every_round(scores: Tensor, classes: Tensor) -> Tensor:
    """Return the cross-entropy of what is asked for, the mean of all rounds."""
    rounds = len(scores)
    return F.cross_entropy(scores.flatten(0, 1), classes.repeat(rounds), ignore_index=_UNASKED)


def predict(network: PairNetwork, ties: Ties, y: Codes) -> Floats:
    """Return probabilities (n, k) where the labels ``y`` (n,), -1 for none, are known."""
    known = np.flatnonzero(y >= 0)
    with torch.no_grad():
        scores = network.on(ties).eval()(episode_input(ties, known, y[known], int(y.max()) + 1))[-1]
        return np.asarray(torch.softmax(scores, dim=1).double().numpy())


def _compared(found: Tensor) -> Tensor:
    """Return the log of each class's share times k, (n, k)."""
    padded = found + _EPS
    return torch.log(padded / padded.mean(dim=1, keepdim=True))

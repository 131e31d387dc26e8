"""Classes of nodes from few labels, with what another graph taught."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from headstart.results import DataError
from headstart.transfer.relational.evidence import Ties, evidence
from headstart.transfer.relational.graph import Floats, Graph
from headstart.transfer.relational.mixing import mixing
from headstart.transfer.relational.roles import StructuralRoles

if TYPE_CHECKING:
    from headstart.transfer.relational.network import PairNetwork


@dataclasses.dataclass(frozen=True, eq=False)
class Pretrained:
    """What is carried over: weights of the network, and which structural roles it reads.

    Attributes
    ----------
    network : PairNetwork
    roles : StructuralRoles
    features : bool
        Whether it reads likeness of features; a target must then have some.
    losses : tuple of float
        Mean loss of each epoch on the source.
    homophily : float
        The source's, adjusted for chance.
    name : str
        The source's.
    """

    network: PairNetwork
    roles: StructuralRoles
    features: bool
    losses: tuple[float, ...]
    homophily: float
    name: str


def pretrain(
    source: Graph, *, features: bool | None = None, shown: tuple[int, ...] = (5, 10, 20), n_episodes: int = 24,
    epochs: int = 10, rate: float = 0.01, hidden: int = 16, rounds: int = 1, random_state: int = 0,
) -> Pretrained:  # fmt: skip
    """Learn on a labelled graph how to tell classes from few labels: some are shown, the others are asked for.

    Parameters
    ----------
    source : Graph
        With labels of two classes or more, and some class with two labels.
    features : bool, optional
        Whether likeness of features is a relation too; by default, if the source has features.
    shown : tuple of int
        How many labels of each class are shown; about as many as the target has.
    n_episodes, epochs : int
        Drawings of labels, and how often each is learned from.
    rate : float
        Of AdamW.
    hidden, rounds : int
        As in :class:`headstart.transfer.relational.network.PairNetwork`.
    random_state : int

    Raises
    ------
    DataError
        If there are not enough labels, or features are asked for that are not there.
    """
    features = source.X is not None if features is None else features
    roles = StructuralRoles().fit(source)
    ties = Ties.of(source, roles, features)
    network, losses = _learned(
        source, ties, None, shown=shown, n_episodes=n_episodes, epochs=epochs, rate=rate, hidden=hidden, rounds=rounds,
        features=features, seed=random_state,
    )  # fmt: skip
    return Pretrained(network.bare(), roles, features, losses, mixing(source).adjusted, source.name)


class NodeClassifier(BaseEstimator):  # type: ignore[misc]
    """Says the class of every node of a graph of which few have a label.

    Source and target may share neither nodes nor features nor classes. The network starts from what it learned on the
    source and goes on, slowly, on drawings of the target's own labels, half shown and half asked for; without a source
    it starts from random weights. It is transductive: ``fit`` takes the graph with the nodes to be told.

    Parameters
    ----------
    source : Pretrained or Graph, optional
        What :func:`pretrain` gave, or a labelled graph to give it.
    features : bool, optional
        Whether likeness of features is used; as the source does or, without one, if there are features.
    n_episodes, epochs : int
        Drawings of the target's labels, and how often each is learned from. 0 epochs uses the source's weights as
        they are.
    rate : float, optional
        Of AdamW; 0.002 after a source, 0.01 without one.
    hidden, rounds : int
        Of the network without a source.
    random_state : int

    Attributes
    ----------
    classes_ : ndarray, shape (k,)
    probabilities_ : ndarray, shape (n, k)
        Of every node, the labelled ones included.
    losses_ : tuple of float
        Mean loss of each epoch on the target.

    Examples
    --------
    >>> square = Graph([[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]], ["a", "a", None, "b", "b", None])
    >>> NodeClassifier(epochs=20).fit(square).predict().tolist()
    ['a', 'a', 'a', 'b', 'b', 'b']
    """

    def __init__(
        self, source: Pretrained | Graph | None = None, *, features: bool | None = None, n_episodes: int = 10,
        epochs: int = 4, rate: float | None = None, hidden: int = 16, rounds: int = 1, random_state: int = 0,
    ) -> None:  # fmt: skip
        self.source = source
        self.features = features
        self.n_episodes = n_episodes
        self.epochs = epochs
        self.rate = rate
        self.hidden = hidden
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, graph: Graph, y: Any = None) -> NodeClassifier:
        """Learn the labels that ``graph`` has, and tell the others.

        Raises
        ------
        DataError
            If there are labels of fewer than two classes; if nothing is to be learned from, neither a source nor a
            class with two labels; or if features are missing.
        """
        from headstart.transfer.relational.network import predict

        source = self._source()
        if source is None:
            features = graph.X is not None if self.features is None else self.features
            roles = StructuralRoles().fit(graph)
        else:
            roles, features = source.roles, source.features
            if self.features not in (None, features):
                raise DataError(f"features={self.features}, but {source.name!r} was learned with {features}")
            if features and graph.X is None:
                raise DataError(
                    f"{graph.name!r} has no features, but the network read likeness of features on {source.name!r}: "
                    "pretrain(source, features=False)"
                )
        ties = Ties.of(graph, roles, features)
        counts = np.bincount(graph.y[graph.y >= 0], minlength=1)
        network, self.losses_ = _learned(
            graph, ties, source, shown=(max(1, int(counts.max()) // 2),), n_episodes=self.n_episodes,
            epochs=self.epochs, rate=self.rate or (0.01 if source is None else 0.002), hidden=self.hidden,
            rounds=self.rounds, features=features, seed=self.random_state,
        )  # fmt: skip
        self.classes_ = graph.classes
        self.probabilities_: Floats = predict(network, ties, graph.y)
        return self

    def predict_proba(self) -> Floats:
        """Return the probability of each class, (n, k), of the nodes of the graph of ``fit``."""
        check_is_fitted(self)
        return self.probabilities_

    def predict(self) -> NDArray[Any]:
        """Return the most probable class of each node, (n,)."""
        return np.asarray(self.classes_[self.predict_proba().argmax(axis=1)])

    def _source(self) -> Pretrained | None:
        if isinstance(self.source, Graph):
            return pretrain(self.source, features=self.features, random_state=self.random_state)
        return self.source


def _learned(
    graph: Graph, ties: Ties, source: Pretrained | None, *, shown: tuple[int, ...], n_episodes: int, epochs: int,
    rate: float, hidden: int, rounds: int, features: bool, seed: int,
) -> tuple[PairNetwork, tuple[float, ...]]:  # fmt: skip
    """Return a network that starts from the source's, or from random weights, and learned the labels of ``graph``."""
    import torch

    from headstart.transfer.relational.network import Episodes, PairNetwork, learn

    if len(graph.classes) < 2:
        raise DataError(f"{graph.name!r} has labels of {len(graph.classes)} class(es): give at least two")
    if not shown or min(shown) < 1 or n_episodes < 1 or epochs < 0:
        raise DataError(f"shown={shown}, n_episodes={n_episodes}, epochs={epochs}: give positive numbers")
    known = np.flatnonzero(graph.y >= 0)
    episodes = Episodes.of(ties, graph.y, shown, n_episodes, seed)
    if source is not None:
        network = copy.deepcopy(source.network)
    else:
        if not len(episodes) or not epochs:
            raise DataError(
                f"{graph.name!r} has one label of each class, or nothing is to be learned from it: "
                "give more labels, or a source"
            )
        width = evidence(ties, known, graph.y[known], len(graph.classes)).shape[2]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = PairNetwork(width, hidden, rounds, features=features)
    if not len(episodes) or not epochs:
        return network, ()
    losses = learn(network, ties, episodes, epochs=epochs, rate=rate, weight_decay=1e-3, seed=seed)
    return network, losses

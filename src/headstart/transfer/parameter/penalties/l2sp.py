"""Penalties on how far the weights go from the source's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headstart.results import DataError
from headstart.transfer.parameter.penalties.base import NetworkPenalty, checked, inner, learned

if TYPE_CHECKING:
    from torch import Tensor, nn


class L2SP(NetworkPenalty):
    """The squared distance of the weights to where they started (L2-SP).

    ``strength / 2 * sum (w - w_source)² + head / 2 * sum w_classifier²``, over all parameters that learn. It takes the
    place of weight decay, which draws to zero what the source knows: set ``Recipe(weight_decay=0)`` beside it.

    Parameters
    ----------
    strength : float
        Of what was carried over.
    head : float
        Of the classifier, which is drawn to zero.

    References
    ----------
    Li, Grandvalet and Davoine (2018), Explicit inductive bias for transfer learning with convolutional networks,
    arXiv:1802.01483, equation 3.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))
    >>> penalty = L2SP(0.5)
    >>> penalty.attach(net)
    >>> with torch.no_grad():
    ...     net[0].weight += 2.0
    >>> float(penalty())  # 0.5 / 2 * 6 weights * 2²
    6.0
    """

    def __init__(self, strength: float = 0.1, head: float = 0.0) -> None:
        super().__init__(strength)
        self.head = checked(head, "head")

    def attach(self, network: nn.Module) -> None:
        """Copy the weights that are carried over: a view would move with them, and the penalty stay 0."""
        carried, classifier = learned(network)
        self._pairs = [
            (weight, weight.detach().clone(), self._precision(name, weight)) for name, weight in carried.items()
        ]
        self._classifier = list(classifier.values())

    def _precision(self, name: str, weight: Tensor) -> Tensor | float:
        return 1.0

    def __call__(self) -> Tensor:
        """Return the term, a scalar."""
        import torch

        total = torch.zeros((), device=self._pairs[0][0].device)
        for weight, start, precision in self._pairs:
            total = total + self.strength / 2 * (precision * (weight - start) ** 2).sum()
        for weight in self._classifier if self.head else []:
            total = total + self.head / 2 * (weight**2).sum()
        return total

    def detach(self) -> None:
        """Let go of the network."""
        super().detach()
        self._pairs, self._classifier = [], []


class FisherL2SP(L2SP):
    """The squared distance to the source, each weight by what the source's data say of it (elastic weights).

    ``strength / 2 * sum F (w - w_source)²``, F being the diagonal of the Fisher information, 1 in the mean over all
    weights that learn, so that strengths are of the same kind as those of :class:`L2SP`.

    Parameters
    ----------
    strength : float
    fisher : mapping of str to Tensor
        By name of the parameter, see :func:`network_fisher`.
    head : float
        See :class:`L2SP`.

    Raises
    ------
    DataError
        When it is attached to a network of which a parameter that learns has no information, or of another shape.

    References
    ----------
    Kirkpatrick et al. (2017), Overcoming catastrophic forgetting in neural networks, arXiv:1612.00796, equation 3;
    as L2-SP-Fisher in Li, Grandvalet and Davoine (2018), arXiv:1802.01483, equation 4.
    """

    def __init__(self, strength: float, fisher: Mapping[str, Tensor], head: float = 0.0) -> None:
        super().__init__(strength, head)
        self.fisher = fisher

    def attach(self, network: nn.Module) -> None:
        """Copy the weights that are carried over, and scale their information."""
        carried, _ = learned(network)
        for name, weight in carried.items():
            if name not in self.fisher or self.fisher[name].shape != weight.shape:
                raise DataError(f"fisher has nothing for {name!r} {tuple(weight.shape)}: see network_fisher")
        count = sum(weight.numel() for weight in carried.values())
        self._mean = sum(float(self.fisher[name].double().sum()) for name in carried) / count
        if not self._mean > 0:
            raise DataError("the Fisher information is 0 everywhere: give inputs of the source's kind")
        super().attach(network)

    def _precision(self, name: str, weight: Tensor) -> Tensor:
        return (self.fisher[name] / self._mean).to(weight)


def network_fisher(
    network: nn.Module, inputs: Iterable[Tensor], *, n_draws: int = 1, seed: int = 0
) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of the weights that learn, by name.

    The mean over examples of ``E_{y ~ p(y|x)} (∂ log p(y|x) / ∂ w)²``, y drawn from what the network says, each
    example one step forward and one back. The classifier is that of the network as it is given.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits (n, k); put into evaluation mode.
    inputs : iterable of Tensor
        Batches of examples of the source's kind; some hundreds of examples are enough.
    n_draws : int
        Labels drawn for each example.
    seed : int
        Of the draws.

    Raises
    ------
    DataError
        If there is no example, or nothing that was carried over learns.

    References
    ----------
    Kirkpatrick et al. (2017), arXiv:1612.00796.
    """
    import torch

    carried, classifier = learned(network)
    weights = {**carried, **classifier}
    names = [name for name, _ in inner(network).named_parameters() if name in weights]
    total = {name: torch.zeros_like(weights[name]) for name in names}
    generator, n = torch.Generator().manual_seed(seed), 0
    network.eval()
    for batch in inputs:
        for example in batch:
            logs = torch.log_softmax(network(example[None])[0].float(), dim=0)
            drawn = torch.multinomial(logs.detach().exp().cpu(), n_draws, replacement=True, generator=generator)
            for place, code in enumerate(drawn.tolist()):
                found = torch.autograd.grad(
                    logs[code], [weights[name] for name in names], retain_graph=place + 1 < n_draws, allow_unused=True
                )
                for name, gradient in zip(names, found, strict=True):
                    if gradient is not None:
                        total[name] += gradient.detach() ** 2
            n += 1
    if not n:
        raise DataError("no example to take the Fisher information of: give inputs of the source's kind")
    return {name: value / (n * n_draws) for name, value in total.items()}

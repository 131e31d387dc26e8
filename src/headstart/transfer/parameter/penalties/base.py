"""What the penalties share: which weights are carried over, and hooks that are taken off again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn


class NetworkPenalty:
    """A term that is added to a network's loss, ``headstart.training.loop.Penalty``.

    ``attach`` is called once, before the first step, with the network as it came from the source; what it stands for
    is copied then. A call after the forward pass of a batch gives the term. ``detach`` takes everything off again. One
    object can be attached again later.

    Parameters
    ----------
    strength : float
        What the term is multiplied with; at 0 it changes nothing.

    Raises
    ------
    DataError
        If the strength is negative or not finite.
    """

    def __init__(self, strength: float) -> None:
        self.strength = checked(strength, "strength")
        self._handles: list[Any] = []

    def attach(self, network: nn.Module) -> None:
        """Note what the network is like before it learns."""
        raise NotImplementedError

    def __call__(self) -> Tensor:
        """Return the term for the batch that was just passed, a scalar."""
        raise NotImplementedError

    def detach(self) -> None:
        """Take hooks off and let go of the network."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


def checked(value: float, name: str) -> float:
    """Return a strength, or say that it is none."""
    if not 0 <= value < float("inf"):
        raise DataError(f"{name}={value!r} must be a number from 0 on")
    return float(value)


def inner(network: Any) -> nn.Module:
    """Return the network itself where it stands in ``headstart.finetuning.top.Top``."""
    from torch import nn

    found = getattr(network, "network", network)
    return found if isinstance(found, nn.Module) else network  # type: ignore[no-any-return]


def learned(network: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """Return the parameters that learn, by name: those carried over from the source, and those of the classifier.

    Raises
    ------
    DataError
        If no parameter that was carried over learns.
    """
    from headstart.sources.stages import find_classifier

    whole = inner(network)
    classifier = find_classifier(whole)
    own = set() if classifier is None else {id(one) for one in classifier.parameters()}
    trained = {name: one for name, one in whole.named_parameters() if one.requires_grad}
    carried = {name: one for name, one in trained.items() if id(one) not in own}
    if not carried:
        raise DataError("nothing that was carried over learns here: unfreeze a stage, or leave the penalty out")
    return carried, {name: one for name, one in trained.items() if id(one) in own}

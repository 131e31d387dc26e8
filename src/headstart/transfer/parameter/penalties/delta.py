"""DELTA: not the weights but what they see stays near the source, channel by channel."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.results import DataError
from headstart.transfer.parameter.penalties.base import NetworkPenalty, inner, learned

if TYPE_CHECKING:
    from torch import Tensor, nn


class DELTA(NetworkPenalty):
    """How far the feature maps of a batch go from those that the source would give, weighted by channel.

    ``strength * sum_layers sum_channels W_lc * mean (FM_lc(w, x) - FM_lc(w_source, x))²``, the mean over examples and
    positions, W adding up to 1 in each layer. The source is kept as a copy and passed along: a step forward more.

    Parameters
    ----------
    strength : float
    layers : sequence of str, optional
        Modules whose outputs are compared, by name in the network; by default the stages that learn.
    attention : mapping of str to Tensor, optional
        W of each layer, (channels,), see :func:`channel_attention`; alike by default.

    Raises
    ------
    DataError
        If a layer is none, or does not run, or its attention has another length.

    References
    ----------
    Li et al. (2019), DELTA: deep learning transfer using feature map with attention for convolutional networks,
    arXiv:1901.09229, equations 3 and 4; the paper takes the sum over positions where this is the mean, so that
    strengths do not hang on the size of the map.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    >>> penalty = DELTA(1.0, layers=["0"])
    >>> penalty.attach(net)
    >>> with torch.no_grad():
    ...     net[0].bias += torch.tensor([2.0, 0.0])
    >>> _ = net(torch.ones(5, 2))
    >>> round(float(penalty()), 4)  # one of two channels has moved by 2
    2.0
    """

    def __init__(
        self, strength: float = 0.01, layers: Sequence[str] | None = None, attention: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__(strength)
        self.layers, self.attention = layers, attention or {}

    def attach(self, network: nn.Module) -> None:
        """Copy the source, and watch the layers of both."""
        import torch

        names = list(self.layers) if self.layers is not None else learning_stages(network)
        for name in names:
            layer(network, name)
        self._source = copy.deepcopy(network).eval().requires_grad_(False)
        self._ours: dict[str, Tensor] = {}
        self._theirs: dict[str, Tensor] = {}
        self._names = names

        def watch(where: dict[str, Tensor], name: str) -> Callable[..., None]:
            def note(module: nn.Module, entering: Any, leaving: Tensor) -> None:
                where[name] = leaving

            return note

        for name in names:
            self._handles.append(layer(network, name).register_forward_hook(watch(self._ours, name)))
            layer(self._source, name).register_forward_hook(watch(self._theirs, name))

        def pass_along(module: nn.Module, entering: tuple[Any, ...]) -> None:
            if module.training:
                with torch.no_grad():
                    self._source(*entering)

        self._handles.append(network.register_forward_pre_hook(pass_along))

    def __call__(self) -> Tensor:
        """Return the term for the batch that was just passed."""
        missing = [name for name in self._names if name not in self._ours]
        if missing:
            raise DataError(f"layer {missing[0]!r} does not run here: name one above the cut")
        terms = []
        for name in self._names:
            squares = by_channel((self._ours[name].float() - self._theirs[name].float()) ** 2)
            weight = self.attention.get(name)
            if weight is None:
                terms.append(squares.mean())
            elif len(weight) != len(squares):
                raise DataError(f"attention of {name!r} has {len(weight)} numbers for {len(squares)} channels")
            else:
                terms.append(weight.to(squares) @ squares)
        return self.strength * sum(terms[1:], terms[0])

    def detach(self) -> None:
        """Take the hooks off and let the copy go."""
        super().detach()
        self._source, self._ours, self._theirs = None, {}, {}  # type: ignore[assignment]


def channel_attention(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layers: Sequence[str],
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return how much each channel of each layer is worth to a network: the softmax of what its absence costs.

    Each channel in turn is set to zero, and the mean loss over the batches is taken; so many passes are needed as there
    are channels. The network should be the source with the head of a linear probe.

    Parameters
    ----------
    network : torch.nn.Module
        Put into evaluation mode.
    batches : iterable of (inputs, classes)
        Gone through once for each channel, so a list.
    layers : sequence of str
    loss : callable, optional
        Cross-entropy by default.

    Returns
    -------
    dict of str to Tensor
        Of each layer (channels,), adding up to 1.

    References
    ----------
    Li et al. (2019), arXiv:1901.09229, equation 5.
    """
    import torch

    measure = loss or torch.nn.functional.cross_entropy
    seen = list(batches)
    network.eval()

    def cost() -> float:
        return sum(float(measure(network(x), y)) * len(x) for x, y in seen) / sum(len(x) for x, _ in seen)

    found = {}
    with torch.no_grad():
        plain = cost()
        for name in layers:
            silenced: dict[str, int] = {"channel": -1, "channels": 0}

            def silence(module: nn.Module, entering: Any, leaving: Tensor, state: dict[str, int] = silenced) -> Any:
                state["channels"] = leaving.shape[channel_axis(leaving)]
                if state["channel"] < 0:
                    return None
                changed = leaving.clone()
                changed.select(channel_axis(leaving), state["channel"]).zero_()
                return changed

            handle = layer(network, name).register_forward_hook(silence)
            cost()
            costs = []
            for channel in range(silenced["channels"]):
                silenced["channel"] = channel
                costs.append(cost() - plain)
            handle.remove()
            found[name] = torch.softmax(torch.tensor(costs), dim=0)
    return found


def learning_stages(network: nn.Module) -> list[str]:
    """Return the stages of which some weight that was carried over learns."""
    from headstart.sources.stages import find_stages

    carried, _ = learned(network)
    stages = [name for name in find_stages(inner(network)) if any(one.startswith(f"{name}.") for one in carried)]
    if not stages:
        raise DataError(f"{type(inner(network)).__name__} has no stages that learn: name layers")
    return stages


def layer(network: nn.Module, name: str) -> nn.Module:
    """Return a module by its name in the network itself."""
    try:
        return inner(network).get_submodule(name)
    except AttributeError:
        raise DataError(f"{type(inner(network)).__name__} has no layer {name!r}: give names of its modules") from None


def channel_axis(maps: Tensor) -> int:
    """Return where channels are: second in (n, c, h, w), last in (n, d) and (n, tokens, d)."""
    return 1 if maps.ndim == 4 else maps.ndim - 1


def by_channel(values: Tensor) -> Tensor:
    """Return the mean of each channel, (channels,)."""
    return values.movedim(channel_axis(values), 0).flatten(1).mean(dim=1)

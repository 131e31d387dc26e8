"""Batch spectral shrinkage: directions of the features that carry little are not carried over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.results import DataError
from headstart.transfer.parameter.penalties.base import NetworkPenalty, inner

if TYPE_CHECKING:
    from torch import Tensor, nn


class BatchSpectralShrinkage(NetworkPenalty):
    """The smallest singular values of a batch's features, squared.

    ``strength * sum_{i=1..k} sigma_{-i}²``, where sigma are the singular values of what enters the classifier,
    (b, d): components of the source that do not transfer show there, and are suppressed. It goes with any other
    penalty's aim; the weights themselves stay free. Where torchrun shares out a batch, each share has its own.

    Parameters
    ----------
    strength : float
    k : int
        How many of the smallest.

    Raises
    ------
    DataError
        If ``k`` is less than 1, or the network's classifier is no single layer.

    References
    ----------
    Chen et al. (2019), Catastrophic forgetting meets negative transfer: batch spectral shrinkage for safe transfer
    learning, NeurIPS 32, equation 5.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(2, 3))
    >>> penalty = BatchSpectralShrinkage(1.0)
    >>> penalty.attach(net)
    >>> _ = net(torch.diag(torch.tensor([3.0, 0.5])))
    >>> round(float(penalty()), 4)
    0.25
    """

    def __init__(self, strength: float = 1e-3, k: int = 1) -> None:
        super().__init__(strength)
        if k < 1:
            raise DataError(f"k={k}: give the number of singular values, 1 or more")
        self.k = k
        self._features: Tensor | None = None

    def attach(self, network: nn.Module) -> None:
        """Watch what enters the classifier."""
        from headstart.sources.stages import find_classifier

        classifier = find_classifier(inner(network))
        if classifier is None:
            raise DataError(f"{type(inner(network)).__name__} has no linear classifier to watch: use another penalty")

        def note(module: nn.Module, entering: tuple[Any, ...]) -> None:
            self._features = entering[0]

        self._handles = [classifier.register_forward_pre_hook(note)]

    def __call__(self) -> Tensor:
        """Return the term for the batch that was just passed."""
        import torch

        assert self._features is not None, "the network has not been called"
        lengths: Tensor = torch.linalg.svdvals(self._features.flatten(1).float())
        return self.strength * (lengths[-min(self.k, len(lengths)) :] ** 2).sum()

    def detach(self) -> None:
        """Take the hook off."""
        super().detach()
        self._features = None

"""Alignments: modules that give a penalty for what differs between a network's source and target rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from headstart.transfer.deep.losses import (
    certainty_weights,
    class_confusion,
    conditional_features,
    coral_loss,
    domain_loss,
    reverse_gradient,
)

_WIDEST = 4096  # products of features and classes, above which they are drawn at random
_STEEP = 10.0  # how fast the reversal sets in (Ganin et al. 2016, section 5.2.2)


class Alignment(nn.Module):
    """Base: features (b, d) and logits (b, k) of source and target rows in, a penalty out.

    ``strength`` rises from 0 to 1 in the course of the training; only what is adversarial looks at it.
    """

    strength: float = 1.0

    def set_progress(self, share: float) -> None:
        """Say how much of the training is over, 0 to 1."""
        self.strength = 2 / (1 + math.exp(-_STEEP * share)) - 1

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return the penalty."""
        raise NotImplementedError


class NoAlignment(Alignment):
    """No penalty: the source alone is learned."""

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return 0."""
        return fs.new_zeros(())


class CoralAlignment(Alignment):
    """The covariances of the features; see :func:`headstart.transfer.deep.losses.coral_loss`."""

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return the penalty."""
        return coral_loss(fs, ft)


class ConfusionAlignment(Alignment):
    """The classes that are confused on the target; see :func:`headstart.transfer.deep.losses.class_confusion`."""

    def __init__(self, temperature: float = 2.5) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return the penalty."""
        return class_confusion(zt, self.temperature)


class AdversarialAlignment(Alignment):
    """A discriminator that tells source from target, and features that learn to mislead it (DANN).

    Parameters
    ----------
    n_features : int
    hidden : int
        Width of the discriminator's one hidden layer.

    References
    ----------
    Ganin et al. (2016), Domain-adversarial training of neural networks, arXiv:1505.07818.
    """

    def __init__(self, n_features: int, hidden: int = 256) -> None:
        super().__init__()
        self.discriminator = nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def told(self, features: Tensor) -> Tensor:
        """Return the discriminator's logits (b,), its gradient reversed on the way back."""
        found: Tensor = self.discriminator(reverse_gradient(features, self.strength))
        return found[:, 0]

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return the penalty."""
        return domain_loss(self.told(fs), self.told(ft))


class ConditionalAlignment(AdversarialAlignment):
    """A discriminator of features times probabilities, the sure rows counting more (CDAN+E).

    Parameters
    ----------
    n_features, n_classes : int
    hidden : int
    random_state : int
        Seed of the random maps, which are used where the product has more than 4,096 entries.

    References
    ----------
    Long et al. (2018), Conditional adversarial domain adaptation, arXiv:1705.10667, eq. 4 to 8.
    """

    left: Tensor
    right: Tensor

    def __init__(self, n_features: int, n_classes: int, hidden: int = 256, random_state: int = 0) -> None:
        super().__init__(min(n_features * n_classes, _WIDEST), hidden)
        self.drawn = n_features * n_classes > _WIDEST
        if self.drawn:
            generator = torch.Generator().manual_seed(random_state)
            self.register_buffer("left", torch.randn(n_features, _WIDEST, generator=generator))
            self.register_buffer("right", torch.randn(n_classes, _WIDEST, generator=generator))

    def forward(self, fs: Tensor, zs: Tensor, ft: Tensor, zt: Tensor) -> Tensor:
        """Return the penalty."""
        maps = (self.left, self.right) if self.drawn else None
        source, target = (self.told(conditional_features(f, z.softmax(dim=1), maps)) for f, z in ((fs, zs), (ft, zt)))
        return domain_loss(source, target, certainty_weights(zs), certainty_weights(zt))

"""What aligns a network's features or answers on source and target, as functions of tensors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from headstart.results import DataError


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Return ``|C_s - C_t|² / (4 d²)``, C the covariances of features (b, d), of the Frobenius norm.

    Raises
    ------
    DataError
        If either has fewer than two rows, or they differ in width.

    References
    ----------
    Sun and Saenko (2016), Deep CORAL: correlation alignment for deep domain adaptation, arXiv:1607.01719, eq. 1 to 3.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    >>> coral_loss(x, torch.zeros(3, 2)), coral_loss(x, x + 5)  # the covariances are [[2, 0], [0, 0]] and 0
    (tensor(0.2500), tensor(0.))
    """
    if min(len(source), len(target)) < 2 or source.shape[1:] != target.shape[1:]:
        raise DataError(f"features {tuple(source.shape)} and {tuple(target.shape)}: give two rows or more, as wide")
    covariances = [(x - x.mean(dim=0)).T @ (x - x.mean(dim=0)) / (len(x) - 1) for x in (source, target)]
    found: Tensor = (covariances[0] - covariances[1]).square().sum() / (4 * source.shape[1] ** 2)
    return found


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """Return ``x``; its gradient comes back times ``-strength``.

    What is below learns to raise the loss that what is above learns to lower.

    References
    ----------
    Ganin et al. (2016), Domain-adversarial training of neural networks, arXiv:1505.07818, eq. 16 and 17.

    Examples
    --------
    >>> x = torch.ones(2, requires_grad=True)
    >>> reverse_gradient(x, 0.5).sum().backward()
    >>> x.grad
    tensor([-0.5000, -0.5000])
    """
    found: Tensor = _Reversal.apply(x, strength)  # type: ignore[no-untyped-call]
    return found


def domain_loss(
    source: Tensor, target: Tensor, source_weight: Tensor | None = None, target_weight: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy of a discriminator whose logits (b,) say "source"; both domains count the same.

    Parameters
    ----------
    source, target : Tensor, shape (b,)
        Its logits on rows of either.
    source_weight, target_weight : Tensor, shape (b,), optional
        Weights of the rows; only their ratios within a domain matter.

    Examples
    --------
    >>> domain_loss(torch.tensor([200.0]), torch.tensor([-200.0, -200.0]))
    tensor(0.)
    """
    halves = []
    for losses, weight in ((F.softplus(-source), source_weight), (F.softplus(target), target_weight)):
        halves.append(losses.mean() if weight is None else (losses * weight).sum() / weight.sum())
    return (halves[0] + halves[1]) / 2


def conditional_features(features: Tensor, probabilities: Tensor, maps: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Return what a conditional discriminator sees: features times probabilities.

    Parameters
    ----------
    features : Tensor, shape (b, d)
    probabilities : Tensor, shape (b, k)
    maps : tuple of Tensor, optional
        Random R_f (d, m) and R_g (k, m): ``(f R_f) * (p R_g) / sqrt(m)``, whose inner products are those of the full
        map in expectation.

    Returns
    -------
    Tensor, shape (b, d k) or (b, m)

    References
    ----------
    Long et al. (2018), Conditional adversarial domain adaptation, arXiv:1705.10667, eq. 5 to 7.

    Examples
    --------
    >>> conditional_features(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.25, 0.75]]))
    tensor([[0.2500, 0.5000, 0.7500, 1.5000]])
    """
    if maps is None:
        return (probabilities[:, :, None] * features[:, None, :]).flatten(1)
    left, right = maps
    found: Tensor = (features @ left) * (probabilities @ right) / left.shape[1] ** 0.5
    return found


def certainty_weights(logits: Tensor) -> Tensor:
    """Return ``1 + exp(-H)`` of each row (b,), H the entropy of its softmax: rows that are sure count more.

    They are weights, through which no gradient flows. Of CDAN+E, Long et al. (2018), eq. 8.
    """
    return 1 + torch.exp(-entropies(logits.detach()))


def entropies(logits: Tensor) -> Tensor:
    """Return the entropy of each row's softmax, (b,).

    >>> entropies(torch.zeros(1, 2)) / torch.log(torch.tensor(2.0))
    tensor([1.])
    """
    logs = F.log_softmax(logits, dim=1)
    found: Tensor = -(logs.exp() * logs).sum(dim=1)
    return found


def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """Return how much a network confuses classes on target rows, 0 to 1 - 1/k.

    With ``p = softmax(z / T)``, w the certainty weights scaled to a mean of 1, and ``C = sum_i w_i p_i p_i^T`` with its
    rows scaled to a sum of 1, the mean over the classes of what lies beside the diagonal.

    Parameters
    ----------
    logits : Tensor, shape (b, k)
    temperature : float

    References
    ----------
    Jin et al. (2020), Minimum class confusion for versatile domain adaptation, arXiv:1912.03699, eq. 2 to 6.

    Examples
    --------
    >>> class_confusion(torch.zeros(4, 2)), class_confusion(100 * torch.eye(2))
    (tensor(0.5000), tensor(0.))
    """
    scaled = logits / temperature
    p = F.softmax(scaled, dim=1)
    weights = certainty_weights(scaled)
    weights = weights / weights.mean()
    confusion = p.T @ (weights[:, None] * p)
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp_min(torch.finfo(p.dtype).tiny)
    return 1 - shares.diagonal().mean()

"""Losses for classes that are not represented equally, in PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headstart.imbalance.loss_spec import REDUCTIONS, LossSpec
from headstart.results import DataError


class ClassificationLoss(nn.Module):
    """A loss on logits and classes, as a module.

    What is computed, and what weights and reduction mean, stands in :class:`headstart.imbalance.loss_spec.LossSpec`;
    :func:`headstart.imbalance.loss_names.make_loss` builds it from a name. Half precision is computed in float32.

    Parameters
    ----------
    spec : LossSpec
        The loss.
    reduction : {"mean", "sum", "examples", "none"}
        Weighted mean or sum over the batch, the sum by the number of examples, or each example's weighted loss.

    Attributes
    ----------
    epoch : int
        What :meth:`set_epoch` was told last, at first 0.

    Examples
    --------
    >>> loss = ClassificationLoss(LossSpec("cross_entropy", 3))
    >>> round(float(loss(torch.zeros(2, 3), torch.tensor([0, 2]))), 4)
    1.0986
    """

    weight: Tensor | None
    margins: Tensor | None
    offsets: Tensor | None

    def __init__(self, spec: LossSpec, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise DataError(f"reduction={reduction!r}: give one of {', '.join(REDUCTIONS)}")
        self.spec, self.reduction, self.epoch = spec, reduction, 0
        for name in ("weight", "margins", "offsets"):
            numbers = getattr(spec, name)
            self.register_buffer(name, None if numbers is None else torch.from_numpy(numbers.copy()), persistent=False)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, counted from 0; only a loss with deferred reweighting needs to know."""
        self.epoch = epoch

    def forward(self, logits: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        logits : Tensor, shape (b, k)
        target : Tensor, shape (b,) or (b, k)
            Classes, or class shares (mixed pictures): a row of shares counts like its classes standing there with
            these weights.
        sample_weight : Tensor, shape (b,), optional
            Multiplied with the weights of the classes.

        Returns
        -------
        Tensor
            A number, or (b,) without reduction.

        Raises
        ------
        DataError
            If shapes or classes do not fit.
        """
        self._check(logits, target, sample_weight)
        rows = torch.arange(len(logits), device=logits.device)
        values = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        weights = values.new_ones(len(rows)) if sample_weight is None else sample_weight.to(values)
        if target.is_floating_point():
            rows, classes = target.nonzero(as_tuple=True)
            weights = weights[rows] * target[rows, classes].to(values)
        else:
            classes = target.long()
        if self.weight is not None and self.epoch >= self.spec.reweight_from:
            weights = weights * self.weight.to(values)[classes]
        losses = weights * self._terms(values[rows] if target.is_floating_point() else values, classes)
        if self.reduction == "none":
            return values.new_zeros(len(logits)).index_add(0, rows, losses)
        if self.reduction == "sum":
            return losses.sum()
        if self.reduction == "examples":
            return losses.sum() / max(len(logits), 1)
        total = weights.sum()
        return losses.sum() / torch.where(total == 0, torch.ones_like(total), total)

    def extra_repr(self) -> str:
        """Return what is printed between the brackets."""
        return f"{self.spec.name}, {self.spec.n_classes} classes, reduction={self.reduction}"

    def _terms(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return each row's loss without weight."""
        spec, index = self.spec, classes[:, None]
        scores = logits
        if self.margins is not None:
            scores = scores.scatter_add(1, index, -self.margins.to(scores)[index])
        if spec.scale != 1:
            scores = scores * spec.scale
        if self.offsets is not None:
            scores = scores + self.offsets.to(scores)
        if spec.one_vs_rest:
            signs = torch.ones_like(scores).scatter(1, index, -1.0)
            return _focused(signs * scores, spec.gamma).sum(dim=1)
        others = scores.scatter(1, index, -torch.inf).logsumexp(dim=1)
        terms = _focused(others - scores.gather(1, index)[:, 0], spec.gamma)
        if spec.label_smoothing:
            terms = torch.lerp(terms, -F.log_softmax(scores, dim=1).mean(dim=1), spec.label_smoothing)
        return terms

    def _check(self, logits: Tensor, target: Tensor, sample_weight: Tensor | None) -> None:
        k = self.spec.n_classes
        if logits.ndim != 2 or logits.shape[1] != k:
            raise DataError(f"logits have shape {tuple(logits.shape)}: this loss was made for (b, {k})")
        expected = logits.shape if target.is_floating_point() else logits.shape[:1]
        if target.shape != expected or target.dtype == torch.bool:
            raise DataError(
                f"target of {target.dtype} has shape {tuple(target.shape)} for logits {tuple(logits.shape)}: "
                "give whole numbers (b,) or class shares (b, k)"
            )
        if sample_weight is not None and sample_weight.shape != logits.shape[:1]:
            raise DataError(f"sample_weight has shape {tuple(sample_weight.shape)}: give ({len(logits)},)")
        # On a GPU looking would wait for it; there the kernel itself complains.
        if target.device.type == "cpu" and not target.is_floating_point() and len(target):
            least, most = int(target.min()), int(target.max())
            if least < 0 or most >= k:
                raise DataError(f"class {least if least < 0 else most} is not one of 0 to {k - 1}")


def _focused(d: Tensor, gamma: float) -> Tensor:
    """Return ``sigmoid(d)**gamma * log(1 + exp(d))``."""
    entropy = -F.logsigmoid(-d)
    return entropy if gamma == 0 else torch.exp(gamma * F.logsigmoid(d)) * entropy

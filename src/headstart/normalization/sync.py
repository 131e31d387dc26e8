"""Batch normalization over all processes, on CPU as well: what one process with the whole batch would compute."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.normalization.walk import replace
from headstart.results import DataError, HeadstartWarning

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import ProcessGroup


class SyncBatchNorm(_BatchNorm):
    """Batch normalization whose statistics are those of the batches of all processes together.

    In train mode, mean and variance are pooled exactly over the processes, whatever share of the batch each of them
    has, none included; input gradients are those of one process that has the whole batch. Every process must take
    part in each forward and each backward pass: one with an empty batch calls ``backward`` on the sum of its empty
    output. A layer sends one message forward (2c + 1 numbers) and one backward (2c; none where no gradient of the
    input is asked for). In evaluation, and where there is one process, it is a plain batch normalization and sends
    nothing.

    It takes what :class:`torch.nn.SyncBatchNorm` takes, has its state dict, and runs on processors (gloo) as well as
    on GPUs (nccl). Gradients of weight and bias are each process's own share, as in torch: they sum to the whole.

    Parameters
    ----------
    num_features : int
        Channels c of an input (n, c) or (n, c, ...), of any number of positions.
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of the newest batch in the running statistics; ``None`` is the mean over all batches.
    affine : bool
        Whether there is a weight and a bias for each channel.
    track_running_stats : bool
        Whether running statistics are kept; the variance is the unbiased one, over the count of all processes.
    process_group : ProcessGroup, optional
        The processes; all by default.

    Raises
    ------
    DataError
        On every process alike, if all of them together have one value a channel, whose variance is zero; if the input
        has other channels.

    References
    ----------
    Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1 and the gradients below it. Chan, Golub and LeVeque
    (1979), Updating formulae and a pairwise algorithm for computing sample variances, eq. 2.1.

    Examples
    --------
    >>> layer = SyncBatchNorm(3)
    >>> x = torch.randn(8, 3, 5, 5)
    >>> torch.allclose(layer(x), nn.BatchNorm2d(3)(x))
    True
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: ProcessGroup | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2 or input.shape[1] != self.num_features:
            raise DataError(
                f"SyncBatchNorm of {self.num_features} channels got an input of shape {tuple(input.shape)}: "
                f"give (n, {self.num_features}) or (n, {self.num_features}, ...)"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Normalize an input (n, c) or (n, c, ...)."""
        if not (self.training and _processes(self.process_group) > 1):
            return super().forward(input)
        self._check_input_dim(input)
        with torch.no_grad():
            mean, variance, count = pooled(input.detach(), self.process_group)
            if count == 1:
                raise DataError(
                    "one value a channel over all processes together: its variance is zero; give a larger batch, "
                    "freeze the statistics or convert to a group normalization"
                )
            if self.track_running_stats and self.running_mean is not None and count:
                self._update(mean, variance * (count / (count - 1)))
        if not count:
            mean, variance = torch.zeros_like(mean), torch.ones_like(variance)
        result: Tensor = _Normalize.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, mean, variance, count, self.eps, self.process_group
        )
        return result

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of this batch."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(variance.to(self.running_var.dtype), factor)


class SyncBatchNormAct(SyncBatchNorm):
    """The same with the dropout and the activation that timm fuses into a batch normalization."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalize, drop out and activate an input (n, c, h, w)."""
        result: Tensor = self.act(self.drop(super().forward(input)))
        return result


def synchronize(model: nn.Module, process_group: ProcessGroup | None = None) -> nn.Module:
    """Turn every batch normalization of a network into a :class:`SyncBatchNorm`.

    Taken are those of torch of every dimension, torch's own synchronized one, and timm's with an activation. Weights
    and statistics are the same tensors, so an optimizer that was built before goes on, the state dict keeps its
    names, and what was frozen stays frozen. Wrap the network for distributed training afterwards.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    process_group : ProcessGroup, optional
        The processes; all by default.

    Returns
    -------
    torch.nn.Module
        ``model``, or the new layer if it is itself a batch normalization.

    Warns
    -----
    HeadstartWarning
        If a batch normalization is of a kind that is not known: it is left, and sees its own process alone.

    Examples
    --------
    >>> synchronize(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, ...
    )
    """

    def make(name: str, module: nn.Module) -> nn.Module | None:
        if not isinstance(module, _BatchNorm) or isinstance(module, SyncBatchNorm):
            return None
        kind = _KINDS.get(f"{type(module).__module__}.{type(module).__name__}")
        if kind is None:
            warnings.warn(
                f"{name!r} is a {type(module).__name__}, which is not known: it still sees its own process alone",
                HeadstartWarning,
                stacklevel=2,
            )
            return None
        new = kind.__new__(kind)
        new.__dict__.update(module.__dict__)  # weights, statistics, hooks and the marks of what is frozen
        new.process_group = process_group
        return new

    return replace(model, make)


# By name, so that timm is not imported for a network that has none of it.
_KINDS: dict[str, type[SyncBatchNorm]] = {
    **{f"torch.nn.modules.batchnorm.BatchNorm{dimensions}d": SyncBatchNorm for dimensions in (1, 2, 3)},
    "torch.nn.modules.batchnorm.SyncBatchNorm": SyncBatchNorm,
    "timm.layers.norm_act.BatchNormAct2d": SyncBatchNormAct,
    "timm.layers.norm_act.SyncBatchNormAct": SyncBatchNormAct,
}


def pooled(x: Tensor, group: ProcessGroup | None = None) -> tuple[Tensor, Tensor, int]:
    """Return mean, biased variance and count of each channel over the batches of all processes, by one message.

    Parameters
    ----------
    x : Tensor of shape (n, c) or (n, c, ...)
        This process's share; it may be empty.
    group : ProcessGroup, optional
        All processes by default.

    Returns
    -------
    mean, variance : Tensor of shape (c,)
        In double precision; zeros where there is no value at all.
    count : int
        Values a channel.
    """
    n = x.numel() // x.shape[1]
    own = x.new_zeros((1 + 2 * x.shape[1],), dtype=torch.float64)
    if n:
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        variance, mean = torch.var_mean(wide, (0, *range(2, x.ndim)), correction=0)
        own[0] = n
        own[1:] = torch.cat([mean, variance])
    shares = [torch.empty_like(own) for _ in range(_processes(group))]
    distributed.all_gather(shares, own, group)
    # From every process's own mean and variance: sums of squares would lose a small variance around a large mean.
    table = torch.stack(shares)
    weights = table[:, :1] / table[:, 0].sum().clamp(min=1)
    means, variances = table[:, 1:].chunk(2, dim=1)
    mean = (weights * means).sum(0)
    variance = (weights * (variances + (means - mean) ** 2)).sum(0)
    return mean, variance, int(table[:, 0].sum())


class _Normalize(torch.autograd.Function):
    """Normalization by statistics that depend on the inputs of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: int,
        eps: float,
        group: ProcessGroup | None,
    ) -> Tensor:
        precision = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
        mean, variance = mean.to(precision), variance.to(precision)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.count, ctx.eps, ctx.group = count, eps, group
        if not x.numel():
            return x.clone()
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable  # type: ignore[misc,no-untyped-call]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        through: Tensor | None = None
        if x.numel():
            # With the statistics held: the gradient of the input, the sum of gradient times normalized input, and
            # the sum of the gradient; the last two are the gradients of weight and bias.
            through, slopes, total = torch.ops.aten.native_batch_norm_backward(
                gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
            )
        else:
            slopes, total = torch.zeros_like(mean), torch.zeros_like(mean)
        if ctx.needs_input_grad[0]:
            sums = torch.cat([slopes, total]).double()
            distributed.all_reduce(sums, group=ctx.group)
            through = x.clone() if through is None else _through_statistics(through, x, sums, ctx)
        return (
            through if ctx.needs_input_grad[0] else None,
            slopes.to(weight.dtype) if ctx.needs_input_grad[1] else None,
            total.to(weight.dtype) if ctx.needs_input_grad[2] else None,
            *[None] * 5,
        )


def _through_statistics(through: Tensor, x: Tensor, sums: Tensor, ctx: Any) -> Tensor:
    """Add to the gradient of the input what flows through mean and variance."""
    _, weight, mean, variance = ctx.saved_tensors
    scale = (variance.double() + ctx.eps).rsqrt()
    slopes, total = (sums / ctx.count).chunk(2)
    outer = scale if weight is None else scale * weight.double()
    shape = (1, -1, *[1] * (x.ndim - 2))
    constant = (outer * total).to(mean.dtype).view(shape)
    slope = (outer * scale * slopes).to(mean.dtype).view(shape)
    result: Tensor = through - (x - mean.view(shape)).mul_(slope).add_(constant)
    return result.to(x.dtype)


def _processes(group: ProcessGroup | None) -> int:
    """Return how many processes there are; 1 outside of torch.distributed."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size(group)

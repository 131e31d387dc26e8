"""How fast each stage may learn at each step: schedules, and the way from frozen to free without a jump."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import HeadstartError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

Schedule = Callable[[int, int], float]
Freedom = float | tuple[float, float] | Schedule


def one_cycle(step: int, total: int, *, warmup: float = 0.3, start: float = 1 / 25, final: float = 4e-6) -> float:
    """Return the share of the peak rate at a step of one cycle: half a cosine up, half a cosine down.

    With the defaults this is ``torch.optim.lr_scheduler.OneCycleLR`` (``pct_start=0.3, div_factor=25,
    final_div_factor=1e4``), without its momentum.

    Parameters
    ----------
    step : int
        From 0 to ``total - 1``; later steps keep ``final``.
    total : int
        Optimizer steps in all.
    warmup : float
        Share of the steps that go up, 0 to 1.
    start, final : float
        Shares of the peak at the first and at the last step.

    Raises
    ------
    HeadstartError
        If the step is negative, there is no step, or a share is out of range.

    References
    ----------
    Smith and Topin (2017), Super-convergence, arXiv:1708.07120.

    Examples
    --------
    >>> [round(one_cycle(step, 10), 3) for step in (0, 1, 2, 9)]
    [0.04, 0.52, 1.0, 0.0]
    """
    _check(step, total, warmup=warmup, start=start, final=final)
    top, end = warmup * total - 1, total - 1
    if step < top:
        return _cosine(start, 1.0, step / top)
    top = max(0.0, top)
    return _cosine(1.0, final, min(1.0, (step - top) / (end - top))) if end > top else 1.0


def warmup_cosine(step: int, total: int, *, warmup: float = 0.05, start: float = 1 / 25, final: float = 0.0) -> float:
    """Return the share of the peak rate at a step of a short linear warm-up and half a cosine down.

    Parameters
    ----------
    step : int
        From 0 to ``total - 1``; later steps keep ``final``.
    total : int
        Optimizer steps in all.
    warmup : float
        Share of the steps that go up, 0 to 1.
    start, final : float
        Shares of the peak at the first and at the last step.

    Raises
    ------
    HeadstartError
        If the step is negative, there is no step, or a share is out of range.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR, arXiv:1608.03983, equation 5, without restarts; warm-up: Goyal et al. (2017),
    arXiv:1706.02677, section 2.2.

    Examples
    --------
    >>> [round(warmup_cosine(step, 101, warmup=0.1, start=0), 3) for step in (0, 5, 10, 55, 100)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    _check(step, total, warmup=warmup, start=start, final=final)
    top, end = min(round(warmup * total), total - 1), total - 1
    if step < top:
        return start + (1.0 - start) * step / top
    return _cosine(1.0, final, min(1.0, (step - top) / (end - top))) if end > top else 1.0


def constant(step: int, total: int) -> float:
    """Return 1: the peak rate throughout."""
    return 1.0


def stage_rates(depths: ArrayLike, freedom: float) -> NDArray[np.float64]:
    """Return the share of the rate that each stage gets: ``freedom ** depth``.

    Freedom 0 is frozen (0 for all but the head, whose depth is 0 and whose share is 1), freedom 1 is free (one rate
    for all), and between the two nothing jumps: freezing is the limit of a small rate. A constant freedom is the
    ``layer_decay`` of :func:`headstart.finetuning.parameter_groups` by another name; give one of the two.

    A rate of 0 holds weights exactly, with weight decay as well where that is multiplied by the rate, as in PyTorch's
    SGD and AdamW. It does not hold the running statistics of batch normalization: only
    :func:`headstart.finetuning.freeze` does.

    Parameters
    ----------
    depths : array_like of int, shape (m,)
        How far each stage stands below the head: ``layout(model).depth(stage)``, or ``depth`` of a parameter group.
    freedom : float
        0 to 1.

    Raises
    ------
    HeadstartError
        If freedom is out of range or a depth is negative.

    Examples
    --------
    >>> stage_rates([3, 2, 1, 0], 0.5).tolist(), stage_rates([3, 2, 1, 0], 0).tolist()
    ([0.125, 0.25, 0.5, 1.0], [0.0, 0.0, 0.0, 1.0])
    """
    below = np.asarray(depths, dtype=np.float64)
    if not 0 <= freedom <= 1:
        raise HeadstartError(f"freedom={freedom} must lie between 0 (all but the head frozen) and 1 (all free)")
    if (below < 0).any():
        raise HeadstartError(f"depth {below.min():.0f} is above the head: count down from 0, the head")
    return np.asarray(np.power(float(freedom), below))


def rate_factors(
    depths: ArrayLike, step: int, total: int, *, freedom: Freedom = 1.0, shape: Schedule = one_cycle
) -> NDArray[np.float64]:
    """Return what the rate of each stage is multiplied by at a step: the schedule that all share, times freedom.

    While freedom rises from 0, the stages thaw from the head down, each a little later and more slowly than the one
    above it: gradual unfreezing (:func:`headstart.finetuning.gradual`) without its jumps.

    Parameters
    ----------
    depths : array_like of int, shape (m,)
        How far each stage stands below the head.
    step, total : int
        The step, from 0, and how many there are.
    freedom : float, (float, float) or callable
        A constant, the two ends of a straight line over the training, or a function of ``(step, total)``; 0 to 1.
    shape : callable
        Function of ``(step, total)``: :func:`one_cycle`, :func:`warmup_cosine`, :func:`constant` or your own.

    Raises
    ------
    HeadstartError
        If freedom or the step is out of range.

    Examples
    --------
    >>> for step in (0, 5, 10):
    ...     print(rate_factors([2, 1, 0], step, 11, freedom=(0, 1), shape=constant).tolist())
    [0.0, 0.0, 1.0]
    [0.25, 0.5, 1.0]
    [1.0, 1.0, 1.0]
    """
    _check(step, total)
    if callable(freedom):
        now = freedom(step, total)
    elif isinstance(freedom, tuple):
        first, last = freedom
        progress = min(1.0, step / (total - 1)) if total > 1 else 1.0
        now = (1 - progress) * first + progress * last
    else:
        now = freedom
    return shape(step, total) * stage_rates(depths, now)


def scheduler(optimizer: Optimizer, total: int, *, freedom: Freedom = 1.0, shape: Schedule = one_cycle) -> LambdaLR:
    """Return a PyTorch scheduler that gives each group its rate times :func:`rate_factors`; step it once a batch.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        On groups of :func:`headstart.finetuning.parameter_groups`, whose ``depth`` is read.
    total : int
        Optimizer steps in all.
    freedom, shape
        See :func:`rate_factors`.

    Raises
    ------
    HeadstartError
        If a group has no ``depth``.
    """
    from torch.optim.lr_scheduler import LambdaLR

    groups = optimizer.param_groups
    if any("depth" not in group for group in groups):
        raise HeadstartError("a group of the optimizer has no depth: make its groups with parameter_groups")
    depths = [int(group["depth"]) for group in groups]

    def of_group(k: int) -> Callable[[int], float]:
        return lambda step: float(rate_factors(depths[k : k + 1], step, total, freedom=freedom, shape=shape)[0])

    return LambdaLR(optimizer, [of_group(k) for k in range(len(groups))])


def _cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) / 2 * (1 + math.cos(math.pi * progress))


def _check(step: int, total: int, **shares: float) -> None:
    if total < 1 or step < 0:
        raise HeadstartError(f"step {step} of {total}: steps count from 0, and there must be one")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise HeadstartError(f"{name}={share} must lie between 0 and 1")

"""How fast each stage may learn at each step: the way from frozen to free without a jump."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import HeadstartError
from headstart.training.schedules import Schedule, check_step, one_cycle

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

Freedom = float | tuple[float, float] | Schedule


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
        Function of ``(step, total)``, such as those of :mod:`headstart.training.schedules`.

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
    check_step(step, total)
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

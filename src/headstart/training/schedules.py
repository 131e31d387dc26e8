"""Schedules: which share of its peak the learning rate has at each step."""

from __future__ import annotations

import math
from collections.abc import Callable

from headstart.results import HeadstartError

Schedule = Callable[[int, int], float]


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
    check_step(step, total, warmup=warmup, start=start, final=final)
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
    check_step(step, total, warmup=warmup, start=start, final=final)
    top, end = min(round(warmup * total), total - 1), total - 1
    if step < top:
        return start + (1.0 - start) * step / top
    return _cosine(1.0, final, min(1.0, (step - top) / (end - top))) if end > top else 1.0


def constant(step: int, total: int) -> float:
    """Return 1: the peak rate throughout."""
    return 1.0


def _cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) / 2 * (1 + math.cos(math.pi * progress))


def check_step(step: int, total: int, **shares: float) -> None:
    """Refuse a step that is none, and shares that lie outside 0 to 1."""
    if total < 1 or step < 0:
        raise HeadstartError(f"step {step} of {total}: steps count from 0, and there must be one")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise HeadstartError(f"{name}={share} must lie between 0 and 1")

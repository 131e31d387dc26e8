"""The learning rate finder: one short sweep over all rates, on a copy of the network."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning.groups import parameter_groups
from headstart.results import Answer, HeadstartError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from plotly.graph_objects import Figure
    from torch import Tensor, nn
    from torch.optim import Optimizer

_LEAST = 10  # steps below which there is no curve to speak of
_DIVERGED = 3.0  # times the best loss, or a tenth of the first, above the best
_MEMORY = 0.9  # of the running mean that tells when a sweep has diverged
_WINDOW = 0.2  # of the sweep that a slope is measured over
_NOISE = 7.0  # standard errors of the smoothed loss, which that of pure noise falls by in 2 of 100 sweeps


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateFinding(Answer):
    """The loss at each learning rate, and the rate at which it falls fastest.

    Attributes
    ----------
    suggestion : float
        Rate for the fastest group; the others keep their proportion to it.
    lowest_at : float
        Rate at which the smoothed loss is lowest: an upper bound.
    diverged : bool
        Whether the sweep ended because the loss had grown beyond all measure.
    rates, losses : tuple of float
        Each step's rate and its loss, as measured on that step's batch.
    smooth, slope : tuple of float
        The loss by local regression, and how much it changes there for each tenfold of the rate.
    """

    suggestion: float
    lowest_at: float
    diverged: bool
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    slope: tuple[float, ...]

    question = "How fast may it learn?"

    def headline(self) -> str:
        """One sentence: the rate, and up to where the loss falls."""
        end = "where the sweep ended" if self.lowest_at == self.rates[-1] else "and grows beyond"
        lowest = f"it is lowest at {self.lowest_at:.2g}, {end}"
        return f"Learn at {self.suggestion:.2g}, where the loss falls fastest; {lowest}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each step of the sweep."""
        import pandas as pd

        return pd.DataFrame(
            {"rate": self.rates, "loss": self.losses, "smoothed": self.smooth, "slope": self.slope}
        ).set_index("rate")

    def plot(self) -> Figure:
        """Return the loss over the rate, with the suggestion."""
        from plotly import graph_objects as go

        from headstart.results.plotting import INK, PALETTE, styled

        figure = go.Figure(
            [
                go.Scatter(x=self.rates, y=self.losses, mode="markers", name="each batch",
                           marker={"size": 4, "color": PALETTE[6]}),
                go.Scatter(x=self.rates, y=self.smooth, mode="lines", name="smoothed",
                           line={"width": 2.5, "color": PALETTE[0]}),
            ]
        )  # fmt: skip
        figure.add_vline(self.suggestion, line={"color": PALETTE[1], "width": 1.5})
        figure.add_annotation(
            x=math.log10(self.suggestion), y=1, yref="paper", text=f"{self.suggestion:.2g}", showarrow=False,
            xanchor="left", xshift=4, font={"color": INK},
        )  # fmt: skip
        styled(figure, height=320, x="learning rate", y="loss")
        low, high = min(self.smooth), max(self.smooth)
        figure.update_yaxes(range=[low - 0.1 * (high - low), high + 0.1 * (high - low)])
        return figure.update_xaxes(type="log")


def steepest(rates: ArrayLike, losses: ArrayLike) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
    """Return where the loss of a sweep falls fastest, where it is lowest, the smoothed losses and their slope.

    The loss is smoothed, and its slope taken, by local linear regression over a fifth of the sweep (Savitzky-Golay):
    other than the usual running mean it looks to both sides, so that the curve is not shifted towards higher rates,
    and other than the difference of neighbouring losses its slope is not made of the noise of single batches. What
    lies beyond the lowest point is left out; there the loss only recovers or diverges.

    Parameters
    ----------
    rates : array_like, shape (n,)
        Rising by a constant factor.
    losses : array_like, shape (n,)
        Loss at each.

    Returns
    -------
    position : int
        Of the steepest descent.
    lowest : int
        Of the lowest smoothed loss.
    smooth, slope : ndarray, shape (n,)
        Smoothed losses and their change for each tenfold of the rate.
    """
    from scipy.signal import savgol_filter

    logs, values = np.log10(np.asarray(rates, dtype=np.float64)), np.asarray(losses, dtype=np.float64)
    # One loss beyond all measure would bend the curve before it, too.
    values = np.minimum(values, values[: values.argmin() + 1].max())
    window = _window(len(values))
    smooth = savgol_filter(values, window, 1)
    slope = savgol_filter(values, window, 1, deriv=1, delta=float(logs[1] - logs[0]))
    lowest = int(smooth.argmin())
    return int(slope[: lowest + 1].argmin()), lowest, smooth, slope


def find_rate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    groups: Callable[[Any], list[dict[str, Any]]] | None = None,
    optimizer: Callable[[list[dict[str, Any]]], Optimizer] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    lowest: float = 1e-6,
    highest: float = 1.0,
    n_steps: int = 100,
    seed: int = 0,
) -> RateFinding:
    """Suggest a learning rate: train a copy for a few steps while the rate rises from ``lowest`` to ``highest``.

    The rate rises by the same factor each step until the running mean of the loss is four times its best. The
    suggestion is where the smoothed loss falls fastest (:func:`steepest`), which is well below the rate at which it is
    lowest. ``model`` is left bit-equal, buffers included, and so are the states of the global random generators of
    Python, NumPy and PyTorch.

    Parameters
    ----------
    model : torch.nn.Module
        Takes the inputs and returns scores. What is frozen stays frozen in the copy. The copy is in train mode.
    batches : iterable of (inputs, targets)
        Gone through again and again, if need be.
    groups : callable, optional
        From the copy to optimizer groups; by default ``parameter_groups(copy, rate=1)``. The fastest of them gets the
        rate of the sweep, the others keep their proportion to it.
    optimizer : callable, optional
        From groups to an optimizer; ``torch.optim.AdamW`` by default.
    loss : callable, optional
        From scores and targets to a mean; cross-entropy by default.
    lowest, highest : float
        Ends of the sweep.
    n_steps : int
        Steps of the sweep, at least 10.
    seed : int
        Seed of dropout and the like.

    Returns
    -------
    RateFinding

    Raises
    ------
    HeadstartError
        If the ends are no range, there are fewer than 10 steps or batches run out, or the loss is no number at once.

    References
    ----------
    Smith (2017), Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3.3.
    """
    import torch
    from torch.nn.functional import cross_entropy

    if not 0 < lowest < highest < math.inf:
        raise HeadstartError(f"rates from {lowest} to {highest} are no range: give 0 < lowest < highest")
    if n_steps < _LEAST:
        raise HeadstartError(f"n_steps={n_steps} is no curve: give at least {_LEAST}")
    rates = np.geomspace(lowest, highest, n_steps)
    measured: list[float] = []
    best, running, diverged = math.inf, 0.0, False
    with _undisturbed(seed):
        trial = copy.deepcopy(model).train()
        trial.zero_grad()
        engine = (optimizer or torch.optim.AdamW)(
            groups(trial) if groups is not None else parameter_groups(trial, rate=1.0)
        )
        shares = [group["lr"] for group in engine.param_groups]
        if not max(shares) > 0:
            raise HeadstartError("all groups have the rate 0: give at least one a rate, their proportions are kept")
        device = next(trial.parameters()).device
        for step, (inputs, targets) in enumerate(_repeated(batches, n_steps)):
            for group, share in zip(engine.param_groups, shares, strict=True):
                group["lr"] = float(rates[step]) * share / max(shares)
            engine.zero_grad()
            value = (loss or cross_entropy)(trial(inputs.to(device)), targets.to(device))
            now = float(value.detach())
            if not math.isfinite(now):
                diverged = True
                break
            measured.append(now)
            running = _MEMORY * running + (1 - _MEMORY) * now
            unbiased = running / (1 - _MEMORY ** (step + 1))
            best = min(best, unbiased)
            if unbiased > best + _DIVERGED * max(abs(best), abs(measured[0]) / 10):
                diverged = True
                break
            value.backward()  # type: ignore[no-untyped-call]
            engine.step()
    if len(measured) < _LEAST:
        raise HeadstartError(
            f"the loss diverged within {len(measured)} steps, at rates from {lowest:.2g} on: lower `lowest`, or look "
            "at the inputs and the loss"
        )
    position, bottom, smooth, slope = steepest(rates[: len(measured)], measured)
    return RateFinding(
        suggestion=float(rates[position]),
        lowest_at=float(rates[bottom]),
        diverged=diverged,
        rates=tuple(rates[: len(measured)].tolist()),
        losses=tuple(measured),
        smooth=tuple(smooth.tolist()),
        slope=tuple(slope.tolist()),
        warnings=_warnings(np.array(measured), smooth, position, bottom, diverged, lowest, highest),
    )


def _window(n: int) -> int:
    return max(3, 2 * round(_WINDOW * n / 2) + 1)


def _warnings(
    losses: NDArray[np.float64],
    smooth: NDArray[np.float64],
    position: int,
    bottom: int,
    diverged: bool,
    lowest: float,
    highest: float,
) -> tuple[str, ...]:
    notes = []
    # Differences of neighbours know nothing of the curve's bends, their median nothing of its end.
    deviation = float(np.median(np.abs(np.diff(losses)))) / (math.sqrt(2) * 0.6745)
    noise = deviation / math.sqrt(_window(len(losses)))
    fall = float(smooth[: position + 1].max() - smooth[bottom])
    if fall <= _NOISE * noise:
        notes.append(
            f"the loss falls by {fall:.2g}, which is no more than batches differ: the suggestion means little; use "
            "larger batches or more steps"
        )
    if position <= _window(len(losses)) // 2:
        notes.append(f"the loss falls fastest at the lower end of the sweep: lower `lowest` from {lowest:.2g}")
    if not diverged and bottom == len(smooth) - 1:
        notes.append(f"the loss still falls at the upper end of the sweep: raise `highest` from {highest:.2g}")
    return tuple(notes)


def _repeated(batches: Iterable[tuple[Tensor, Tensor]], n: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield n batches, from the start again where they end."""
    given = 0
    while given < n:
        before = given
        for batch in batches:
            yield batch
            given += 1
            if given == n:
                return
        if given == before:
            raise HeadstartError(f"the batches ran out after {given} of {n} steps: give a list or a data loader")


@contextlib.contextmanager
def _undisturbed(seed: int) -> Iterator[None]:
    """Give the block generators of its own, and leave the global ones as they were."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002

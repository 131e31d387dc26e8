"""Statistics of the target in place of those of the source, pooled exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.features.moments import (
    Moments,
    batch_moments,
    evaluating,
    has_statistics,
    inputs_of,
    watched,
)
from headstart.features.overlap import Statistics
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from torch import Tensor, nn

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recalibration(Answer):
    """What the target's statistics are, and how far from the source's.

    Attributes
    ----------
    layers : tuple of str
        Batch normalizations, in the order in which they first run.
    shift : tuple of float
        Mean distance of the channels' means, in standard deviations of the source.
    overlap : tuple of float
        Mean Bhattacharyya coefficient of source and target over the channels, 0 to 1.
    values : tuple of int
        From how many values a channel's statistics were pooled.
    n : int
        Examples of the target.
    weight : float
        Of the target in the new statistics; the rest is the source's.
    passes : int
        How often the target ran through the network.
    change : float
        How much the last pass still moved a channel's mean, or its standard deviation, at most, in standard
        deviations; NaN after one pass.
    statistics : tuple of Statistics
        Of each layer: the target's mean and unbiased variance, and what stood there before.
    """

    layers: tuple[str, ...]
    shift: tuple[float, ...]
    overlap: tuple[float, ...]
    values: tuple[int, ...]
    n: int
    weight: float
    passes: int
    change: float
    statistics: tuple[Statistics, ...] = dataclasses.field(repr=False)

    question = "How far are the target's statistics from the source's, layer by layer?"

    def headline(self) -> str:
        """One sentence: which layer moved most."""
        most = int(np.argmax(self.shift))
        pull = "" if self.weight == 1 else f", pulled back to the source by {1 - self.weight:.0%}"
        return (
            f"{len(self.layers)} layers now hold the statistics of {self.n} examples{pull}; "
            f"{self.layers[most]!r} moved most, by {self.shift[most]:.2f} standard deviations of the source."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer, in the order in which they run."""
        import pandas as pd

        return pd.DataFrame(
            {"shift": self.shift, "overlap": self.overlap, "values": self.values},
            index=pd.Index(self.layers, name="layer"),
        )

    def plot(self) -> Figure:
        """Return one bar for each layer: how far the target's means are from the source's."""
        from plotly import graph_objects as go

        from headstart.results.plotting import styled

        figure = go.Figure(go.Bar(x=list(self.layers), y=list(self.shift)))
        return styled(figure, y="standard deviations of the source")

    def restore(self, model: nn.Module) -> nn.Module:
        """Put the statistics that stood there before back into ``model``, and return it."""
        import torch

        with torch.no_grad():
            for layer in self.statistics:
                module: Any = model.get_submodule(layer.layer)
                module.running_mean.copy_(torch.from_numpy(layer.source_mean))
                module.running_var.copy_(torch.from_numpy(layer.source_variance))
        return model


def recalibrate(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    prior: float = 0.0,
    passes: int | None = None,
    tolerance: float = 1e-4,
) -> Recalibration:
    """Replace the running statistics of every batch normalization by those of the target.

    What is computed: statistics such that each layer holds the mean and the unbiased variance of its own input over
    all batches together, where every layer before it already holds its new ones. There is exactly one such set, it
    does not depend on how the target is cut into batches, and it is what the network in evaluation then normalizes
    by: AdaBN (Li et al.). A moving average in train mode is neither: it forgets the first batches, and each layer
    sees inputs that were normalized by a single batch.

    How: in the first pass each layer normalizes by the batch at hand, as in train mode, while its statistics are
    pooled over the batches: precise batch normalization (Wu and Johnson, section 3), which depends on the batch size.
    Each further pass runs in evaluation and pools anew what each layer sees. After k passes the first k layers are
    exact, and the rest follow much sooner than that, so the passes end when none moves any more.

    With ``prior`` the new statistics are ``(prior * source + n * target) / (prior + n)``, for n examples, means and
    variances alike (Schneider et al.): few examples tell little, and the source's are pulled towards.

    Weights, dropout and modes are left alone. Layers whose statistics are frozen are recalibrated as well.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    batches : iterable of Tensor or of tuple
        Inputs as the network takes them, of any batch sizes; of a tuple the first is taken. It is gone through once a
        pass; an iterator is kept as a list.
    prior : float
        How many examples the source's statistics are worth; 0 forgets them.
    passes : int, optional
        At most so many; by default until nothing moves, at most as many as there are layers. One pass is precise batch
        normalization.
    tolerance : float
        Passes end when no channel's mean or standard deviation moved by more than this many standard deviations.

    Returns
    -------
    Recalibration
        Its :meth:`~Recalibration.restore` undoes it.

    Raises
    ------
    DataError
        If no layer has running statistics, there is no example, a layer sees a single value a channel, or what it sees
        is not finite. The model is then as it was.

    References
    ----------
    Li et al. (2017), Revisiting batch normalization for practical domain adaptation, arXiv:1603.04779, algorithm 1.
    Wu and Johnson (2021), Rethinking "Batch" in BatchNorm, arXiv:2105.07576, section 3. Schneider et al. (2020),
    Improving robustness against common corruptions by covariate shift adaptation, arXiv:2006.16971.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    >>> recalibrate(net, [torch.tensor([[1.0], [2.0]]), torch.tensor([[6.0]])]).n
    3
    >>> net[0].running_mean, net[0].running_var
    (tensor([3.]), tensor([7.]))
    """
    if prior < 0 or (passes is not None and passes < 1):
        raise DataError(f"prior={prior}, passes={passes}: give a prior of at least 0 and at least one pass")
    layers: dict[str, Any] = {name: module for name, module in model.named_modules() if has_statistics(module)}
    if not layers:
        raise DataError("no batch normalization with running statistics in this network: nothing to recalibrate")
    again = batches if iter(batches) is not batches else list(batches)
    before = {name: (_array(module.running_mean), _array(module.running_var)) for name, module in layers.items()}
    run = _Run(model, layers, again, before, prior)
    limit = len(layers) if passes is None else passes
    try:
        run.once(by_batch=True)
        while run.passes < limit and not run.change <= tolerance:
            run.once(by_batch=False)
    except BaseException:
        for name, old in before.items():
            _put(layers[name], *old)
        raise
    for name in run.found:
        tracked = getattr(layers[name], "num_batches_tracked", None)
        if tracked is not None:
            tracked.add_(run.batches)
    return run.answer(settled=run.passes >= len(layers) or run.change <= tolerance)


class _Run:
    """The passes of one recalibration, and what they found."""

    def __init__(
        self,
        model: nn.Module,
        layers: dict[str, Any],
        batches: Iterable[Any],
        before: dict[str, tuple[Floats, Floats]],
        prior: float,
    ) -> None:
        self.model, self.layers, self.data, self.before, self.prior = model, layers, batches, before, prior
        self.found: dict[str, Moments] = {}
        self.n = self.batches = self.passes = 0
        self.weight, self.change = 1.0, np.nan

    def once(self, *, by_batch: bool) -> None:
        """Pool what each layer sees of the target and put it into the layer; normalize by batch or as it stands."""
        self.found, self.n, self.batches = {}, 0, 0

        def seen(name: str, module: Any, x: Tensor) -> None:
            moments = self.found.setdefault(name, Moments())
            moments.add(x)
            if by_batch and x.numel():
                variance, mean = batch_moments(x)
                module.running_mean.copy_(mean)
                module.running_var.copy_(variance)

        with evaluating(self.model), watched(self.layers, seen):
            for batch in self.data:
                x = inputs_of(batch, self.model)
                if len(x):
                    self.model(x)
                    self.n, self.batches = self.n + len(x), self.batches + 1
        if not self.n:
            raise DataError("no example to recalibrate with: the batches are empty")
        self.weight = self.n / (self.n + self.prior)
        moved = [self._take(name, moments, by_batch) for name, moments in self.found.items()]
        self.change = np.nan if by_batch else max(moved)
        self.passes += 1

    def _take(self, name: str, moments: Moments, by_batch: bool) -> float:
        mean, variance = moments.mean, moments.variance()
        if moments.count < 2:
            raise DataError(f"{name!r} sees a single value a channel, which has no variance: give more examples")
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            raise DataError(f"what {name!r} sees is not finite: look for NaN or infinite inputs, or run in float32")
        source_mean, source_variance = self.before[name]
        share = self.weight
        return _put(
            self.layers[name],
            share * mean + (1 - share) * source_mean,
            share * variance + (1 - share) * source_variance,
        )

    def answer(self, *, settled: bool) -> Recalibration:
        found = [
            Statistics(name, "", moments.mean, moments.variance(), *self.before[name], float(self.layers[name].eps))
            for name, moments in self.found.items()
        ]
        unseen = [name for name in self.layers if name not in self.found]
        notes = []
        if unseen:
            notes.append(f"{', '.join(map(repr, unseen))} did not run: the source's statistics stay there")
        if not settled:
            notes.append(
                f"statistics still depend on one another after {self.passes} "
                f"{'pass' if self.passes == 1 else 'passes'} over {self.batches} batches: leave `passes` out to go on"
            )
        return Recalibration(
            layers=tuple(layer.layer for layer in found),
            shift=tuple(float(layer.shift().mean()) for layer in found),
            overlap=tuple(float(layer.overlap().mean()) for layer in found),
            values=tuple(moments.count for moments in self.found.values()),
            n=self.n,
            weight=self.weight,
            passes=self.passes,
            change=self.change,
            statistics=tuple(found),
            warnings=tuple(notes),
        )


def _put(module: Any, mean: Floats, variance: Floats) -> float:
    """Set a layer's statistics; return how much they moved at most, in standard deviations."""
    import torch

    old_mean, old = _array(module.running_mean), np.sqrt(_array(module.running_var) + module.eps)
    module.running_mean.copy_(torch.from_numpy(mean))
    module.running_var.copy_(torch.from_numpy(variance))
    new = np.sqrt(variance + module.eps)
    return float(max((np.abs(mean - old_mean) / new).max(), (np.abs(new - old) / new).max()))


def _array(tensor: Tensor) -> Floats:
    return tensor.detach().double().cpu().numpy().copy()

"""How far fine-tuning moved the weights of the source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from headstart.finetuning.freezing import layout
from headstart.results import Answer, HeadstartError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from torch import Tensor, nn


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift(Answer):
    """How far each stage of a network is from its source.

    Attributes
    ----------
    stages : tuple of str
        The stages that both have, in the order in which they run.
    weights : tuple of float
        Relative distance of all parameters of a stage, ``||w - w0|| / ||w0||`` in the Euclidean norm.
    mean_shift : tuple of float
        Largest change of a running mean of batch normalization, in standard deviations of the source; NaN without.
    variance_ratio : tuple of float
        Largest factor, up or down, by which a running variance changed; 1 is none, NaN without batch normalization.
    """

    stages: tuple[str, ...]
    weights: tuple[float, ...]
    mean_shift: tuple[float, ...]
    variance_ratio: tuple[float, ...]

    question = "How far did fine-tuning move each layer?"

    def headline(self) -> str:
        """One sentence: which stage moved most, and which did not."""
        if not any(self.weights):
            moved = "No weight moved"
            statistics = np.nanmax([*self.mean_shift, 0.0]) > 0 or np.nanmax([*self.variance_ratio, 1.0]) > 1
            return f"{moved}, but statistics of batch normalization did." if statistics else f"{moved}."
        most = int(np.argmax(self.weights))
        still = [stage for stage, moved in zip(self.stages, self.weights, strict=True) if moved == 0]
        rest = f"; {len(still)} of {len(self.stages)} stages did not move" if still else ""
        return f"{self.stages[most]!r} moved most, by {self.weights[most]:.2%} of its weights' norm{rest}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each stage, in the order in which they run."""
        import pandas as pd

        return pd.DataFrame(
            {"weights": self.weights, "mean shift": self.mean_shift, "variance ratio": self.variance_ratio},
            index=pd.Index(self.stages, name="stage"),
        )

    def plot(self) -> Figure:
        """Return one bar for each stage: how far its weights moved."""
        from plotly import graph_objects as go

        from headstart.results.plotting import styled

        figure = go.Figure(
            go.Bar(
                x=self.weights, y=self.stages, orientation="h",
                customdata=np.column_stack([self.mean_shift, self.variance_ratio]),
                hovertemplate="%{y}: %{x:.2%}<br>running means: %{customdata[0]:.2f} standard deviations"
                "<br>running variances: × %{customdata[1]:.2f}<extra></extra>",
            )
        )  # fmt: skip
        styled(figure, height=80 + 24 * len(self.stages), x="distance from the source's weights")
        figure.update_xaxes(rangemode="tozero", tickformat=".1%")
        return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers, to be compared with later.

    A state dict, like any detached tensor, shares its memory with the network: it follows every step of training, and
    the distance to it is always 0.
    """
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def drift(network: nn.Module, source_network: nn.Module | Mapping[str, Tensor]) -> Drift:
    """Measure how far each stage of ``network`` is from the source that it was fine-tuned from.

    A classifier of another shape is left out, and said.

    Parameters
    ----------
    network : torch.nn.Module
        The fine-tuned network.
    source_network : torch.nn.Module or mapping of str to Tensor
        ``source.network()``, another copy of the network, or a :func:`snapshot` taken before training.

    Raises
    ------
    HeadstartError
        If the two are not of the same architecture, or share their memory.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU(), torch.nn.Linear(2, 2, bias=False))
    >>> before = snapshot(net)
    >>> with torch.no_grad():
    ...     _ = net[0].weight.mul_(1.5)
    >>> drift(net, before).to_frame()["weights"].round(3).to_dict()
    {'0': 0.5, 'head': 0.0}
    """
    then = source_network if isinstance(source_network, Mapping) else source_network.state_dict()
    plan = layout(network)
    distance, norm = (dict.fromkeys(plan.stages, 0.0) for _ in range(2))
    left_out = []
    compared = set()
    for name, parameter in network.named_parameters():
        stage, origin = plan.parameters[name], then.get(name)
        if origin is None or origin.shape != parameter.shape:
            if stage != plan.stages[-1]:
                shape = "is missing there" if origin is None else f"is {tuple(origin.shape)} there"
                raise HeadstartError(
                    f"the source does not fit the network: {name} {tuple(parameter.shape)} {shape}: "
                    "give the source that it was fine-tuned from"
                )
            left_out.append(name)
            continue
        if origin.untyped_storage().data_ptr() == parameter.untyped_storage().data_ptr():
            raise HeadstartError(
                f"{name} of the source shares its memory with the network's, so that no drift would ever be seen: "
                "compare with snapshot(network) taken before training, or with a copy"
            )
        compared.add(stage)
        before = origin.detach().double().cpu()
        distance[stage] += float((parameter.detach().double().cpu() - before).square().sum())
        norm[stage] += float(before.square().sum())
    shifts, ratios = _statistics(network, then, plan.modules)
    stages = tuple(stage for stage in plan.stages if stage in compared)
    return Drift(
        stages=stages,
        weights=tuple(_ratio(math.sqrt(distance[stage]), math.sqrt(norm[stage])) for stage in stages),
        mean_shift=tuple(shifts.get(stage, math.nan) for stage in stages),
        variance_ratio=tuple(ratios.get(stage, math.nan) for stage in stages),
        warnings=(f"left out, as the source has another classifier: {', '.join(left_out)}",) if left_out else (),
    )


def _statistics(
    network: nn.Module, then: Mapping[str, Tensor], stage_of: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return, by stage, the largest shift of a running mean and the largest factor of a running variance."""
    shifts: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for name, module in network.named_modules():
        mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
        before = [then.get(f"{name}.{key}") for key in ("running_mean", "running_var")]
        if mean is None or variance is None or before[0] is None or before[1] is None:
            continue
        epsilon, stage = float(getattr(module, "eps", 0.0)), stage_of[name]
        mean0, variance0 = (tensor.detach().double().cpu() for tensor in before if tensor is not None)
        spread = variance0 + epsilon
        shift = ((mean.double().cpu() - mean0).abs() / spread.sqrt()).max()
        change = ((variance.double().cpu() + epsilon) / spread).log().abs().max().exp()
        shifts[stage] = max(shifts.get(stage, 0.0), float(shift))
        ratios[stage] = max(ratios.get(stage, 1.0), float(change))
    return shifts, ratios


def _ratio(distance: float, norm: float) -> float:
    return distance / norm if norm else (math.inf if distance else 0.0)

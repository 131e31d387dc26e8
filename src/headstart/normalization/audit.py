"""Are the normalization layers of a network fit for this batch size and this data?"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headstart.normalization.checks import examine, examine_gap, examine_input
from headstart.normalization.facts import SEVERITIES, Finding, LayerAudit
from headstart.results import Answer, DataError
from headstart.training.frozen import statistics_frozen

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from torch import Tensor, nn

    from headstart.features.overlap import Statistics
    from headstart.normalization.forms import Form


_COSTS = {
    "forward ms": ("forward_seconds", 1e3),
    "backward ms": ("backward_seconds", 1e3),
    "kept MB": ("kept_bytes", 1e-6),
    "peak MB": ("peak_bytes", 1e-6),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Audit(Answer):
    """What the normalization layers of a network do at a batch size, and what is wrong with that.

    Attributes
    ----------
    batch_size : int
    layers : tuple of LayerAudit
        Facts, in the order of registration.
    findings : tuple of Finding
        The worst first.
    gap : float
        How far outputs in training are from those in evaluation, through statistics alone, in standard deviations of
        the latter over the sample; NaN without a sample, or where torch refuses to run the network.
    """

    batch_size: int
    layers: tuple[LayerAudit, ...]
    findings: tuple[Finding, ...]
    gap: float

    question = "Are activations scaled in a way that survives this batch size and this shift?"

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make training or evaluation fail or mean nothing."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def headline(self) -> str:
        """One sentence: how many findings there are, and the worst."""
        kinds = Counter(layer.kind for layer in self.layers)
        what = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no"
        over = f"{what} normalization layers at a batch of {self.batch_size}"
        if not self.findings:
            return f"{over}: nothing wrong."
        counts = Counter(finding.severity for finding in self.findings)
        told = ", ".join(
            f"{counts[name]} {name}{'s' if counts[name] > 1 else ''}" for name in SEVERITIES if counts[name]
        )
        worst = self.findings[0]
        return f"{over}: {told}. {worst.layer!r}: {worst.message}; mend: {worst.mend}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer, with the worst that was found."""
        import pandas as pd

        worst: dict[str, str] = {}
        for finding in self.findings:
            worst.setdefault(finding.layer, f"{finding.severity}: {finding.message}")
        costs = [layer.cost for layer in self.layers]
        measured = {
            name: [math.nan if cost is None else getattr(cost, field) * factor for cost in costs]
            for name, (field, factor) in _COSTS.items()
            if any(costs)
        }
        return pd.DataFrame(
            {
                "kind": [layer.kind for layer in self.layers],
                "channels": [layer.channels for layer in self.layers],
                "values": [layer.values for layer in self.layers],
                "frozen": [layer.frozen for layer in self.layers],
                "shift": [layer.shift for layer in self.layers],
                "overlap": [layer.overlap for layer in self.layers],
                **measured,
                "finding": [worst.get(layer.layer, "") for layer in self.layers],
            },
            index=pd.Index([layer.layer for layer in self.layers], name="layer"),
        )

    def plot(self) -> Figure:
        """Return one bar for each layer that was compared: how far the sample's means are from the running ones."""
        from plotly import graph_objects as go

        from headstart.results.plotting import styled

        known = [layer for layer in self.layers if not math.isnan(layer.shift)]
        bars = go.Bar(
            x=[layer.layer for layer in known],
            y=[layer.shift for layer in known],
            customdata=[layer.overlap for layer in known],
            hovertemplate="%{x}<br>%{y:.2f} standard deviations<br>overlap %{customdata:.2f}<extra></extra>",
        )
        return styled(go.Figure(bars), y="shift, standard deviations of the source")


def audit(
    model: nn.Module,
    batch_size: int,
    sample: Tensor | None = None,
    *,
    n: int | None = None,
    cost: bool = False,
    findings: Iterable[Finding] = (),
) -> Audit:
    """Examine the normalization layers of a network before it is trained on a target.

    Looked at are: from how many values each mean and variance is estimated at this batch size and in the last, short
    batch of an epoch; whether statistics move below frozen weights, or are held by nothing but ``.eval()``; whether
    running statistics were ever updated, are finite, move in training, and are those of this data; the scale of the
    inputs; and how far outputs in training are from those in evaluation. Nothing of the model changes.

    Parameters
    ----------
    model : torch.nn.Module
        As it will be trained, frozen layers frozen.
    batch_size : int
        Of training, in one process; synchronized layers see that of all processes in truth.
    sample : Tensor of shape (m, ...), optional
        Inputs as the network takes them, some 32 or more. Without it, shapes are told by the input size that timm's
        networks carry, if there is one, and statistics are not compared.
    n : int, optional
        Examples to be trained on: tells the last batch of an epoch.
    cost : bool
        Whether each layer is also run by itself, forward and backward, at the batch size, and its time and memory are
        taken; needs a sample, or an input size that the network carries.
    findings : iterable of Finding
        What is known already and belongs to the answer.

    Returns
    -------
    Audit
        Its ``findings`` carry ``layer``, ``severity``, ``message`` and ``mend``.

    Raises
    ------
    DataError
        If the batch size is below 1, or the sample is empty or does not run through the network.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    >>> [(finding.layer, finding.severity) for finding in audit(net, 1, torch.randn(8, 4)).errors]
    [('1', 'error'), ('1', 'error')]
    """
    from headstart.normalization.costs import measure_costs
    from headstart.normalization.forms import forms
    from headstart.normalization.measure import compare, gap, positions, refused

    if batch_size < 1 or (n is not None and n < 1):
        raise DataError(f"batch_size={batch_size}, n={n}: give at least one example")
    if sample is not None and not len(sample):
        raise DataError("the sample is empty: give some examples, or none at all")
    layers = forms(model)
    where = positions(model, layers, sample)
    found = list(findings)
    statistics: dict[str, Statistics] = {}
    difference = math.nan
    if sample is not None:
        wide = sample.double()
        deviation = float(wide.std()) if wide.numel() > 1 else math.inf
        pictures = sample.ndim == 4 and sample.shape[1] <= 4
        found += examine_input(float(wide.min()), float(wide.max()), deviation, pictures=pictures)
        if not refused(layers, where):
            statistics, outputs = compare(model, layers, sample)
            difference = gap(model, layers, sample, batch_size, outputs)
            found += examine_gap(difference)
    size = min(batch_size, n) if n is not None else batch_size
    last = None if n is None else n % size or size
    frozen = _below_freeze(model)
    facts = tuple(
        _facts(name, form, size, last, where.get(name), statistics.get(name), model.training, frozen)
        for name, form in layers.items()
    )
    if cost:
        costs = measure_costs(model, layers, size, sample)
        facts = tuple(dataclasses.replace(layer, cost=costs.get(layer.layer)) for layer in facts)
    for layer in facts:
        found += examine(layer, size, last)
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    errors = [finding for finding in found if finding.severity == "error"]
    return Audit(
        batch_size=batch_size,
        layers=facts,
        findings=tuple(found),
        gap=difference,
        warnings=tuple(f"{finding.layer}: {finding.message}; mend: {finding.mend}" for finding in errors[:5]),
    )


def _facts(
    name: str,
    form: Form,
    batch_size: int,
    last: int | None,
    positions: int | None,
    statistics: Statistics | None,
    training: bool,
    below_freeze: set[str],
) -> LayerAudit:
    import torch
    from torch import nn

    module: Any = form.module
    always = "Frozen" in type(module).__name__
    held = always or statistics_frozen(module)
    moving = form.kind in ("batch", "sync", "instance") and form.statistics and not held
    per_group = form.channels // form.groups if form.groups else 1

    def values(examples: int | None) -> int | None:
        if form.kind == "none" or examples is None or (positions is None and not form.positionwise):
            return None
        if form.kind in ("batch", "sync"):
            return examples * int(positions or 0)
        return form.channels if form.positionwise else per_group * int(positions or 0)

    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    fresh = broken = False
    if mean is not None and variance is not None:
        fresh = not mean.any() and bool((variance == 1).all())
        broken = not bool(torch.isfinite(mean).all() and torch.isfinite(variance).all()) or bool((variance < 0).any())
    return LayerAudit(
        layer=name,
        kind=form.kind,
        channels=form.channels,
        values=values(batch_size),
        last_values=values(last),
        positions=positions,
        per_group=per_group,
        frozen=held,
        running=form.statistics,
        shift=float(statistics.shift().mean()) if statistics and not broken else math.nan,
        overlap=float(statistics.overlap().mean()) if statistics and not broken else math.nan,
        momentum=getattr(module, "momentum", None),
        below_freeze=moving and name in below_freeze,
        only_eval=moving and training and not module.training,
        fresh=fresh and form.kind != "instance",
        broken=broken,
        foreign=isinstance(module, nn.SyncBatchNorm) and mean is not None and mean.device.type == "cpu",
    )


def _below_freeze(model: nn.Module) -> set[str]:
    """Return the layers whose own weights are frozen, or all weights up to them, in a network that trains."""
    parameters = list(model.parameters())
    if not any(parameter.requires_grad for parameter in parameters) and not model.training:
        return set()
    found = set()
    seen = trained = False
    for name, module in model.named_modules():
        own = list(module.parameters(recurse=False))
        trained = trained or any(parameter.requires_grad for parameter in own)
        seen = seen or bool(own)
        if (own or (seen and not trained)) and not any(parameter.requires_grad for parameter in own):
            found.add(name)
    return found

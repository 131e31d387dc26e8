"""From one kind of normalization to another, with as little change of what the network computes as there can be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from headstart.features.moments import evaluating
from headstart.normalization.walk import replace
from headstart.results import Answer, DataError
from headstart.training.frozen import statistics_frozen

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from headstart.normalization.build import Part
    from headstart.normalization.forms import Form

_KEEP = ("function", "weights")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion(Answer):
    """A network with another kind of normalization, and how far it is from what it computed before.

    Attributes
    ----------
    model : torch.nn.Module
        The network; another object than was given only where that was itself a normalization.
    to, keep : str
    layers : tuple of str
        What was converted, by the names that the layers had.
    before : tuple of str
        The kind of each before.
    left : tuple of str
        Normalizations that were not touched: of that kind already, or without positions for ``"instance"``.
    error : tuple of float
        What the new layer leaves unexplained of the old one's output on the sample, as a share of its variance, 0 to
        1; NaN where nothing was matched. Errors of the layers before it are part of it.
    change : float
        Root mean square change of the network's outputs on the sample, in standard deviations of the outputs over the
        examples; NaN without a sample.
    agreement : float
        Share of the sample whose largest output stayed the largest; NaN without a sample.
    """

    model: nn.Module = dataclasses.field(repr=False)
    to: str
    keep: str
    layers: tuple[str, ...]
    before: tuple[str, ...]
    left: tuple[str, ...]
    error: tuple[float, ...]
    change: float
    agreement: float

    question = "How far is the network with another normalization from what it was?"

    def headline(self) -> str:
        """One sentence: what was converted, and how much the outputs changed."""
        done = f"{len(self.layers)} layers now normalize by {self.to!r}"
        if math.isnan(self.change):
            return f"{done}; the change is not known without a sample."
        return (
            f"{done}; outputs changed by {self.change:.2g} of their standard deviation, and {self.agreement:.0%} of "
            "the sample keeps its largest output."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each converted layer, in the order of registration."""
        import pandas as pd

        return pd.DataFrame({"before": self.before, "error": self.error}, index=pd.Index(self.layers, name="layer"))


def convert(
    model: nn.Module,
    to: str,
    *,
    groups: int | None = None,
    keep: str = "function",
    sample: Tensor | None = None,
    layers: Collection[str] | None = None,
) -> Conversion:
    """Put another kind of normalization in the place of every one of a network.

    What the kinds are is told by :func:`headstart.normalization.make_norm`. Read are those of torch, torchvision and
    timm, with a fused activation or without, channels first or last; a layer normalization at each position
    (torch.nn.LayerNorm, timm's LayerNorm2d) counts as ``"layer"``. Layers that are of that kind already, or of that
    number of groups, are left.

    ``keep="function"`` sets the new weight and bias of each channel so that the network in evaluation changes as
    little as can be:

    * exactly, from batch to none (``weight / sd``, ``bias - weight * mean / sd``) and between batch and synchronized;
    * from batch statistics to layer, instance or group without a sample: mean and variance of a group are taken as
      what its channels' running statistics say together, ``m = mean(mean_c)``,
      ``v = mean(var_c + mean_c²) - m²``; then ``weight_c * sqrt(v) / sd_c`` and
      ``bias_c + weight_c * (m - mean_c) / sd_c``. This is exact where every example has these statistics;
    * with a sample: layer by layer in the order of running, by least squares of what the layer before gave, from
      what the new one normalizes in the network converted so far; a new batch normalization holds the sample's
      statistics. No other weight and bias of this layer bring its output nearer.

    ``keep="weights"`` carries weight and bias over as they are, and running statistics from batch to synchronized; what
    has to be estimated anew starts from mean 0 and variance 1: see :func:`headstart.normalization.recalibrate`.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. Convert before freezing, and build the optimizer afterwards.
    to : {"batch", "layer", "instance", "group", "sync", "none"}
    groups : int, optional
        Of ``"group"``: at most so many; each layer takes the largest number that divides its channels. By default
        :func:`headstart.normalization.default_groups` of its channels.
    keep : {"function", "weights"}
    sample : Tensor of shape (n, ...), optional
        Inputs as the network takes them. All of them run through at once, without gradients. A layer that runs
        several times is matched to its first run.
    layers : collection of str, optional
        Names of the normalizations to convert; the others are not looked at. By default all.

    Returns
    -------
    Conversion
        Its ``model`` is the network; the change of the outputs is measured on the sample.

    Raises
    ------
    DataError
        If there is no such kind, nothing to convert, a layer is frozen, or a sample is needed and not given: from
        layer, instance or group to batch, synchronized or none with ``keep="function"``; where the number of
        dimensions cannot be told.

    References
    ----------
    Wu and He (2018), Group normalization, arXiv:1803.08494. Ioffe and Szegedy (2015), arXiv:1502.03167, section 3.1,
    for the fold.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).eval()
    >>> convert(net, "none", sample=torch.randn(4, 3, 8, 8)).change < 1e-5
    True
    >>> net[1]
    Affine(8)
    """
    from headstart.normalization.build import build, carry, fold
    from headstart.normalization.kinds import KINDS
    from headstart.normalization.match import Targets, changed, match

    if to not in KINDS or keep not in _KEEP:
        raise DataError(f"to={to!r}, keep={keep!r}: give one of {', '.join(KINDS)} and one of {', '.join(_KEEP)}")
    if groups is not None and (to != "group" or groups < 1):
        raise DataError(f"groups={groups} for {to!r}: give at least one, and only for 'group'")
    if sample is not None and not len(sample):
        raise DataError("the sample is empty: give some examples, or none at all")
    chosen, left = _chosen(model, to, groups, layers)
    targets = None
    if sample is not None:
        with evaluating(model):
            targets = Targets(model, chosen, sample)
    alone = [name for name, size in targets.positions.items() if size == 1 and to == "instance"] if targets else []
    chosen = {name: form for name, form in chosen.items() if name not in alone}
    left += alone
    sizes = targets.dimensions if targets else {}
    parts: dict[str, Part] = {}
    for name, form in chosen.items():
        affine = keep == "function" or form.weight is not None
        size = sizes.get(name, form.dimensions)
        part = parts[name] = build(name, form, to, size, _groups(form, groups), affine=affine)
        if keep == "weights":
            carry(part)
        elif not fold(part) and (targets is None or name not in targets.values):
            raise DataError(
                f"{name!r} ({form.kind}) holds no statistics to fold into {to!r}: give a sample that runs through it, "
                "or keep='weights'"
            )
        part.outer.train(form.module.training)
    result = replace(model, lambda name, module: parts[name].outer if name in parts else None)
    error = dict.fromkeys(chosen, math.nan)
    change = agreement = math.nan
    if targets is not None:
        to_match = {name: part for name, part in parts.items() if keep == "function" and not part.exact}
        with evaluating(result):
            errors, outputs = match(result, to_match, targets)
        error |= errors
        change, agreement = changed(targets.outputs, outputs)
    return Conversion(
        model=result,
        to=to,
        keep=keep,
        layers=tuple(chosen),
        before=tuple(form.kind for form in chosen.values()),
        left=tuple(left),
        error=tuple(error.values()),
        change=change,
        agreement=agreement,
        warnings=_notes(parts, keep, alone),
    )


def _chosen(
    model: nn.Module, to: str, groups: int | None, layers: Collection[str] | None
) -> tuple[dict[str, Form], list[str]]:
    """Return what is to be converted, and the names of what is of that kind already."""
    from headstart.normalization.forms import forms
    from headstart.normalization.sync import SyncBatchNorm

    chosen: dict[str, Form] = {}
    left = []
    found = forms(model)
    missing = [name for name in layers or () if name not in found]
    if missing:
        raise DataError(f"no normalization {missing[0]!r} in this network: {', '.join(found) or 'there is none'}")
    for name, form in found.items():
        if layers is not None and name not in layers:
            continue
        same = form.kind == to and (to != "sync" or isinstance(form.module, SyncBatchNorm))
        if to == "group" and form.kind in ("group", "layer") and not form.positionwise:
            same = form.groups == _groups(form, groups)
        if same:
            left.append(name)
        elif statistics_frozen(form.module):
            raise DataError(f"{name!r} is frozen: convert first, then freeze")
        else:
            chosen[name] = form
    if not chosen and not left:
        raise DataError("no normalization in this network: nothing to convert")
    return chosen, left


def _groups(form: Form, most: int | None) -> int:
    from headstart.normalization.kinds import default_groups

    if most is None:
        return default_groups(form.channels)
    return max(number for number in range(1, min(most, form.channels) + 1) if form.channels % number == 0)


def _notes(parts: dict[str, Part], keep: str, alone: list[str]) -> tuple[str, ...]:
    """Say which running statistics stand at mean 0 and variance 1, and what could not be converted."""
    fresh = [
        name for name, part in parts.items() if keep == "weights" and part.core.statistics and not part.old.statistics
    ]
    notes = []
    if fresh:
        notes.append(
            f"{len(fresh)} of the layers, {fresh[0]!r} the first, start from mean 0 and variance 1: recalibrate them "
            "before the network is evaluated"
        )
    if alone:
        notes.append(
            f"{', '.join(map(repr, alone))} see a single position, where an instance normalization gives zero: left "
            "as they were"
        )
    return tuple(notes)

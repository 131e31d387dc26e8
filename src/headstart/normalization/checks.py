"""What is wrong with a normalization layer, why, and what mends it: one rule a function, facts in, findings out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from headstart.normalization.facts import Finding, LayerAudit

FEW = 16  # values: the standard error of a variance is then more than a third of it
# With Lite0 and 48 pictures: of ImageNet itself no layer is further than 0.30 and 0.98, clothing 0.30 and 0.93, emojis
# 0.55 and 0.83, blood cells 0.58 and 0.74.
FAR, VERY_FAR = 0.5, 2.0  # standard deviations, mean over channels
APART, FAR_APART = 0.8, 0.3  # Bhattacharyya coefficient, mean over channels
_NEWEST = 0.5


def examine(layer: LayerAudit, batch_size: int, last: int | None) -> Iterator[Finding]:
    """Yield all findings on one layer."""
    for rule in _RULES:
        for severity, message, mend in rule(layer, batch_size, last):
            yield Finding(layer.layer, severity, message, mend)


Found = Iterator[tuple[str, str, str]]


def below_freeze(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Weights that are frozen below statistics that are not."""
    if layer.below_freeze and not layer.frozen:
        yield (
            "error",
            "its weights are frozen, but in train mode it still normalizes by the batch and its statistics move",
            "freeze_statistics(model), or headstart.finetuning.freeze(model, until=...), which holds both",
        )


def only_eval(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Held by ``.eval()`` alone."""
    if layer.only_eval:
        yield (
            "warning",
            "nothing but .eval() holds its statistics, which the next .train() undoes",
            "freeze_statistics(model)",
        )


def few_values(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Too few values in a batch to estimate a variance from."""
    mend = "a larger batch, freeze_statistics(model), or convert(model, 'group', sample=...)"
    if not layer.by_batch:
        return
    if layer.values is None:
        if batch_size == 1:
            yield "warning", "a batch of 1: each example is normalized by itself, or not at all without positions", mend
    elif layer.values == 1:
        yield (
            "error",
            "at a batch of 1 it has one value a channel: the variance is zero, and torch raises or returns the bias",
            mend,
        )
    elif layer.values < FEW or batch_size == 1:
        spread = math.sqrt(2 / (layer.values - 1))
        yield (
            "warning",
            f"in training each mean and variance comes from {layer.values} values of {batch_size} "
            f"{'example' if batch_size == 1 else 'examples'}: a variance is then off by {spread:.0%} even if they are "
            "independent",
            mend,
        )


def short_batch(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """The last batch of an epoch, which nobody looks at."""
    if not layer.by_batch or last is None or last == batch_size:
        return
    mend = "drop_last=True, another batch size, or freeze_statistics(model)"
    if layer.last_values == 1:
        yield "error", f"the last batch of an epoch has {last} example, one value a channel: training stops there", mend
    elif last == 1 or (layer.last_values or FEW) < FEW <= (layer.values or 0):
        yield (
            "warning",
            f"the last batch of an epoch has {last} of {batch_size} examples: its statistics are poor, and the running "
            "ones take them up with full weight",
            mend,
        )


def within_example(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Nothing to normalize over within an example."""
    if layer.kind not in ("layer", "group", "instance") or layer.values is None:
        return
    mend = "convert(model, 'layer', keep='weights')" if layer.kind == "instance" else "fewer groups"
    if layer.values == 1:
        what = "instance normalization of a single position" if layer.kind == "instance" else "one value a group"
        yield "error", f"{what}, less its own mean: torch raises, or the output is the bias whatever comes in", mend
    elif layer.values < FEW // 2:
        yield "warning", f"each mean and variance comes from {layer.values} values of one example", mend


def one_channel_a_group(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Group normalization that is an instance normalization."""
    if layer.kind == "group" and layer.per_group == 1 and layer.values != 1:
        yield (
            "warning",
            "one channel a group: this is an instance normalization, and gives the bias alone on 1x1 maps",
            "fewer groups: convert(model, 'group', groups=...)",
        )


def never_updated(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Running statistics as they were made."""
    if layer.fresh:
        yield (
            "error",
            "its running statistics are still mean 0 and variance 1: evaluation does not normalize",
            "recalibrate(model, batches)",
        )


def broken(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Running statistics that cannot be."""
    if layer.broken:
        yield (
            "error",
            "its running statistics are not finite, or a variance is negative",
            "recalibrate(model, batches) with finite inputs, in float32",
        )


def momentum(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Running statistics that never move, or forget at once."""
    if not layer.by_batch or not layer.running or layer.momentum is None:
        return
    if layer.momentum == 0:
        yield (
            "error",
            "momentum 0: training normalizes by the batch, but the running statistics for evaluation never move",
            "a momentum such as 0.1, or freeze_statistics(model) if they should stay",
        )
    elif layer.momentum > _NEWEST:
        yield (
            "warning",
            f"momentum {layer.momentum:g} is the weight of the newest batch in torch: the running statistics are "
            "those of the last few",
            f"momentum={1 - layer.momentum:.2g} if the number came from TensorFlow, or recalibrate after training",
        )


def untracked(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """No running statistics at all."""
    if layer.kind in ("batch", "sync") and not layer.running:
        yield (
            "warning",
            "track_running_stats=False: in evaluation an example's result depends on the others in its batch",
            "convert(model, 'group', sample=...), or statistics: track_running_stats=True and recalibrate",
        )


def another_domain(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """Running statistics of something else than the sample."""
    if math.isnan(layer.shift) or layer.fresh or layer.broken:
        return
    very = layer.shift > VERY_FAR or layer.overlap < FAR_APART
    if very or layer.shift > FAR or layer.overlap < APART:
        yield (
            "error" if very else "warning",
            f"its running statistics are those of another domain: the sample's means are {layer.shift:.2f} standard "
            f"deviations away, overlap {layer.overlap:.2f}",
            "check the scale of the inputs first, then recalibrate(model, batches)",
        )


def foreign(layer: LayerAudit, batch_size: int, last: int | None) -> Found:
    """torch's synchronized batch normalization off the GPU."""
    if layer.foreign:
        yield (
            "warning",
            "torch's SyncBatchNorm refuses to train on processors in several processes",
            "synchronize(model), whose layers run there as well",
        )


_RULES: tuple[Callable[[LayerAudit, int, int | None], Found], ...] = (
    broken,
    below_freeze,
    only_eval,
    few_values,
    short_batch,
    within_example,
    one_channel_a_group,
    never_updated,
    momentum,
    untracked,
    another_domain,
    foreign,
)


def examine_input(low: float, high: float, deviation: float, *, pictures: bool) -> Iterator[Finding]:
    """Yield findings on the values that are fed in: pictures that were not scaled as networks expect them."""
    if not (np.isfinite(low) and np.isfinite(high)):
        yield Finding("input", "error", "the sample is not finite", "look for NaN and infinite values in the data")
    elif pictures and max(-low, high) > 20:
        yield Finding(
            "input",
            "error",
            f"values from {low:g} to {high:g}: this looks like 0 to 255, where networks expect 0 to 1 less the mean "
            "and over the standard deviation",
            "divide by 255, subtract the source's mean and divide by its standard deviation",
        )
    elif pictures and deviation < 0.02:
        yield Finding(
            "input",
            "warning",
            f"values from {low:g} to {high:g} with a standard deviation of {deviation:.2g}: divided by 255 twice?",
            "feed what the source's preprocessing makes of the pictures",
        )


def examine_gap(gap: float) -> Iterator[Finding]:
    """Yield a finding if outputs in training are far from those in evaluation."""
    if gap > 1:
        yield Finding(
            "network",
            "warning",
            f"outputs in training differ from those in evaluation by {gap:.2f} of their standard deviation, through "
            "statistics alone",
            "freeze_statistics(model), a larger batch, or recalibrate(model, batches)",
        )

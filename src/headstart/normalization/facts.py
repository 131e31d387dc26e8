"""What an audit knows about a layer, and what it says about it."""

from __future__ import annotations

import dataclasses

SEVERITIES = ("error", "warning", "info")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong, or should be known.

    Attributes
    ----------
    layer : str
        Its name; ``"input"`` and ``"network"`` for what concerns the whole.
    severity : {"error", "warning", "info"}
        An error makes training or evaluation fail or mean nothing.
    message : str
        What was found, with its numbers.
    mend : str
        What to do.
    """

    layer: str
    severity: str
    message: str
    mend: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one layer takes in one step of training at a batch size, run by itself.

    Attributes
    ----------
    forward_seconds, backward_seconds : float
        The shortest of some runs.
    kept_bytes : int
        What it keeps from the forward pass for the backward one, its input included.
    peak_bytes : int
        That, its output and, in the backward pass, the gradients of output and input.
    """

    forward_seconds: float
    backward_seconds: float
    kept_bytes: int
    peak_bytes: int


@dataclasses.dataclass(frozen=True)
class LayerAudit:
    """Facts about one normalization.

    Attributes
    ----------
    layer, kind : str
    channels : int
    values : int or None
        From how many values each mean and variance is estimated in training at the batch size; ``None`` where the
        number of positions is not known, or nothing is estimated.
    last_values : int or None
        The same for the last, short batch of an epoch.
    positions : int or None
    per_group : int
        Channels that share a mean and a variance within an example; 1 for batch and instance.
    frozen : bool
        Whether its statistics are held against ``.train()``.
    running : bool
        Whether it carries running statistics.
    shift, overlap : float
        Mean distance of the sample's means from the running ones, in standard deviations, and mean Bhattacharyya
        coefficient of the two; NaN where not compared.
    momentum : float or None
    cost : Cost or None
        Where it was measured.
    below_freeze, only_eval, fresh, broken, foreign : bool
        Whether its weights are frozen while its statistics are not; whether nothing but ``.eval()`` holds it in a
        network that trains; whether its statistics were never updated; are not finite or have negative variances;
        whether it is torch's own synchronized one, on a processor.
    """

    layer: str
    kind: str
    channels: int
    values: int | None
    last_values: int | None
    positions: int | None
    per_group: int
    frozen: bool
    running: bool
    shift: float
    overlap: float
    momentum: float | None
    below_freeze: bool = False
    only_eval: bool = False
    fresh: bool = False
    broken: bool = False
    foreign: bool = False
    cost: Cost | None = None

    @property
    def by_batch(self) -> bool:
        """Whether it takes its statistics from the batch in training."""
        return self.kind in ("batch", "sync") and not self.frozen

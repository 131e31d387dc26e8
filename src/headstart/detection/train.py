"""A detector trained in place: what is frozen, how fast what is free learns, which epoch is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.detection.batches import BoxBatches
from headstart.detection.find import find_boxes
from headstart.detection.schedule import BATCH
from headstart.finetuning.freezing import HEAD, freeze, layout
from headstart.finetuning.groups import check_groups, parameter_groups
from headstart.results import DataError
from headstart.training.frozen import freeze_statistics
from headstart.training.loop import Recipe, Trained, train
from headstart.training.schedules import one_cycle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.detection.boxes import DetectionTarget
    from headstart.detection.inputs import InputSize
    from headstart.detection.network import Detector
    from headstart.sources import Source

RECIPE = Recipe(
    batch_size=BATCH, rate=5e-4, head_rate=1e-3, layer_decay=0.9, weight_decay=0.05, warmup=0.1, clip=5.0,
)  # fmt: skip
SCRATCH = dataclasses.replace(RECIPE, rate=1e-3, layer_decay=1.0)
WEIGHTS = ("none", "sqrt", "effective")


@dataclasses.dataclass(frozen=True)
class Way:
    """What learns, and what the loss counts.

    Attributes
    ----------
    until : str
        The first stage of the trunk that learns, as ``headstart.finetuning.freeze`` takes it; ``""``: all of it;
        ``"head"``: none of it.
    weights : {"none", "sqrt", "effective"}
        How objects of rare classes are weighted; see ``headstart.imbalance.loss_counts.loss_weights``.
    scratch : bool
        Whether the trunk's weights are random: nothing is frozen then, and statistics are those of each batch.
    """

    until: str = ""
    weights: str = "none"
    scratch: bool = False

    @property
    def name(self) -> str:
        """What files of it are called."""
        return f"{'scratch' if self.scratch else self.until.replace('.', '_') or 'all'}-{self.weights}"

    @property
    def text(self) -> str:
        """The way in a few words."""
        if self.scratch:
            told = "from scratch"
        elif self.until == HEAD:
            told = "trunk frozen"
        else:
            told = f"trained from {self.until} on" if self.until else "all of it trained"
        return told if self.weights == "none" else f"{told}, rare classes weighted ({self.weights})"


def let_learn(detector: Detector, until: str | None, *, hold: bool) -> None:
    """Freeze what of the trunk runs before ``until``, and what no box depends on.

    Parameters
    ----------
    detector : Detector
        Changed in place.
    until : str or None
        A stage, ``"head"`` for the whole trunk, ``None`` for nothing.
    hold : bool
        Whether the statistics of batch normalization stay those of the source, wherever they stand.
    """
    if until:
        freeze(detector.trunk, until=until)
    if hold:
        freeze_statistics(detector.trunk)
    unused = set(detector.unused)
    for name, parameter in detector.trunk.named_parameters():
        if name in unused:
            parameter.requires_grad_(False)


def detector_groups(detector: Detector, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the optimizer's groups: stages of the trunk, each at its own rate, then pyramid and head.

    Raises
    ------
    HeadstartError
        If a parameter that learns is in none or in several.
    """
    groups = parameter_groups(detector.fcos, rate=recipe.head_rate, layer_decay=1.0, weight_decay=recipe.weight_decay)
    if any(parameter.requires_grad for parameter in detector.trunk.parameters()):
        groups += parameter_groups(
            detector.trunk, rate=recipe.rate, layer_decay=recipe.layer_decay, weight_decay=recipe.weight_decay
        )
    check_groups(groups, detector)
    return groups


def ways_to_freeze(source: Source) -> tuple[str, ...]:
    """Return the first stages that may learn: the proposal, all, and one higher up.

    Proposed is the stage behind the last activation of stride 4, so that stem and first stage stay, as torchvision's
    detectors keep them (``trainable_backbone_layers=3``). The other cut is behind stride 8.

    Examples
    --------
    >>> from headstart.sources import get
    >>> ways_to_freeze(get("lite0"))
    ('blocks.2', '', 'blocks.3')
    """
    network: Any = source.network()
    plan = layout(network)
    ends: dict[int, int] = {}
    for entry in getattr(network, "feature_info", ()):
        stage = max(
            (plan.position(plan.modules[name]) for name in plan.modules if _inside(name, str(entry["module"]))),
            default=0,
        )
        ends[int(entry["reduction"])] = stage
    after = [
        plan.stages[ends[stride] + 1] for stride in (4, 8) if stride in ends and ends[stride] + 1 < len(plan.stages)
    ]
    return tuple(dict.fromkeys([*after[:1], "", *after[1:]]))


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def train_detector(
    detector: Detector,
    target: DetectionTarget,
    rows: NDArray[np.int64],
    way: Way,
    size: InputSize,
    mean: tuple[float, ...],
    recipe: Recipe,
    *,
    judged: NDArray[np.int64],
    n_pictures: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    checkpoint: Path | None = None,
    advance: Callable[[int], None] | None = None,
) -> Trained:
    """Train ``detector`` in place; it ends with the weights of its best epoch on the pictures ``judged``.

    Parameters
    ----------
    detector : Detector
        With its source's weights.
    target : DetectionTarget
    rows : ndarray of int64
        Pictures to learn from.
    way : Way
        What learns, and what the loss counts.
    size : InputSize
    mean : sequence of float
        What fills up pictures.
    recipe : Recipe
        Epochs and rates.
    judged : ndarray of int64
        Pictures that each epoch is scored on, by mean average precision; none keeps the last epoch.
    n_pictures : int, optional
        Pictures of an epoch.
    device, seed, checkpoint, advance
        See ``headstart.training.loop.train``.

    Raises
    ------
    DataError
        If there is no picture to learn from.
    """
    import torch

    from headstart.detection.head import DetectionLoss

    if not len(rows):
        raise DataError("the training part has no pictures: nothing can be learned")
    let_learn(detector, None if way.scratch else way.until or None, hold=not way.scratch)
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = BoxBatches(target, rows, size, mean, batch_size=recipe.batch_size, n_pictures=n_pictures, seed=seed)
    groups = detector_groups(detector, recipe)

    def multipliers(step: int, total: int) -> list[float]:
        return [one_cycle(step, total, warmup=recipe.warmup)] * len(groups)

    def validate(network: Any) -> float:
        return mean_precision(network, target, judged, size, mean, device=device)

    weights = class_weights(target, rows, way.weights)
    trained = train(
        detector, batches, groups, recipe, multipliers=multipliers, loss=DetectionLoss(detector, weights),
        validate=validate if len(judged) else None, device=device, seed=seed, checkpoint=checkpoint, advance=advance,
    )  # fmt: skip
    detector.cpu()
    return trained


def mean_precision(
    detector: Detector,
    target: DetectionTarget,
    rows: NDArray[np.int64],
    size: InputSize,
    mean: Sequence[float],
    *,
    device: str = "cpu",
) -> float:
    """Return the detector's mean average precision, IoU 0.5 to 0.95, on pictures of the target; 0 without objects."""
    from headstart.detection.accumulating import weighted_precision
    from headstart.detection.matching import match_boxes

    found, _ = find_boxes(detector, target.pictures.subset(rows), size, mean, device=device)
    matches = match_boxes([target.boxes[row] for row in rows], found, len(target.classes))
    precision, _ = weighted_precision(matches, np.ones((1, len(rows))))
    known = precision[~np.isnan(precision)]
    return float(known.mean()) if len(known) else 0.0


def class_weights(target: DetectionTarget, rows: NDArray[np.int64], how: str) -> list[float]:
    """Return what an object of each class weighs; they average to 1 over the objects of ``rows``.

    Raises
    ------
    DataError
        If there is no such weighting.
    """
    from headstart.imbalance.loss_counts import loss_weights

    if how not in WEIGHTS:
        raise DataError(f"weights={how!r}: choose {', '.join(WEIGHTS)}")
    counts = object_counts(target, rows)
    if how == "none" or np.count_nonzero(counts) < 2:
        return [1.0] * len(counts)
    weights = loss_weights(counts, how)
    assert weights is not None
    return [float(weight) for weight in weights]


def object_counts(target: DetectionTarget, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many objects of each class the pictures ``rows`` show, those to be ignored left out."""
    counts = np.zeros(len(target.classes), dtype=np.int64)
    for row in rows:
        one = target.boxes[row]
        counts += np.bincount(one.labels if one.ignore is None else one.labels[~one.ignore], minlength=len(counts))
    return counts

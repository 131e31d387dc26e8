"""How long a detector is trained: what of it fits a budget at this machine's pace, fixed before training begins."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from headstart.detection.inputs import InputSize
    from headstart.sources import Source

BATCH = 4
_TRIES = 3
_LEAST, _MOST = 8, 40  # epochs; where all pictures do not fit eight times, an epoch is a part of them
_STEPS = 1500  # of few pictures there may be as many epochs as make so many steps
_JUDGED, _FEWEST = 300, 20  # validation pictures that an epoch is scored on: at most, and whatever the budget
_JUDGING = 0.2  # of the budget that scoring may take
_SHORT = (5, 4, 3)  # epochs of each way in the first round
_ROUND = 1 / 3  # of the budget that the first round may take
_MARGIN = 1.1  # times the pace on noise that lies ready: pictures are also decoded and varied


@dataclasses.dataclass(frozen=True)
class DetectorPace:
    """What one picture takes.

    Attributes
    ----------
    step : mapping of str to float
        Seconds of learning from a picture, by the first stage that learns; ``""`` is the whole network.
    find : float
        Seconds of finding boxes in one.
    """

    step: Mapping[str, float]
    find: float


@dataclasses.dataclass(frozen=True)
class DetectorSchedule:
    """What is tried, and how long.

    Attributes
    ----------
    ways : tuple of str
        First stages that learn, to be told apart; the first is the proposal.
    short : int
        Epochs of each of them in the first round; 0 where there is nothing to choose or no time for it.
    epochs : mapping of str to int
        Epochs of training to the end, by the way that won.
    scratch : int
        Epochs of the same network from random weights in the same time; 0 if it is not trained.
    pictures, judged : int
        Pictures of an epoch, and those that it is scored on.
    seconds, budget : float
        What the dearest way is expected to take, and what all may.
    """

    ways: tuple[str, ...]
    short: int
    epochs: Mapping[str, int]
    scratch: int
    pictures: int
    judged: int
    seconds: float
    budget: float


def plan_training(
    pace: DetectorPace,
    n: int,
    n_judged: int,
    budget: float,
    *,
    ways: Sequence[str],
    scratch: bool,
    more: int = 0,
    batch_size: int = BATCH,
) -> DetectorSchedule:
    """Return what fits ``budget`` seconds.

    Where the same network is also trained from scratch each gets half of the budget. The ways to freeze the trunk are
    told apart in short rounds if these take no more than a third and leave eight epochs; else the first is taken.

    Parameters
    ----------
    pace : DetectorPace
    n, n_judged : int
        Pictures to learn from, and of the validation part.
    budget : float
        Seconds.
    ways : sequence of str
        The proposal first.
    scratch : bool
    more : int
        Further short rounds, of the dearest way.
    batch_size : int

    Examples
    --------
    >>> pace = DetectorPace({"blocks.2": 0.1, "": 0.15}, find=0.05)
    >>> plan = plan_training(pace, 200, 100, 600, ways=["blocks.2", ""], scratch=False)
    >>> plan.short, plan.epochs
    (3, {'blocks.2': 17, '': 12})
    """
    share = budget / 2 if scratch else budget
    judged = min(n_judged, _JUDGED)
    if pace.find:
        judged = min(judged, max(_FEWEST, int(_JUDGING * share / (_LEAST * pace.find))))

    def cost(way: str, pictures: int) -> float:
        return pictures * pace.step[way] + judged * pace.find

    def epochs(way: str, seconds: float, pictures: int) -> int:
        most = max(_MOST, -(-_STEPS * batch_size // pictures))
        return int(max(1, min(most, seconds // cost(way, pictures))))

    first = ways[0]
    fits = (share / _LEAST - judged * pace.find) / pace.step[first]
    pictures = int(min(n, max(batch_size, fits)))
    short, spent = 0, 0.0
    rounds = [*ways, *[max(ways, key=pace.step.__getitem__)] * more]
    for tried in _SHORT if len(rounds) > 1 and n_judged else ():
        spent = sum(tried * pictures * pace.step[way] + judged * pace.find for way in rounds)
        if spent <= _ROUND * share and min(epochs(way, share - spent, pictures) for way in ways) >= _LEAST:
            short = tried
            break
    kept = tuple(ways) if short else (first,)
    left = share - spent if short else share
    table = {way: epochs(way, left, pictures) for way in kept}
    own = epochs("", share, pictures) if scratch else 0
    seconds = (spent if short else 0.0) + max(table[way] * cost(way, pictures) for way in kept)
    return DetectorSchedule(
        kept, short, table, own, pictures, judged, seconds + own * (cost("", pictures) if scratch else 0.0), budget
    )


def measure_pace(
    source: Source,
    n_classes: int,
    ways: Sequence[str],
    size: InputSize,
    shape: tuple[int, int],
    device: str,
    *,
    batch_size: int = BATCH,
) -> DetectorPace:
    """Time some steps of training with each way to freeze, and of finding, on pictures of noise.

    Parameters
    ----------
    source : Source
    n_classes : int
    ways : sequence of str
        First stages that learn; ``""`` is the whole network.
    size : InputSize
    shape : (int, int)
        Width and height of a usual picture.
    device : str
    batch_size : int
    """
    import torch

    from headstart.detection.head import DetectionLoss
    from headstart.detection.inputs import batched
    from headstart.detection.network import Detector
    from headstart.detection.train import let_learn
    from headstart.training.memory import kept_memory

    rng = np.random.default_rng(0)
    width, height = size.fitted(*shape)
    noise = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(batch_size)]
    pictures = torch.from_numpy(batched(noise, source.preprocessing.mean)).to(device)
    side = size.shorter / 4
    boxes = torch.tensor([[[side, side, 2 * side, 2 * side, 0.0, 0.0]]] * batch_size).to(device)
    step, find = {}, 0.0
    for way in ways:
        detector = Detector(source, n_classes).to(device)
        let_learn(detector, way or None, hold=True)
        detector.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        loss = DetectionLoss(detector, [1.0] * n_classes)

        def learn(detector: Detector = detector, loss: DetectionLoss = loss) -> None:
            loss(detector(pictures), boxes).backward()  # type: ignore[no-untyped-call]

        def look(detector: Detector = detector) -> None:
            with torch.inference_mode():
                detector(pictures)

        with kept_memory():
            step[way] = _seconds(learn, device) / batch_size
            if not find:
                find = _seconds(look, device) / batch_size
    return DetectorPace({way: _MARGIN * seconds for way, seconds in step.items()}, _MARGIN * find)


def _seconds(work: object, device: str) -> float:
    import torch

    assert callable(work)
    taken = []
    for _ in range(1 + _TRIES):
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken[1:])

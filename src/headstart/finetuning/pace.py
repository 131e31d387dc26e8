"""What fine-tuning costs on this machine, and what of it fits a budget."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from headstart.features.backends import Choice
    from headstart.sources import Source

_BATCH = 32
_TRIES = 3
# Epochs, folds and rates of training to the end. A fast rate is worth its time from twelve epochs on: trained from
# blocks.4 for four, six and seven epochs, 1e-3 was one to three points worse than 3e-4 on folds of the solar cells.
LADDER = ((20, 3, 2), (16, 2, 2), (12, 2, 2), (12, 1, 2), (12, 1, 1), (9, 1, 1), (7, 1, 1), (6, 1, 1))
_LEAST = (4, 1, 1)  # where there is no cut to choose
_SHORT = (6, 4, 3)  # epochs of the first round


@dataclasses.dataclass(frozen=True)
class Pace:
    """What one picture takes.

    Attributes
    ----------
    step : mapping of str to float
        Seconds for forward and backward of what runs above each cut; ``""`` is the whole network.
    view : mapping of str to float
        Seconds for one pass of what runs before it, decoding and augmentation included.
    size : mapping of str to int
        Bytes that one view takes in the cache.
    """

    step: Mapping[str, float]
    view: Mapping[str, float]
    size: Mapping[str, int]

    def within(self, room: float) -> Pace:
        """Return the pace of the cuts one view of which takes at most ``room`` bytes."""
        kept = [cut for cut in self.step if self.size[cut] <= room]
        return Pace(*({cut: one[cut] for cut in kept} for one in (self.step, self.view, self.size)))  # type: ignore[arg-type]

    def preferring(self, cuts: Sequence[str]) -> Pace:
        """Return the pace with ``cuts`` right after the highest: where not all fit a budget, the last are dropped.

        >>> list(Pace({"top": 1, "middle": 2, "": 4}, {}, {}).preferring([""]).step)
        ['top', '', 'middle']
        """
        highest, *rest = self.step or [""]
        place = {cut: rank for rank, cut in enumerate(cuts)}
        kept = [highest, *sorted(rest, key=lambda cut: place.get(cut, len(place)))]
        return dataclasses.replace(self, step={cut: self.step[cut] for cut in kept if cut in self.step})


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Which cuts are tried, and how long.

    Attributes
    ----------
    cuts : tuple of str
        The highest first, then from the top down, or as the history has it; ``""`` is the whole network. Empty where
        no fine-tuning fits the budget.
    short : int
        Epochs of the first round; 0 where there is nothing to choose.
    epochs : tuple of int
        For each cut, if it wins the first round: epochs of training to the end.
    n_folds : tuple of int
        And folds on which it is trained so, at each rate, before all pictures are learned from.
    n_rates : tuple of int
        And rates.
    seconds : float
        What all of it is expected to take, if the dearest cut wins.
    budget : float
        What it was allowed to take, in seconds.
    """

    cuts: tuple[str, ...]
    short: int
    epochs: tuple[int, ...]
    n_folds: tuple[int, ...]
    n_rates: tuple[int, ...]
    seconds: float
    budget: float


def measure_pace(source: Source, cuts: tuple[str, ...], choice: Choice, *, decode: float) -> Pace:
    """Time some steps of training above each cut, and a batch of the engine before it, on pictures of noise.

    Parameters
    ----------
    source : Source
    cuts : tuple of str
        Stages; ``""`` for the whole network.
    choice : Choice
        Engine and device.
    decode : float
        Seconds a picture for decoding and augmenting it, all processors together.
    """
    import torch

    from headstart.features.backends import make_backend
    from headstart.features.taps import TappedNetwork
    from headstart.finetuning.freezing import freeze
    from headstart.finetuning.statistics import hold_statistics
    from headstart.finetuning.top import Top
    from headstart.training.memory import kept_memory

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (_BATCH, *source.preprocessing.size, 3), dtype=np.uint8)
    step, view, size = {}, {}, {}
    for cut in cuts:
        network = source.network()
        inputs = torch.from_numpy(pictures)
        if cut:
            with torch.inference_mode():
                (entering,) = TappedNetwork(source, cut=cut)(inputs)
            inputs = entering.clone()
            if inputs.ndim == 4:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            freeze(network, until=cut)
        size[cut] = int(np.prod(inputs.shape[1:])) * (2 if cut else 1)  # half precision, or the pictures' bytes
        top = Top(hold_statistics(network), cut or None, source.preprocessing).to(choice.device).train()
        top = top.to(memory_format=torch.channels_last)
        inputs = inputs.to(choice.device)
        seconds = []
        with kept_memory():
            for _ in range(1 + _TRIES):
                started = time.perf_counter()
                top(inputs).square().mean().backward()
                if inputs.is_cuda:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - started)
        step[cut] = min(seconds[1:]) / _BATCH
        if cut:
            engine = make_backend(choice, source, cut=cut)
            chunks = [pictures[: engine.batch_size]] * (2 * engine.workers)
            with ThreadPoolExecutor(engine.workers) as pool:
                list(pool.map(engine, chunks[: engine.workers]))
                started = time.perf_counter()
                list(pool.map(engine, chunks))
            view[cut] = decode + (time.perf_counter() - started) / (len(chunks) * len(chunks[0]))
        else:
            view[cut] = decode
    return Pace(cheapest(step), view, size)


def cheapest(step: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of a step with none above a cut greater than above a lower one, of which it is a part.

    Something else that runs for a moment makes one measurement too long, and a schedule that is kept too short.

    >>> cheapest({"top": 0.2, "middle": 0.1, "": 0.4})
    {'top': 0.1, 'middle': 0.1, '': 0.4}
    """
    cuts = list(step)
    return {cut: min(step[lower] for lower in cuts[place:]) for place, cut in enumerate(cuts)}


def schedule(
    pace: Pace, n: int, budget: float, *, share: float, n_views: Callable[[int], float], folds: int = 5
) -> Schedule:
    """Return what of fine-tuning fits ``budget`` seconds: as many cuts as leave each of them time to be trained.

    A first round tells the cuts apart in few epochs; what it leaves of the budget goes to the cut that wins.

    Parameters
    ----------
    pace : Pace
        Its cuts stand in the order in which they are wanted, the highest first.
    n : int
        Pictures in the development part.
    budget : float
        Seconds.
    share : float
        Share of the pictures that a fold learns from.
    n_views : callable
        From epochs to the augmented views of a picture that are computed.
    folds : int
        Most folds.
    """
    cuts = tuple(pace.step)

    def to_the_end(cut: str, epochs: int, n_folds: int, n_rates: int, short: int) -> float:
        shown = n_views(epochs) - n_views(short) if short else 1 + n_views(epochs)
        steps = (share * n_folds * n_rates + 1) * epochs
        return n * (steps * pace.step[cut] + shown * pace.view[cut])

    def plan(chosen: tuple[str, ...], short: int, ladder: Sequence[tuple[int, int, int]]) -> Schedule | None:
        spent = 0.0
        for cut in (cuts[0], *chosen) if short else ():  # the highest cut twice, with either kind of views
            spent += n * (share * short * pace.step[cut] + (1 + n_views(short)) * pace.view[cut])
        ends = []
        for cut in chosen:
            options = ((e, min(k, folds), r, to_the_end(cut, e, min(k, folds), r, short)) for e, k, r in ladder)
            found = next((option for option in options if spent + option[-1] <= budget), None)
            if found is None:
                return None
            ends.append(found)
        epochs, n_folds, n_rates, seconds = zip(*ends, strict=True)
        return Schedule(chosen, short, epochs, n_folds, n_rates, spent + max(seconds), budget)

    for tried in range(len(cuts), 1, -1):
        for short in _SHORT:
            if found := plan(cuts[:tried], short, LADDER):
                return found
    nothing = Schedule((), 0, (), (), (), 0.0, budget)
    return (plan(cuts[:1], 0, (*LADDER, _LEAST)) if cuts else None) or nothing

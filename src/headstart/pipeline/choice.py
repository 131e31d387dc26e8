"""Which source a fit starts from, and whose features stand beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from headstart.features.backends import Choice
    from headstart.pipeline.findings import Findings
    from headstart.results import Answer
    from headstart.sources import Source

AUTO = "auto"
_BESIDE = 2  # sources


def candidates(source: str | Path | Source, architecture: str | None) -> list[Source]:
    """Return the source that was named, or all at hand where the choice is left to the ranking."""
    from headstart.results import SourceError
    from headstart.sources import get, shelf

    if source == AUTO and architecture:
        raise SourceError("an architecture goes with a checkpoint, and source 'auto' is none: leave one of the two out")
    return list(shelf()) if source == AUTO else [get(source, architecture=architecture)]


def choose_source(
    found: Findings,
    sources: Sequence[Source],
    choice: Choice,
    tell: Callable[[Answer], None],
    cache_size: int,
    quiet: bool,
) -> None:
    """Set the source of ``found``, and those beside it: the ranking's next, or the packaged ones beside one of them."""
    from headstart.data.splits import sample_rows
    from headstart.sources import get
    from headstart.sources.catalogue import PACKAGED
    from headstart.transferability.rank import MOST, rank_rows

    target, seed = found.target, found.settings.seed
    if len(sources) == 1:
        found.source = sources[0]
        if found.source.name in PACKAGED:
            found.others = [get(name) for name in PACKAGED if name != found.source.name]
        return
    rows = sample_rows(target.y, target.rows("train", "val"), MOST, np.random.default_rng(seed))
    with found.timed("ranking"):
        found.ranking = rank_rows(
            target, rows, sources, seed=seed, choice=choice, cache_size=cache_size, count=found.count, quiet=quiet
        )
    tell(found.ranking)
    by_name = {one.name: one for one in sources}
    found.source, *rest = (by_name[one.name] for one in found.ranking.sources)
    found.others = rest[:_BESIDE]

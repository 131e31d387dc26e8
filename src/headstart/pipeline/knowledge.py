"""Does a source know anything that this target can use?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.features.graph import LAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Choice
    from headstart.metrics import Interval
    from headstart.pipeline.candidates import Bench
    from headstart.sources import Source

_ENOUGH = 1000  # pictures
_DRAWS = 3  # of shuffled weights: by luck of the draw alone, one network of random weights often beats another


def knowledge(
    sources: Sequence[Source], pictures: PictureSet, bench: Bench, choice: Choice, *, cache_size: int, quiet: bool
) -> Interval:
    """Return the gain in balanced accuracy of a head on a source's features over those on its weights, shuffled.

    Of a source that knows nothing, whether random or broken, shuffled ones are other draws, and the gain is none: where
    such a source seems to help, it is the training that did, or random features are better than the baseline. The
    interval covers the pictures and, as :func:`headstart.evaluation.transfer_verdict` does with seeds, the draws. All
    have the source's own statistics: those of the target, which it may have taken over, would not fit shuffled weights.

    Parameters
    ----------
    sources : sequence of Source
        One or more. Of several the gain of the first that is shown to know anything is returned, or of the one that
        comes nearest to it.
    pictures : PictureSet
        Of the rows of the bench; a thousand of them are looked at.
    bench : Bench
    choice : Choice
        Engine and device.
    cache_size : int
        Bytes that the activation cache may take.
    quiet : bool
    """
    found: list[Interval] = []
    for source in sources:
        found.append(_gain(source.as_trained, pictures, bench, choice, cache_size=cache_size, quiet=quiet))
        if found[-1].low > 0:
            break
    return max(found, key=lambda one: one.low)


def _gain(
    source: Source, pictures: PictureSet, bench: Bench, choice: Choice, *, cache_size: int, quiet: bool
) -> Interval:
    from headstart.data.splits import sample_rows, stratified_group_folds
    from headstart.evaluation import transfer_verdict
    from headstart.features.activations import compute
    from headstart.pipeline.bakeoff import correct
    from headstart.sources.shuffled import shuffled
    from headstart.training import choose

    rows = sample_rows(bench.y, np.arange(len(bench.y)), _ENOUGH, np.random.default_rng(bench.seed))
    y, groups = bench.y[rows], bench.groups[rows]
    n_folds = min(len(bench.folds), len(np.unique(groups)))
    folds = stratified_group_folds(y, groups, n_folds=n_folds, random_state=bench.seed)

    def right(one: Source) -> NDArray[np.float64]:
        found = compute(
            pictures.subset(rows), one, taps=[LAST], choice=choice, cache_size=cache_size, label=one.name, quiet=quiet
        )
        chosen = choose(np.nan_to_num(found[LAST]), y, folds, n_classes=bench.n_classes)
        return correct(chosen.probabilities[chosen.best], y, np.arange(len(y)))

    draws = [shuffled(source, seed=_DRAWS * bench.seed + draw) for draw in range(_DRAWS)]
    ours, theirs = right(source), np.vstack([right(one) for one in draws])
    return transfer_verdict(ours, theirs, groups=groups, y=y, random_state=bench.seed).gain

"""A sample of the labelled pictures that a person may look at: the development part, or some of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.target import Target


def load_sample(
    data: Any, most: int, *, seed: int = 0, quiet: bool = True, **load: Any
) -> tuple[Target, NDArray[np.int64]]:
    """Return a target of pictures, and rows of its development part: all, or a stratified sample of ``most``.

    Parameters
    ----------
    data : Target or anything that ``load_target`` takes
    most : int
        1 or more.
    seed : int
        Seed of split and sample.
    quiet : bool
        Whether to show no progress.
    **load
        Handed to ``load_target``.

    Raises
    ------
    DataError
        If the target is a table of features, or ``most`` is less than 1.
    """
    from headstart.data.load import load_target
    from headstart.data.splits import sample_rows

    if most < 1:
        raise DataError(f"most={most}: give the number of pictures to look at, 1 or more")
    target = load_target(data, random_state=seed, quiet=quiet, **load)
    if target.pictures is None:
        raise DataError(f"{target.name!r} is a table of features: it has no pictures to pass through a network")
    return target, sample_rows(target.y, target.rows("train", "val"), most, np.random.default_rng(seed))

"""Which examples of one data set stand in another too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.target import Target


def also_in(one: Target, other: Target, *, quiet: bool = True) -> NDArray[np.bool_]:
    """Return which rows of ``one`` show a picture, or hold features, that a row of ``other`` has too.

    Pictures are compared as :mod:`headstart.data.duplicates` does, by two looks that are cached; features exactly.

    Parameters
    ----------
    one, other : Target
        Of the same modality.
    quiet : bool
        Whether to show no progress.
    """
    if one.features is not None and other.features is not None:
        if one.features.shape[1] != other.features.shape[1]:
            return np.zeros(len(one), dtype=bool)
        known = {row.tobytes() for row in other.features + 0.0}  # -0.0 equals 0.0, but not byte by byte
        return np.array([row.tobytes() in known for row in one.features + 0.0], dtype=bool)
    from headstart.data.duplicates import find_duplicates
    from headstart.data.scan import scan

    assert one.pictures is not None and other.pictures is not None
    looks = [scan(target.pictures, quiet=quiet) for target in (one, other) if target.pictures is not None]
    readable = np.concatenate([look.reasons == "" for look in looks])
    columns = [np.concatenate([getattr(look, name) for look in looks])[readable]
               for name in ("digests", "hashes", "thumbs", "tints")]  # fmt: skip
    clusters = np.full(len(readable), -1)
    clusters[readable] = find_duplicates(*columns)
    mine, theirs = clusters[: len(one)], clusters[len(one) :]
    return np.asarray((mine >= 0) & np.isin(mine, theirs[theirs >= 0]))

"""What a frozen source makes of the pictures: the maps that enter one of its stages, on 8x8 positions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import SourceError
from headstart.taskonomy.measured.decoder import SIDE
from headstart.taskonomy.measured.made import small

if TYPE_CHECKING:
    from headstart.sources import Source

_DEPTH = 0.6  # of the stages are passed where no cut is named: far enough to be abstract, early enough to have places
_CHUNK = 256


class Trunk:
    """A source cut at a stage.

    Parameters
    ----------
    source : str or Source
        See ``headstart.sources.get``.
    cut : str, optional
        The stage whose input is read; by default six tenths up.

    Raises
    ------
    SourceError
        If the source has no such stage.
    """

    def __init__(self, source: str | Source, cut: str | None = None) -> None:
        from headstart.sources import get
        from headstart.sources.stages import find_stages

        found = get(source)
        # A crop would take away what turned, cut or predicted maps are about.
        whole = dataclasses.replace(found.preprocessing, fit="squash")
        self.source = dataclasses.replace(found, preprocessing=whole)
        names = find_stages(self.source.network())
        if cut is not None and cut not in names[1:]:
            raise SourceError(f"{self.source.name!r} cannot be cut at {cut!r}: choose among {', '.join(names[1:])}")
        self.cut = cut or names[int(_DEPTH * len(names))]

    @property
    def key(self) -> str:
        """What its activations depend on besides the picture."""
        return f"{self.source.fingerprint}@{self.cut}"

    def __call__(self, pictures: NDArray[np.uint8], *, quiet: bool = True) -> NDArray[np.float16]:
        """Return (n, c, 8, 8) for pictures (n, s, s, 3); each passes once, the cache keeps what it gave."""
        from headstart.data.pictures import PictureSet
        from headstart.features.activations import choose_engine
        from headstart.features.cut import CutActivations

        known = PictureSet(list(pictures))
        cut = CutActivations(known, self.source, self.cut, choose_engine(known, self.source))
        rows = np.arange(len(pictures))
        cut.ensure(0, rows, label=f"{self.source.name}: up to {self.cut}", quiet=quiet)
        parts = []
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            parts.append(self._small(cut.gather(some, np.zeros_like(some))))
        return np.concatenate(parts)

    def _small(self, maps: NDArray[Any]) -> NDArray[np.float16]:
        if maps.ndim != 4:
            raise SourceError(f"{self.source.name!r} has no maps at {self.cut!r}: choose a convolutional source or cut")
        return small(maps.transpose(0, 2, 3, 1), SIDE).astype(np.float16)

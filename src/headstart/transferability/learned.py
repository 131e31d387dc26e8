"""What was learned from the truth table: weights of the scores, and how well known sources did on its targets.

``benchmarks/ranking/truth.py`` makes the table and ``benchmarks/ranking/learn.py --ship`` writes the file;
BENCHMARKS.md says how good the combined score is on targets that it was not learned from.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path

_FILE = Path(__file__).parent / "learned.json"


@dataclasses.dataclass(frozen=True)
class Learned:
    """What the truth table taught.

    Attributes
    ----------
    weights : mapping of str to float
        Of each score in the combined one; 0 or more, together 1.
    places : mapping of str to float
        Mean rank of each source of the table over its targets, from 1, the best.
    about : str
        What it was learned from.
    """

    weights: Mapping[str, float]
    places: Mapping[str, float]
    about: str


@functools.cache
def learned() -> Learned:
    """Return what is shipped.

    >>> round(sum(learned().weights.values()), 6)
    1.0
    """
    return Learned(**json.loads(_FILE.read_text(encoding="utf-8")))

"""Does the source know what is asked? The evidence for a linear model of ranks, numbers or labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known(Answer):
    """LogME of several features for what is to be predicted.

    Numbers and ranks are brought to deviation 1, for evidence depends on the unit; of several labels or heads it is
    the mean. See :func:`headstart.transferability.logme.logme`.

    Attributes
    ----------
    scores : mapping of str to float
        Features -> log evidence per example, higher is better. It compares features of one target only.
    n : int
        Examples.
    """

    scores: Mapping[str, float]
    n: int

    question = "Does the source know what is asked?"

    def headline(self) -> str:
        """One sentence: the score of the source, and that of features that know nothing of it."""
        (name, score), *others = self.scores.items()
        beside = "".join(f", of {other} {value:.3f}" for other, value in others)
        return f"LogME of {name} is {score:.3f}{beside}, on {self.n:,} examples; higher is better."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each kind of features."""
        import pandas as pd

        return pd.DataFrame({"LogME": list(self.scores.values())}, index=pd.Index(list(self.scores), name="features"))

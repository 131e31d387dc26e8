"""What one test of source against target found."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd

Difference = Literal["covariate", "label", "conditional", "feature_space", "label_space"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding(Answer):
    """One way in which source and target may differ.

    Attributes
    ----------
    differs : bool or None
        None where it cannot be told.
    sentence : str
    statistic : float or None
        What was measured; ``measure`` says what it is.
    measure : str
    p_value : float or None
        Of the hypothesis that there is no difference.
    effect : float or None
        Size of the difference, from 0 (none) to 1 (nothing in common).
    """

    differs: bool | None
    sentence: str
    statistic: float | None = None
    measure: str = ""
    p_value: float | None = None
    effect: float | None = None

    def headline(self) -> str:
        """The sentence."""
        return self.sentence

    def to_frame(self) -> pd.DataFrame:
        """Return the finding as one row."""
        import pandas as pd

        return pd.DataFrame([self.row()]).set_index("question")

    def row(self) -> dict[str, object]:
        """Return question, answer and evidence as one row of a table."""
        return {
            "question": self.question,
            "differs": {True: "yes", False: "no", None: "cannot be told"}[self.differs],
            "measure": self.measure,
            "statistic": self.statistic,
            "p": self.p_value,
            "effect": self.effect,
        }


def p_text(p_value: float) -> str:
    """Return a p-value as it is written in a sentence.

    >>> p_text(0.0312), p_text(0.00002)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"

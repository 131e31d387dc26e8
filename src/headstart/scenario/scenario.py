"""The answer to how source and target differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.results import Answer
from headstart.scenario.conditional import Conditional
from headstart.scenario.feature_space import FeatureSpace
from headstart.scenario.finding import Difference, Finding
from headstart.scenario.follows import Follow
from headstart.scenario.label_shift import LabelShift
from headstart.scenario.label_space import LabelSpace
from headstart.scenario.marginal import Marginal

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_NAMES: dict[Difference, str] = {
    "feature_space": "the features",
    "covariate": "P(X) (covariate shift)",
    "label": "P(Y) (label shift)",
    "label_space": "the classes",
    "conditional": "P(Y given X) (concept shift)",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario(Answer):
    """How source and target differ, and what can be carried over.

    Attributes
    ----------
    source, target : str
    feature_space : FeatureSpace
    marginal : Marginal
        Its ``kind`` says whether a difference is a covariate or a label shift.
    label_shift : LabelShift
    label_space : LabelSpace
    conditional : Conditional
    differences : frozenset of str
        What was found: "covariate", "label", "conditional", "feature_space", "label_space". An adapter whose ``mends``
        has one of them is made for it.
    follows : tuple of Follow
        For each kind of transfer whether it applies or would hurt, and why.
    n_source, n_target, n_labelled : int
        Rows, and target rows with a label.
    level : float
        Chance that anything is found where nothing differs; each of the four questions that are tests gets a quarter.
    """

    source: str
    target: str
    feature_space: FeatureSpace
    marginal: Marginal
    label_shift: LabelShift
    label_space: LabelSpace
    conditional: Conditional
    differences: frozenset[Difference]
    follows: tuple[Follow, ...]
    n_source: int
    n_target: int
    n_labelled: int
    level: float

    question = "How do source and target differ?"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The five findings, in the order in which they are shown."""
        return self.feature_space, self.marginal, self.label_shift, self.label_space, self.conditional

    def headline(self) -> str:
        """One sentence: what differs, what cannot be told, and what to carry over."""
        found = [text for name, text in _NAMES.items() if name in self.differences]
        unknown = [
            text
            for finding, text in (
                (self.marginal, "P(X)"),
                (self.label_space, "the classes"),
                (self.conditional, "P(Y given X)"),
            )
            if finding.differs is None
        ]
        text = f"{self.source} and {self.target} differ in {_joined(found)}" if found else "No difference was found"
        if unknown:
            text += f"; whether {_joined(unknown)} {'differs' if len(unknown) == 1 else 'differ'} cannot be told"
        apply = [one.kind for one in self.follows if one.verdict == "applies"]
        hurt = [one.kind for one in self.follows if one.verdict == "would hurt"]
        text += f". Carry over {_joined(apply)}" if apply else ". Nothing can be carried over as it is"
        return text + (f"; {_joined(hurt)} would hurt." if hurt else ".")

    def to_frame(self) -> pd.DataFrame:
        """Return one row a question: whether it differs, what was measured, p-value, size of the effect."""
        import pandas as pd

        return pd.DataFrame([finding.row() for finding in self.findings]).set_index("question")

    def what_follows(self) -> pd.DataFrame:
        """Return one row a kind of transfer: verdict and reason."""
        import pandas as pd

        rows = [(one.kind, one.verdict, one.reason) for one in self.follows]
        return pd.DataFrame(rows, columns=["carry over", "verdict", "reason"]).set_index("carry over")

    def plot(self) -> Figure:
        """Return how far each feature has moved, the 20 that moved most."""
        return self.marginal.plot()


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"

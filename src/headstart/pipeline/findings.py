"""What a fit has found so far."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headstart.pipeline.plan import Plan, Settings
from headstart.results import Answer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.data.profile import Profile
    from headstart.evaluation import Calibrating, CrossValidation, Evaluation, LabelIssues, Mistakes
    from headstart.evaluation.verdict import TransferVerdict
    from headstart.finetuning.probe import LayerProbe
    from headstart.finetuning.rule import TwoByTwo
    from headstart.imbalance import Balance, Deployment, MetricChoice
    from headstart.normalization import Audit
    from headstart.pipeline.bakeoff import BakeOff
    from headstart.pipeline.carried import Carried
    from headstart.pipeline.input_fit import InputFit
    from headstart.pipeline.norming import Norming
    from headstart.scenario import Scenario
    from headstart.sources import Source
    from headstart.taskonomy import SeenAs
    from headstart.transfer.history import WarmStart
    from headstart.transferability.ranking import Ranking


Tell = Callable[[Answer], None]


@dataclasses.dataclass
class Findings:
    """What a fit has found so far, in the order of the questions.

    ``others`` are sources whose features may compete with those of ``source``, or go beside them; ``norms`` the source
    with its own statistics and with the target's, where the latter were asked for; ``meta`` is what the target looks
    like to the history.
    """

    target: Target
    settings: Settings
    profile: Profile
    metric: MetricChoice | None = None
    source: Source | None = None
    others: Sequence[Source] = ()
    ranking: Ranking | None = None
    input_fit: InputFit | None = None
    audit: Audit | None = None
    norming: Norming | None = None
    norms: Mapping[str, Source] = dataclasses.field(default_factory=dict)
    seen: SeenAs | None = None
    validation: CrossValidation | None = None
    evaluation: Evaluation | None = None
    issues: LabelIssues | None = None
    mistakes: Mistakes | None = None
    probe: LayerProbe | None = None
    rule: TwoByTwo | None = None
    bakeoff: BakeOff | None = None
    scenario: Scenario | None = None
    carried: Carried | None = None
    verdict: TransferVerdict | None = None
    calibrating: Calibrating | None = None
    warm: WarmStart | None = None
    meta: dict[str, float] | None = None
    balance: Balance | None = None
    deployment: Deployment | None = None
    plain: NDArray[np.float64] | None = None
    probabilities: NDArray[np.float64] | None = None
    decisions: NDArray[np.int64] | None = None
    times: dict[str, Any] = dataclasses.field(default_factory=dict)

    def answers(self) -> list[Answer]:
        """Return the answers found, in order."""
        found = (
            self.profile, self.metric, self.ranking, self.input_fit, self.audit, self.norming, self.seen,
            self.validation, self.probe, self.rule, self.warm, self.bakeoff, self.scenario, self.carried, self.verdict,
            self.calibrating, self.balance, self.deployment, self.evaluation, self.mistakes, self.issues,
        )  # fmt: skip
        return [answer for answer in found if answer is not None]

    def names(self) -> tuple[str, ...]:
        """Return the names of the columns that the model gives."""
        return self.target.classes

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics on the test part."""
        return dict(self.evaluation.metrics) if self.evaluation else {}

    def headline(self) -> str:
        """Return what the run found, in one sentence."""
        from headstart.pipeline.page import headline

        return headline(self)

    def page(self, plan: Plan) -> str:
        """Return the report, as HTML."""
        from headstart.pipeline.page import report_page

        return report_page(self, plan)

    def predictions(self) -> pd.DataFrame:
        """Return a table of what was predicted for each row."""
        from headstart.pipeline.writing import predictions

        return predictions(self)

    def count(self, passed: int, damaged: int) -> None:
        """Note how many pictures went through a network, and how many damaged shards were computed again."""
        self.times["pictures_passed"] = self.times.get("pictures_passed", 0) + passed
        self.times["shards_damaged"] = self.times.get("shards_damaged", 0) + damaged

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how many seconds a step takes."""
        started = time.perf_counter()
        yield
        self.times[f"{step}_seconds"] = round(time.perf_counter() - started, 3)

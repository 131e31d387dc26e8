"""What a fit has found so far."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headstart.pipeline.plan import Settings
from headstart.results import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.data.profile import Profile
    from headstart.evaluation import CrossValidation, Evaluation, LabelIssues, Mistakes
    from headstart.pipeline.input_fit import InputFit
    from headstart.sources import Source
    from headstart.training import LogisticHead


@dataclasses.dataclass
class Findings:
    """What a fit has found so far, in the order of the questions."""

    target: Target
    settings: Settings
    profile: Profile
    source: Source | None = None
    input_fit: InputFit | None = None
    validation: CrossValidation | None = None
    head: LogisticHead | None = None
    evaluation: Evaluation | None = None
    issues: LabelIssues | None = None
    mistakes: Mistakes | None = None
    probabilities: NDArray[np.float64] | None = None
    times: dict[str, Any] = dataclasses.field(default_factory=dict)

    def answers(self) -> list[Answer]:
        """Return the answers found, in order."""
        found = (self.profile, self.input_fit, self.validation, self.evaluation, self.mistakes, self.issues)
        return [answer for answer in found if answer is not None]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how many seconds a step takes."""
        started = time.perf_counter()
        yield
        self.times[f"{step}_seconds"] = round(time.perf_counter() - started, 3)

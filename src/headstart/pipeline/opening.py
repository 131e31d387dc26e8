"""The folder of a run: opened with its plan, gone on from where a run was stopped, tidied at the end."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.pipeline.plan import Plan, Settings, make_plan
from headstart.results.team import team

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headstart.data import Target
    from headstart.detection.boxes import DetectionTarget
    from headstart.features.backends import Choice
    from headstart.sources import Source


@dataclasses.dataclass(frozen=True)
class Opened:
    """The folder of a run.

    Attributes
    ----------
    folder : Path
    plan : Plan
    trial : Choice or None
        The engine's choice with the trial behind it, where the plan is new and there is something to pass.
    """

    folder: Path
    plan: Plan
    trial: Choice | None

    @property
    def is_finished(self) -> bool:
        """Whether the run that stands here came to its end."""
        return (self.folder / "run.json").is_file()

    @property
    def work(self) -> Path:
        """What a run that is stopped goes on from."""
        return self.folder / ".work"

    def close(self) -> None:
        """Delete what only a stopped run needs."""
        shutil.rmtree(self.work, ignore_errors=True)


def open_run(
    out: str | Path | None,
    settings: Settings,
    target: Target | DetectionTarget,
    sources: Sequence[Source],
    choose: Callable[[], Choice],
) -> Opened:
    """Return the run in ``out``, by default ``NAME-run`` in the working folder; see ``make_plan`` for the rest."""
    folder = Path(out) if out is not None else Path(f"{Path(target.name).stem or 'headstart'}-run")
    trials: list[Choice] = []

    def engine() -> Choice:
        trials.append(choose())
        return trials[0]

    plan = team().first(lambda: make_plan(folder, settings, target, sources, engine))
    opened = Opened(folder, plan, trials[0] if trials else None)
    if team().leads and not opened.is_finished:
        for part in folder.glob(".*.part"):  # left by a process that was killed
            part.unlink(missing_ok=True)
    return opened

"""Tasks other than classification: which function makes the model, and which options of ``fit`` it knows."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.results import HeadstartError

if TYPE_CHECKING:
    from headstart.pipeline.run import Run

TASKS = {
    "detect": "headstart.pipeline.detecting:fit_detector",
    "multilabel": "headstart.pipeline.predicting:fit_prediction",
    "ordinal": "headstart.pipeline.predicting:fit_prediction",
    "regress": "headstart.pipeline.predicting:fit_prediction",
}


def fit_task(task: str, data: Any, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Run:
    """Hand ``fit`` over to the function of a task; refuse options that it does not know.

    Parameters
    ----------
    task : str
        One of ``TASKS``.
    data : Any
        As in ``fit``.
    given, defaults : mapping
        Options of ``fit`` by name: as they were given, and their defaults.

    Raises
    ------
    HeadstartError
        If the task is unknown, or an option was given that it has no use for.
    """
    if task not in TASKS:
        raise HeadstartError(f"no task is called {task!r}: take classify, {', '.join(TASKS)}")
    module, name = TASKS[task].split(":")
    function = getattr(importlib.import_module(module), name)
    known = inspect.signature(function).parameters
    strange = [option for option, value in given.items() if option not in known and not _same(value, defaults[option])]
    if strange:
        option = strange[0].replace("_", "-")
        raise HeadstartError(f"--{option} says nothing where the task is {task}: leave it out")
    # What was not given is left to the task's own defaults.
    told = {option: value for option, value in given.items() if option in known and not _same(value, defaults[option])}
    run: Run = function(data, **({"task": task} if "task" in known else {}), **told)
    return run


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, str | int | float) and bool(value == default))

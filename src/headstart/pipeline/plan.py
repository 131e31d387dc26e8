"""The plan of a run: what was asked for, and what the clock or the past decided, fixed before any work is done.

It is written into the run folder first and replayed when the same command finds it there, so that a run that was
interrupted ends with the decisions and weights of one that was not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.results import RunError
from headstart.results.files import write_json

if TYPE_CHECKING:
    from headstart.data import Target
    from headstart.detection.boxes import DetectionTarget
    from headstart.features.backends import Choice
    from headstart.sources import Source

FORMAT = 1
_PACKAGES = ("headstart", "torch", "timm", "openvino", "scikit-learn", "numpy", "pillow")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a person asked for.

    Attributes
    ----------
    source : str
        See ``headstart.sources.get``; ``"auto"``: those at hand are ranked.
    architecture : str or None
        Network of a local checkpoint.
    input_fit : {"auto", "crop", "squash", "pad"}
        How a picture is fitted into the input; ``"auto"`` measures.
    final : bool
        Whether the head is refitted on everything, test part included, after it was measured.
    seed : int
        Seed of all that is random.
    strategy : {"linear", "frozen", "auto"}
        What is tried; see ``headstart.fit``.
    budget : float or None
        Minutes that training networks may take.
    balance : str
        ``"none"``, ``"auto"``, or a way to correct an imbalance; see ``headstart.imbalance.balance``.
    source_data : str or None
        Fingerprint of labelled examples from another place.
    norm : str
        ``"auto"``, or what the normalization layers go by; see ``headstart.fit``.
    batch_size : int
        Of fine-tuning.
    scaling : {"standard", "robust", "quantile"}
        Of plain features.
    calibration : str
        ``"none"``, ``"auto"``, ``"temperature"`` or ``"isotonic"``; see ``headstart.evaluation.calibrate``.
    cost : str, list of list of float or None
        What mistakes cost, as ``headstart.imbalance.cost_matrix`` takes it.
    prevalence : str or None
        Shares of the classes where the model is used, as ``headstart.imbalance.parse_prevalence`` takes them.
    loss, batches : str
        What networks are trained with; see ``headstart.imbalance.network_correction``.
    backend, device : str
        Engine and device; ``"auto"`` chooses.
    trials : int or None
        How many ways on frozen features are tried.
    task : str
        What is predicted; see ``headstart.fit``.
    order : str or None
        Of ordinal classes.
    """

    source: str = "lite0"
    architecture: str | None = None
    input_fit: str = "auto"
    final: bool = False
    seed: int = 0
    strategy: str = "linear"
    budget: float | None = None
    balance: str = "none"
    source_data: str | None = None
    norm: str = "source"
    batch_size: int = 32
    scaling: str = "standard"
    calibration: str = "none"
    cost: str | list[list[float]] | None = None
    prevalence: str | None = None
    loss: str = "cross-entropy"
    batches: str = "natural"
    backend: str = "auto"
    device: str = "auto"
    trials: int | None = None
    task: str = "classify"
    order: str | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """Settings, what they are applied to, and the engine that was chosen.

    Attributes
    ----------
    settings : Settings
    data, source : str
        Fingerprints; that of several sources to choose from is of all of them.
    engine : dict
        What the activations depend on: backend, version, precision, kind of device; empty for a table of features.
    device : str
        The device itself, such as ``"cuda:1"``.
    versions : dict
        Of the packages that compute.
    """

    settings: Settings
    data: str
    source: str
    engine: Mapping[str, str]
    device: str
    versions: Mapping[str, str]

    @property
    def choice(self) -> Choice:
        """Engine and device; the engine has no name where there is nothing to pass."""
        from headstart.features.backends import Choice

        return Choice(self.engine.get("backend", ""), self.device, "as planned")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values that JSON can hold."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


def make_plan(
    folder: Path,
    settings: Settings,
    target: Target | DetectionTarget,
    sources: Sequence[Source],
    choose: Callable[[], Choice],
) -> Plan:
    """Return the plan of the run in ``folder``: the one that stands there, else a new one, written there.

    Parameters
    ----------
    folder : Path
        The run folder; made if need be.
    settings : Settings
        What was asked for.
    target : Target or DetectionTarget
        The data.
    sources : sequence of Source
        The source, or those to choose from; none for a table of features.
    choose : callable
        Returns the engine's ``Choice``; called only for a new plan.

    Raises
    ------
    RunError
        If ``folder`` holds something else: other files, another data set's run, or a run with other settings.
    """
    path = folder / "plan.json"
    identity = {"data": target.fingerprint, "source": _fingerprint(sources)}
    if path.is_file():
        return _checked(path, settings, identity)
    if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise RunError(f"{str(folder)!r} holds files that are no run: give an empty or a new folder with --out")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{str(folder)!r} is a file: give a new folder with --out")
    choice = choose() if sources else None
    plan = Plan(
        settings=settings,
        engine=choice.key() if choice else {},
        device=choice.device if choice else "",
        versions={package: version(package) for package in _PACKAGES},
        **identity,
    )
    write_json(path, plan.to_dict())
    return plan


def _fingerprint(sources: Sequence[Source]) -> str:
    if len(sources) < 2:
        return sources[0].fingerprint if sources else ""
    return hashlib.sha256(" ".join(sorted(one.fingerprint for one in sources)).encode()).hexdigest()


def _checked(path: Path, settings: Settings, identity: Mapping[str, str]) -> Plan:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        plan = Plan(
            **{**{key: stored[key] for key in stored if key != "format"}, "settings": Settings(**stored["settings"])}
        )
    except (ValueError, TypeError, KeyError):
        raise RunError(f"{str(path)!r} is damaged or of another version: give a new folder with --out") from None
    folder = str(path.parent)
    asked, had = dataclasses.asdict(settings), dataclasses.asdict(plan.settings)
    # Settings first: another seed also makes another split, and so another fingerprint of the data.
    wrong = [f"with {name}={had[name]!r}, not {value!r}" for name, value in asked.items() if had[name] != value]
    if not wrong and plan.data != identity["data"]:
        wrong = ["of another data set (or the data has changed)"]
    if not wrong and plan.source != identity["source"]:
        wrong = ["from a source with other weights"]
    if wrong:
        raise RunError(f"{folder!r} holds a run {wrong[0]}: give a new folder with --out")
    return plan

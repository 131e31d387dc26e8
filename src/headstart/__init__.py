"""Transfer learning that is hard to get wrong: every decision measured, every measurement shown."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.data import Target, load_target
    from headstart.data.profile import Profile, profile
    from headstart.features import Activations, extract
    from headstart.pipeline.classifier import TransferClassifier
    from headstart.pipeline.fit import fit
    from headstart.pipeline.run import Run, load
    from headstart.results import HeadstartError, HeadstartWarning
    from headstart.transfer import Domain
    from headstart.transferability.rank import rank
    from headstart.transferability.ranking import Ranking

__version__ = "0.1.0"

_WHERE = {
    "Activations": "headstart.features",
    "Domain": "headstart.transfer",
    "HeadstartError": "headstart.results",
    "HeadstartWarning": "headstart.results",
    "Profile": "headstart.data.profile",
    "Ranking": "headstart.transferability.ranking",
    "Run": "headstart.pipeline.run",
    "Target": "headstart.data",
    "TransferClassifier": "headstart.pipeline.classifier",
    "extract": "headstart.features",
    "fit": "headstart.pipeline.fit",
    "load": "headstart.pipeline.run",
    "load_target": "headstart.data",
    "profile": "headstart.data.profile",
    "rank": "headstart.transferability.rank",
}
_ROOMS = {
    "data",
    "detection",
    "evaluation",
    "features",
    "finetuning",
    "imbalance",
    "metrics",
    "normalization",
    "report",
    "results",
    "scenario",
    "sources",
    "taskonomy",
    "training",
    "transfer",
    "transferability",
}

__all__ = [
    "Activations",
    "Domain",
    "HeadstartError",
    "HeadstartWarning",
    "Profile",
    "Ranking",
    "Run",
    "Target",
    "TransferClassifier",
    "__version__",
    "extract",
    "fit",
    "load",
    "load_target",
    "profile",
    "rank",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import headstart`` stays cheap."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"headstart.{name}")
    raise AttributeError(f"module 'headstart' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
